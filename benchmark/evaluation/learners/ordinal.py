"""Classes in their order: one model per limit between them, around any classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from benchmark.plugins import Classifier

Floats = NDArray[np.float64]


class OrdinalClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Frank and Hall 2001 (doi:10.1007/3-540-44795-4_13): a binary model of each ``y > class``.

    The probability of a class is the difference of two neighbouring ones. Models fitted apart may contradict each
    other; the probabilities of exceeding a limit are therefore made to fall from limit to limit.

    Parameters
    ----------
    estimator : a binary scikit-learn classifier with ``predict_proba``.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit one clone of the estimator per limit. X has shape (cases, features) or (cases, views, …), y (cases,)."""
        X, y = validate_data(self, X, y, allow_nd=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.estimators_ = [
            clone(self.estimator).fit(X, (codes > limit).astype(int))
            for limit in range(len(self.classes_) - 1)
        ]
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return the probability of each of ``classes_``, (cases, classes)."""
        check_is_fitted(self)
        values: NDArray[Any] = validate_data(self, X, allow_nd=True, reset=False)
        above = np.empty((len(self.estimators_), len(values)))
        for limit, model in enumerate(self.estimators_):
            above[limit] = model.predict_proba(values)[:, 1]
        return class_probabilities(above)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each case."""
        most_probable = self.predict_proba(X).argmax(axis=1)
        chosen: NDArray[Any] = self.classes_[most_probable]
        return chosen


def class_probabilities(above: Floats) -> Floats:
    """Return (…, cases, classes) from the probabilities of exceeding each limit, (limits, …, cases)."""
    falling = np.minimum.accumulate(above, axis=0)
    one = np.ones((1, *falling.shape[1:]))
    ends = np.concatenate([one, falling, 0 * one])
    return np.moveaxis(ends[:-1] - ends[1:], 0, -1)


class Ordinal(Classifier):
    """Any classifier, learning ordered classes by one of its models per limit between them."""

    classifier: Classifier

    @property
    def staged_parameter(self) -> str | None:
        """The classifier's own, one estimator further in."""
        inner = self.classifier.staged_parameter
        return f"estimator__{inner}" if inner else None

    @property
    def learns_from_activations(self) -> bool:
        """The classifier's own."""
        return self.classifier.learns_from_activations

    @property
    def batch_column(self) -> str | None:
        """The classifier's own."""
        return self.classifier.batch_column

    @property
    def parts_columns(self) -> bool:
        """The classifier's own."""
        return self.classifier.parts_columns

    @property
    def keeps_whole(self) -> bool:
        """The classifier's own."""
        return self.classifier.keeps_whole

    def told(self, columns: Sequence[str]) -> Classifier:
        """Return the same around the classifier that was told."""
        return self.model_copy(update={"classifier": self.classifier.told(columns)})

    def unharmonised(self) -> Classifier:
        """Return the same around the classifier without its harmonisation."""
        return self.model_copy(update={"classifier": self.classifier.unharmonised()})

    def estimator(self, seed: int) -> Pipeline:
        """Return the classifier's pipeline with an `OrdinalClassifier` around its model."""
        *before, (name, model) = self.classifier.estimator(seed).steps
        return Pipeline([*before, (name, OrdinalClassifier(model))])

    def parameter_grid(self) -> dict[str, list[Any]]:
        """Return the classifier's grid; the model's parameters are one estimator further in."""
        return {
            name.replace("model__", "model__estimator__", 1): values
            for name, values in self.classifier.parameter_grid().items()
        }

    def staged_probabilities(self, model: Any, X: Floats, stages: list[int]) -> Floats:
        """Combine the staged probabilities of every limit's model."""
        above = [self.classifier.staged_probabilities(one, X, stages)[:, :, 1] for one in model.estimators_]
        return class_probabilities(np.stack(above))
