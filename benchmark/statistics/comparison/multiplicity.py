"""Adjusting p-values for the number of comparisons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

Floats = NDArray[np.float64]


def holm(p: pd.Series) -> pd.Series:
    """Return Holm-adjusted p-values; an undefined one stays undefined and does not count."""
    return _adjusted(p, _holm)


def benjamini_hochberg(p: pd.Series) -> pd.Series:
    """Return p-values adjusted to the false discovery rate; an undefined one stays undefined and does not count."""
    return _adjusted(p, lambda defined: np.asarray(false_discovery_control(defined), dtype=float))


def _holm(p: Floats) -> Floats:
    # Not statsmodels' multipletests: it collects garbage at every call, which takes longer than a whole comparison.
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def _adjusted(p: pd.Series, method: Callable[[Floats], Floats]) -> pd.Series:
    adjusted = p.astype(float).copy()
    defined = adjusted.notna()
    if defined.any():
        adjusted[defined] = method(np.asarray(adjusted[defined], dtype=np.float64))
    return adjusted
