"""How single steps of a study grow: radiomics with the ROI's voxels, a search with its grid and with the columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import SimpleITK as sitk
from sklearn.datasets import make_classification

from benchmark.evaluation.fold import FoldTask, evaluate
from benchmark.evaluation.protocol import Protocol
from benchmark.plugins import Classifier
from benchmark.plugins.registry import build
from feature_extractors.radiomics.extractor import RadiomicsExtractor
from tests.performance.pairs import seconds

VOXELS = (1_000, 10_000, 100_000, 1_000_000)
POINTS = (1, 2, 4, 8, 16)
COLUMNS = (10, 100, 1_000, 4_000)
REPEATS = 3
Points = list[dict[str, float]]


def growths() -> dict[str, Points]:
    """Return CPU seconds against size of each: ``{"size": …, "seconds": …}``, the least of three."""
    return {
        "voxels of the ROI": _over(VOXELS, _radiomics),
        "points of the grid": _over(POINTS, _forest_of_points),
        "columns": _over(COLUMNS, _forest_of_columns),
    }


def exponent(points: Points) -> float:
    """Return with which power of the size the seconds grow, from the last but one to the last."""
    before, last = points[-2:]
    return float(np.log(last["seconds"] / before["seconds"]) / np.log(last["size"] / before["size"]))


def _over(sizes: Sequence[int], work_of: Callable[[int], Callable[[], object]]) -> Points:
    found = []
    for size in sizes:
        work = work_of(size)
        found.append({"size": float(size), "seconds": min(seconds(work) for _ in range(REPEATS))})
    return found


def _radiomics(voxels: int) -> Callable[[], object]:
    """A ball of noise as soft tissue has it."""
    radius = (voxels * 3 / 4 / np.pi) ** (1 / 3)
    side = int(2 * radius) + 5
    away = np.linalg.norm(np.indices((side,) * 3) - (side - 1) / 2, axis=0)
    hu = np.random.default_rng(0).normal(40, 20, away.shape)
    image = sitk.GetImageFromArray(np.rint(hu).astype(np.int16))
    roi = sitk.GetImageFromArray((away <= radius).astype(np.uint8))
    extractor = RadiomicsExtractor()
    return lambda: extractor.extract(image, roi)


def _forest_of_points(points: int) -> Callable[[], object]:
    """Points of which none is got from another's fit."""
    grid = {"n_estimators": [100], "min_samples_leaf": list(range(1, points + 1))}
    return _search(build("classifier", {"use": "random_forest", "grid": grid}), 107)


def _forest_of_columns(columns: int) -> Callable[[], object]:
    return _search(build("classifier", "random_forest"), columns)


def _search(classifier: Classifier, columns: int) -> Callable[[], object]:
    X, y = make_classification(182, columns, n_informative=8, n_redundant=0, flip_y=0.2, random_state=0)
    names = tuple(f"f{place}" for place in range(columns))
    train, test = np.arange(146), np.arange(146, 182)
    return lambda: evaluate(FoldTask(classifier, Protocol(), names, X, y, train, test, seed=0))
