"""Principal components in the place of features, learnt in the training fold, in front of any classifier."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from benchmark.plugins import Classifier
from benchmark.plugins.preceded import PrecededClassifier

Floats = NDArray[np.float64]


class PrincipalComponents(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The first principal components of standardised features; fewer where cases or features allow no more.

    Parameters
    ----------
    at_most : int, default 64
    """

    def __init__(self, at_most: int = 64) -> None:
        self.at_most = at_most

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn them from X, shape (cases, features)."""
        values = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        cases, features = values.shape
        # Not the solver that scikit-learn would choose here: it draws at random, and differs between processors more.
        components = PCA(min(self.at_most, cases - 1, features), svd_solver="full")
        self.steps_ = make_pipeline(StandardScaler(), components).fit(values)
        self._n_features_out = components.n_components_
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Return the components, (cases, components)."""
        check_is_fitted(self)
        transformed: Floats = self.steps_.transform(validate_data(self, X, dtype=np.float64, reset=False))
        return transformed

    def names_after(self, names: NDArray[Any]) -> NDArray[Any]:
        """Return the names of what comes out."""
        return np.asarray(self.get_feature_names_out())


class Reduced(PrecededClassifier):
    """Any classifier, learning from the first principal components of the features."""

    components: int = Field(ge=1)

    def step(self) -> tuple[str, PrincipalComponents]:
        """Return the components."""
        return "components", PrincipalComponents(self.components)


def reduced(classifier: Classifier, components: int) -> Reduced:
    """Return the classifier behind so many components. Raises `ValueError` where it learns from more than a table."""
    if classifier.learns_from_activations:
        raise ValueError("a network that is trained has no table of features to reduce to `components`")
    if classifier.batch_column or classifier.parts_columns:
        raise ValueError("`components` mix the features, and this classifier must tell them apart")
    return Reduced(classifier=classifier, components=components)
