"""The univariate feature filter whose place, inside the training fold or before it, the audit moves."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.pipeline import Pipeline

from benchmark.plugins import Classifier

Floats = NDArray[np.float64]
KEPT = 10
"""How many features the audit's filter keeps, if there are as many."""


def analysis_of_variance(X: Floats, y: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return scikit-learn's `f_classif`; a constant feature has no F (NaN), which ranks last, and needs no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        F, p = f_classif(X, y)
    return F, p


def univariate_filter(features: int) -> SelectKBest:
    """Return the unfitted filter for a table of `features` columns."""
    return SelectKBest(analysis_of_variance, k=min(KEPT, features))


class FilteredClassifier(Classifier):
    """Any classifier behind the univariate filter, which is fitted wherever the classifier is: inside the fold."""

    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn",)

    classifier: Classifier
    features: int = Field(ge=1, description="columns of the table it filters")

    @property
    def staged_parameter(self) -> str | None:
        """The classifier's own."""
        return self.classifier.staged_parameter

    def estimator(self, seed: int) -> Pipeline:
        """Return the classifier's pipeline, the filter first."""
        return Pipeline(
            [("univariate", univariate_filter(self.features)), *self.classifier.estimator(seed).steps]
        )

    def parameter_grid(self) -> dict[str, list[Any]]:
        """Return the classifier's grid."""
        return self.classifier.parameter_grid()

    def fitted_in_search(self, model: Any, X: Floats, y: NDArray[np.intp]) -> Any:
        """Fit the classifier's own."""
        return self.classifier.fitted_in_search(model, X, y)

    def staged_probabilities(self, model: Any, X: Floats, stages: list[int]) -> Floats:
        """Return the classifier's own: the filter comes before the model."""
        return self.classifier.staged_probabilities(model, X, stages)
