"""How far two measurements of one case may lie apart: bias and limits of agreement."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as t_distribution

from benchmark.statistics.intervals.degenerate import NOT_ESTIMABLE, ZERO_WIDTH, Interval

SPREAD = 1.96
"""Standard deviations from the bias to a limit."""


def bland_altman(
    first: ArrayLike, second: ArrayLike, level: float = 0.95
) -> dict[str, tuple[float, Interval]]:
    """Return bias, limit_low and limit_high of `first` minus `second`, (cases,), each with its interval.

    Bland and Altman, Lancet 1986;327:307: the limits are bias ± 1.96 s, their standard error √(3 s² / n), that of the
    bias s / √n; intervals by t with n - 1 degrees of freedom. Without a spread no interval is estimable, and of a
    single case no limits.
    """
    difference = np.asarray(first, float) - np.asarray(second, float)
    n = len(difference)
    bias = float(difference.mean()) if n else float("nan")
    spread = float(difference.std(ddof=1)) if n > 1 else float("nan")
    error = spread / np.sqrt(n) if n else float("nan")
    quantile = float(t_distribution.ppf((1 + level) / 2, n - 1)) if n > 1 else float("nan")
    return {
        "bias": (bias, _around(bias, quantile * error)),
        "limit_low": (bias - SPREAD * spread, _around(bias - SPREAD * spread, quantile * np.sqrt(3) * error)),
        "limit_high": (
            bias + SPREAD * spread,
            _around(bias + SPREAD * spread, quantile * np.sqrt(3) * error),
        ),
    }


def ratio_limits(
    first: ArrayLike, second: ArrayLike, level: float = 0.95
) -> dict[str, tuple[float, Interval]]:
    """Return ratio, ratio_low and ratio_high: bias and limits of log(score + 1), as factors of score + 1.

    For scores that are skewed and begin at zero, whose differences grow with the score; Bland and Altman, Stat Methods
    Med Res 1999;8:135, section 3.
    """
    logs = bland_altman(_log(first), _log(second), level)
    return {
        f"ratio{name}": (
            float(np.exp(value)),
            Interval(float(np.exp(interval.low)), float(np.exp(interval.high)), interval.method),
        )
        for name, (value, interval) in zip(("", "_low", "_high"), logs.values(), strict=True)
    }


def _log(scores: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(np.log1p(np.asarray(scores, float)))


def _around(value: float, half: float) -> Interval:
    return Interval(value - half, value + half, "t") if half > ZERO_WIDTH else NOT_ESTIMABLE
