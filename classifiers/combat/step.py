"""ComBat as a step of scikit-learn's: the batches' part of the features is learnt where it is fitted."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from benchmark.errors import CaseError
from benchmark.statistics.harmonisation.combat import Combat, fit_combat

Floats = NDArray[np.float64]


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
