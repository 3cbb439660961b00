"""A grid search that fits each distinct thing once and gives what scikit-learn's `GridSearchCV` gives.

Two shortcuts, both exact: the steps before the model are fitted once for all grid points that leave them alone,
and one boosted model or forest serves every smaller number of rounds or trees (`Classifier.stages`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid, StratifiedKFold

from benchmark.statistics.metrics import metric_value

if TYPE_CHECKING:
    from benchmark.plugins import Classifier

Matrix = NDArray[np.float64]
Labels = NDArray[np.intp]


def best_point(
    classifier: Classifier, X: Matrix, y: Labels, *, folds: int, scoring: str, seed: int
) -> tuple[dict[str, Any], float]:
    """Return the grid point with the best mean score in a stratified cross-validation of X, and that score.

    X has shape (cases, features). The first of equally good points wins, in the order of `ParameterGrid`.
    """
    points = grid_points(classifier)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    scores = np.zeros((folds, len(points)))
    for fold, (train, test) in enumerate(splitter.split(X, y)):
        probabilities = grid_probabilities(classifier, X[train], y[train], X[test], seed)
        scores[fold] = [metric_value(scoring, y[test], probability[:, 1]) for probability in probabilities]
    mean = scores.mean(axis=0)
    return points[int(mean.argmax())], float(mean.max())


def grid_points(classifier: Classifier) -> list[dict[str, Any]]:
    """Return the grid's points in scikit-learn's order."""
    return list(ParameterGrid(classifier.parameter_grid()))


def grid_probabilities(classifier: Classifier, X: Matrix, y: Labels, unseen: Matrix, seed: int) -> Matrix:
    """Fit every grid point on X and y; return its predictions for `unseen`, (points, cases, classes)."""
    points = grid_points(classifier)
    found: dict[int, Matrix] = {}
    for shared, members in _by_preprocessing(points):
        pipeline = clone(classifier.estimator(seed)).set_params(**shared)
        before, model = pipeline[:-1], pipeline[-1]
        seen = before.fit_transform(X, y)
        for group in _by_fit(members, points, classifier.stages):
            found |= _fit_group(classifier, model, group, points, (seen, y, before.transform(unseen)))
    return np.stack([found[index] for index in range(len(points))])


def _fit_group(
    classifier: Classifier,
    model: Any,
    group: list[int],
    points: list[dict[str, Any]],
    data: tuple[Any, Any, Any],
) -> dict[int, Matrix]:
    """Fit the group's largest member and read all members' predictions from it."""
    seen, y, unseen = data
    stages = [points[index].get(f"model__{classifier.stages}", 0) for index in group]
    largest = points[group[int(np.argmax(stages))]]
    own = {
        name.removeprefix("model__"): value for name, value in largest.items() if name.startswith("model__")
    }
    fitted = clone(model).set_params(**own).fit(seen, y)
    if len(group) == 1:
        return {group[0]: fitted.predict_proba(unseen)}
    return dict(zip(group, classifier.staged_probabilities(fitted, unseen, stages), strict=True))


def _by_preprocessing(points: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """Group the points by their parameters of the steps before the model."""
    groups: dict[str, tuple[dict[str, Any], list[int]]] = {}
    for index, point in enumerate(points):
        shared = {name: value for name, value in point.items() if not name.startswith("model__")}
        groups.setdefault(repr(sorted(shared.items())), (shared, []))[1].append(index)
    yield from groups.values()


def _by_fit(members: list[int], points: list[dict[str, Any]], stages: str | None) -> Iterator[list[int]]:
    """Group the points that differ in the staged parameter alone."""
    groups: dict[str, list[int]] = {}
    for index in members:
        rest = {name: value for name, value in points[index].items() if name != f"model__{stages}"}
        groups.setdefault(repr(sorted(rest.items(), key=lambda item: item[0])), []).append(index)
    yield from groups.values()
