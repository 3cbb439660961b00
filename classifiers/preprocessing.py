"""How every classifier's pipeline begins: constant and correlated features are dropped, in the training fold."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin, VarianceThreshold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data


class CorrelationFilter(SelectorMixin, BaseEstimator):
    """Drop each feature whose |Pearson correlation| with an earlier kept feature exceeds `threshold`.

    Going through the features in their given order makes the selection independent of the labels and of
    floating-point ties. Constant features correlate with nothing and are kept: remove them before.

    Parameters
    ----------
    threshold : float, default 0.9
        1 keeps everything.
    """

    def __init__(self, threshold: float = 0.9) -> None:
        self.threshold = threshold

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Choose the features to keep from X, shape (cases, features)."""
        values = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        centred = values - values.mean(axis=0)
        norm = np.linalg.norm(centred, axis=0)
        centred /= np.where(norm > 0, norm, 1.0)
        similar = np.abs(centred.T @ centred) > self.threshold
        keep = np.ones(values.shape[1], dtype=bool)
        for feature in range(1, len(keep)):
            keep[feature] = not similar[feature, :feature][keep[:feature]].any()
        self.support_: NDArray[np.bool_] = keep
        return self

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self)
        return self.support_


def feature_pipeline(model: Any, *, correlation_threshold: float | None, scale: bool) -> Pipeline:
    """Return the pipeline constant filter → correlation filter → (scaling) → ``model``."""
    steps: list[tuple[str, Any]] = [("varying", VarianceThreshold())]
    if correlation_threshold is not None:
        steps.append(("uncorrelated", CorrelationFilter(correlation_threshold)))
    if scale:
        steps.append(("scaled", StandardScaler()))
    return Pipeline([*steps, ("model", model)])
