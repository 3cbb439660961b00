"""A grid search that fits each distinct thing once and gives what scikit-learn's `GridSearchCV` gives.

Three shortcuts, all exact: the steps before the model are fitted once for all grid points that leave them alone,
one boosted model or forest serves every smaller number of rounds or trees (`Classifier.stages`), and a classifier may
have a shorter way to the same probabilities (`Classifier.fitted_in_search`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from benchmark.statistics.metrics.scores import decided_metric, most_probable

if TYPE_CHECKING:
    from benchmark.plugins import Classifier

Matrix = NDArray[np.float64]
Labels = NDArray[np.intp]


@dataclass(frozen=True)
class Chosen:
    """The best grid point, its mean score over the inner folds, and its out-of-fold probabilities.

    `out_of_fold` has shape (cases, classes); a case that no inner fold tests has none (NaN).
    """

    point: dict[str, Any]
    score: float
    out_of_fold: Matrix


def best_point(
    classifier: Classifier,
    X: Matrix,
    y: Labels,
    *,
    cv: Any,
    scoring: str,
    seed: int,
    groups: Labels | None = None,
) -> Chosen:
    """Choose the grid point with the best mean score in a cross-validation of X, shape (cases, features).

    `cv` is a scikit-learn cross-validator, `groups` (cases,) what it may keep together. The first of equally good
    points wins, in the order of `ParameterGrid`. Of a classifier that trains a network only the first fold is tested.
    """
    points = grid_points(classifier)
    classes = int(y.max()) + 1
    scores = []
    out_of_fold = np.full((len(points), len(y), classes), np.nan)
    for train, test in islice(cv.split(X, y, groups), 1 if classifier.learns_from_activations else None):
        by_point = grid_probabilities(classifier, X[train], y[train], X[test], seed, classes)
        scores.append([probability_score(scoring, y[test], probabilities) for probabilities in by_point])
        out_of_fold[:, test] = by_point
    mean = np.mean(scores, axis=0)
    best = int(mean.argmax())
    return Chosen(points[best], float(mean[best]), out_of_fold[best])


def grid_points(classifier: Classifier) -> list[dict[str, Any]]:
    """Return the grid's points in scikit-learn's order."""
    return list(ParameterGrid(classifier.parameter_grid()))


def grid_probabilities(
    classifier: Classifier, X: Matrix, y: Labels, unseen: Matrix, seed: int, classes: int = 2
) -> Matrix:
    """Fit every grid point on X and y; return its predictions for `unseen`, (points, cases, classes).

    `y` holds codes below `classes`. A class without a training case has probability 0.
    """
    points = grid_points(classifier)
    by_point: dict[int, Matrix] = {}
    present, y = np.unique(y, return_inverse=True)
    for shared, members in _by_preprocessing(points):
        pipeline = clone(classifier.estimator(seed)).set_params(**shared)
        before, model = pipeline[:-1], pipeline[-1]
        seen = before.fit_transform(X, y)
        for group in _by_fit(members, points, classifier.staged_parameter):
            by_point |= _fit_group(classifier, model, group, points, (seen, y, before.transform(unseen)))
    return spread(np.stack([by_point[index] for index in range(len(points))]), present, classes)


def spread(probabilities: Matrix, present: Labels, classes: int) -> Matrix:
    """Return probabilities (…, present) of the classes that were trained on as those of all, (…, classes)."""
    if len(present) == classes:
        return probabilities
    whole = np.zeros((*probabilities.shape[:-1], classes))
    whole[..., present] = probabilities
    return whole


def probability_score(scoring: str, y: Labels, probabilities: Matrix) -> float:
    """Return a metric of probabilities (cases, classes) for labels `y` (cases,)."""
    return decided_metric(scoring, y, most_probable(probabilities), probabilities[:, 1])


def _fit_group(
    classifier: Classifier,
    model: Any,
    group: list[int],
    points: list[dict[str, Any]],
    data: tuple[Any, Any, Any],
) -> dict[int, Matrix]:
    """Fit the group's largest member and read all members' predictions from it."""
    seen, y, unseen = data
    stages = [points[index].get(f"model__{classifier.staged_parameter}", 0) for index in group]
    largest = points[group[int(np.argmax(stages))]]
    model_parameters = {
        name.removeprefix("model__"): value for name, value in largest.items() if name.startswith("model__")
    }
    fitted = classifier.fitted_in_search(clone(model).set_params(**model_parameters), seen, y)
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
