"""Fixtures that every room's tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of public real CT data; the test is skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CACBENCH_REAL_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set CACBENCH_REAL_DATA")
    return folder
