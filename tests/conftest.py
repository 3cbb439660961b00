"""Fixtures that every room's tests share."""

import os
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from benchmark.study.study import Study


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup() -> None:
    """Forget what a test before told MLflow: it puts its address into the environment, where cacbench obeys it."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_REGISTRY_URI"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of public real CT data; the test is skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CACBENCH_REAL_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set CACBENCH_REAL_DATA")
    return folder


@pytest.fixture(scope="session")
def toy_content() -> dict[str, Any]:
    """What `toy_declaration` declares, for fixtures that serve a whole module."""
    return {
        "name": "toy",
        "cohort": {"use": "toy_cohort"},
        "segmenters": {"toy_centre": {}},
        "extractors": {"moments": {"use": "toy_moments", "segmenter": "toy_centre"}},
        "classifiers": {"logistic_regression": {"grid": {"C": [0.1, 1.0]}}, "toy_nearest": {}},
        "protocol": {"folds": 3, "inner_folds": 3},
    }


@pytest.fixture
def toy_declaration(toy_content: dict[str, Any]) -> dict[str, Any]:
    """A study of toy plug-ins that takes a second, as YAML would declare it."""
    return deepcopy(toy_content)


@pytest.fixture
def toy_study(toy_declaration: dict[str, Any]) -> Callable[..., Study]:
    """Make the toy study with some of its keys replaced."""
    return lambda **changes: Study.model_validate({**toy_declaration, **changes})
