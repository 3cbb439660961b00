"""What the tests of `slices` share."""

from __future__ import annotations

from pathlib import Path

import pytest

from feature_extractors.slices.presets import EFFICIENTNET_LITE0


@pytest.fixture
def installed() -> Path:
    """The file of the package, which the extra `encoders` installs."""
    if (path := EFFICIENTNET_LITE0.locate()) is None:
        pytest.skip(EFFICIENTNET_LITE0.availability().reason)
    return path
