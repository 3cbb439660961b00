"""Agreement of scores that begin at zero and are skewed, such as Agatston's: all that radiology reports of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, pearsonr, spearmanr

from benchmark.statistics.agreement.categories import band_agreement, banded, zero_agreement
from benchmark.statistics.agreement.limits import bland_altman, ratio_limits
from benchmark.statistics.intervals.bootstrap import Resampling
from benchmark.statistics.intervals.degenerate import NOT_ESTIMABLE, Interval
from benchmark.statistics.intervals.headline import QUICK
from benchmark.statistics.stability.reliability import icc_agreement

COLUMNS = ("metric", "cases", "value", "low", "high", "method")

Estimates = dict[str, tuple[float, Interval]]
Floats = NDArray[np.float64]


def score_agreement(
    found: ArrayLike, true: ArrayLike, upper: Sequence[float], resampling: Resampling = QUICK
) -> pd.DataFrame:
    """Return how well the scores `found` agree with the `true` ones of the same cases, one row per metric.

    Both have shape (cases,), 0 or more; `upper` are the bands' upper limits, the first of them 0. Columns metric,
    cases, value, low, high, method. `icc` is ICC(2,1), absolute agreement of single measurements, `icc_log` that of
    log(score + 1), which no single large score decides; `ratio` is the geometric mean of (found + 1) / (true + 1).
    What is not estimable is NaN and its method says so. Raises `ValueError` where a score is missing or below 0.
    """
    found, true = np.asarray(found, float), np.asarray(true, float)
    if found.shape != true.shape or found.ndim != 1 or not len(found):
        raise ValueError("agreement needs two scores of every case, and at least one case")
    if not (np.isfinite([found, true]).all() and (np.minimum(found, true) >= 0).all()):
        raise ValueError("a score is missing, not finite or below 0")
    level = resampling.level
    estimates: Estimates = {
        "icc": _icc(found, true, level),
        "icc_log": _icc(np.log1p(found), np.log1p(true), level),
        **bland_altman(found, true, level),
        **ratio_limits(found, true, level),
        **zero_agreement(found, true, level),
        **band_agreement(banded(found, upper), banded(true, upper), len(upper) + 1, resampling),
        "pearson": _pearson(found, true, level),
        "spearman": _spearman(found, true, level),
    }
    rows = [
        (metric, len(true), value, interval.low, interval.high, interval.method)
        for metric, (value, interval) in estimates.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _icc(found: Floats, true: Floats, level: float) -> tuple[float, Interval]:
    if len(true) < 2:
        return float("nan"), NOT_ESTIMABLE
    icc = icc_agreement(np.column_stack([found, true]), level)
    value = float("nan") if icc.value is None else icc.value
    if icc.low is None or icc.high is None or Interval(icc.low, icc.high, "").degenerate:
        return value, NOT_ESTIMABLE
    return value, Interval(icc.low, icc.high, "F")


def _pearson(found: Floats, true: Floats, level: float) -> tuple[float, Interval]:
    if not _varies(found, true):
        return float("nan"), NOT_ESTIMABLE
    result = pearsonr(found, true)
    if len(true) < 4:
        return float(result.statistic), NOT_ESTIMABLE
    low, high = result.confidence_interval(level)
    interval = Interval(float(low), float(high), "Fisher z")
    return float(result.statistic), NOT_ESTIMABLE if interval.degenerate else interval


def _spearman(found: Floats, true: Floats, level: float) -> tuple[float, Interval]:
    """Return Spearman's correlation and its interval by Bonett and Wright, Psychometrika 2000;65:23."""
    if not _varies(found, true):
        return float("nan"), NOT_ESTIMABLE
    value = float(spearmanr(found, true).statistic)
    if len(true) < 4 or abs(value) > 1 - 1e-12:
        return value, NOT_ESTIMABLE
    half = norm.ppf((1 + level) / 2) * np.sqrt((1 + value**2 / 2) / (len(true) - 3))
    low, high = np.tanh(np.arctanh(value) + np.array([-half, half]))
    return value, Interval(float(low), float(high), "Bonett-Wright")


def _varies(*scores: Floats) -> bool:
    return all(len(each) > 2 and bool(np.ptp(each) > 0) for each in scores)
