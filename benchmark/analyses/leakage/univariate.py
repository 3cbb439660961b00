"""The univariate feature filter whose place, inside the training fold or before it, the audit moves."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.feature_selection import SelectKBest, f_classif

from benchmark.plugins.preceded import PrecededClassifier

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


class FilteredClassifier(PrecededClassifier):
    """Any classifier behind the univariate filter."""

    features: int = Field(ge=1, description="columns of the table it filters")

    def step(self) -> tuple[str, SelectKBest]:
        """Return the filter."""
        return "univariate", univariate_filter(self.features)
