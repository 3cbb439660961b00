"""Any classifier behind ComBat, which learns the scanners' part of the features in the training fold."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, WithJsonSchema
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from benchmark.errors import CaseError
from benchmark.plugins import Classifier, FeatureExtractor
from benchmark.plugins.registry import declared
from benchmark.statistics.harmonisation.combat import Combat, fit_combat
from classifiers.random_forest import RandomForest

Floats = NDArray[np.float64]
Learner = Annotated[
    Classifier,
    declared("classifier"),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "required": ["use"]}]}),
]


class CombatStep(TransformerMixin, BaseEstimator):
    """Take the batches' part out of X, whose last column holds their codes and is dropped."""

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn it from X, shape (cases, features + 1). Raises `CaseError` for one batch, or one of one case."""
        values = validate_data(self, X, dtype=np.float64, ensure_min_features=2)
        learnt = _in_a_sentence(fit_combat, values[:, :-1], values[:, -1])
        self.learnt_ = {field.name: getattr(learnt, field.name) for field in fields(learnt)}
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Return the features alone, (cases, features). Raises `CaseError` for a batch that was not fitted."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, reset=False)
        adjusted: Floats = _in_a_sentence(Combat(**self.learnt_).adjust, values[:, :-1], values[:, -1])
        return adjusted

    def names_after(self, names: NDArray[Any]) -> NDArray[Any]:
        """Return the names of the features that come out."""
        return names[:-1]


def _in_a_sentence(function: Any, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except ValueError as error:
        raise CaseError(f"{error}; lower `inner_folds`, or leave the scans of small batches out") from None


class CombatClassifier(Classifier):
    """A classifier that learns from features harmonised by ComBat (Johnson 2007), fitted in each training fold.

    Inner folds have a fit of their own. What is tested must be of scanners that trained: `leave_one_group_out` leaves
    nothing to learn of the one left out.
    """

    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn",)

    classifier: Learner = Field(
        RandomForest(), description="what learns from the harmonised features: `{use: NAME, …}`"
    )
    batch: Literal["group", "protocol"] = Field(
        "group", description="what the cases of one batch share: their scanner or site, or their protocol"
    )

    @property
    def batch_column(self) -> str:
        """The batches, as codes behind the features."""
        return self.batch

    @property
    def staged_parameter(self) -> str | None:
        """The classifier's own."""
        return self.classifier.staged_parameter

    def learning_from(self, extractor: FeatureExtractor) -> Classifier:
        """Return itself around the classifier as it learns. Raises `ValueError` for one that trains a network."""
        inner = self.classifier.learning_from(extractor)
        if inner.learns_from_activations:
            raise ValueError("ComBat harmonises a table of features, and a network that is trained has none")
        return self.model_copy(update={"classifier": inner})

    def unharmonised(self) -> Classifier:
        """Return the classifier alone."""
        return self.classifier

    def estimator(self, seed: int) -> Pipeline:
        """Return the classifier's pipeline, ComBat first."""
        return Pipeline([("combat", CombatStep()), *self.classifier.estimator(seed).steps])

    def parameter_grid(self) -> dict[str, list[Any]]:
        """Return the classifier's grid."""
        return self.classifier.parameter_grid()

    def staged_probabilities(self, model: Any, X: Floats, stages: list[int]) -> Floats:
        """Return the classifier's own: ComBat comes before the model."""
        return self.classifier.staged_probabilities(model, X, stages)
