"""How far probabilities are off on average, and how far too extreme: calibration in the large and its slope."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from benchmark.statistics.intervals.patients import codes_of

IN_THE_LARGE, SLOPE = "calibration_in_the_large", "calibration_slope"


def recalibration(
    label: ArrayLike,
    score: ArrayLike,
    *,
    edge: float = 1e-6,
    patient: ArrayLike | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return the two figures with Wald's intervals: columns metric, value, low, high, note; two rows.

    `label` in {0, 1} and `score` (probabilities of 1) have shape (cases,). In the large is the intercept a of
    logit P(1) = a + logit(score): 0 where as many are positive as the probabilities say, below where they are too high.
    The slope b is that of logit P(1) = a + b·logit(score): 1 as it should be, below where they are too extreme (Cox,
    Biometrika 1958;45:562; Steyerberg and Vergouwe, Eur Heart J 2014;35:1925). Probabilities nearer to 0 or 1 than
    `edge` are taken for it: their logits would have no end. `patient` (cases,) says whose each case is; where some have
    several the variance is that between patients. What cannot be estimated is NaN, and `note` says why. Raises
    `ValueError` for one label alone.
    """
    truth, p = np.asarray(label, dtype=float), np.clip(np.asarray(score, dtype=float), edge, 1 - edge)
    if len(np.unique(truth)) < 2:
        raise ValueError(f"all {len(truth)} cases have one label: there is no calibration to measure")
    log_odds, codes = logit(p), codes_of(patient)
    everyone = np.ones((len(truth), 1))
    why = _no_slope(truth, log_odds)
    slope = (np.nan,) * 3 if why else _fitted(truth, np.c_[everyone, log_odds], None, codes, level)
    rows = [(IN_THE_LARGE, *_fitted(truth, everyone, log_odds, codes, level), ""), (SLOPE, *slope, why)]
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high", "note"])


def _no_slope(truth: NDArray[np.float64], log_odds: NDArray[np.float64]) -> str:
    positive, negative = log_odds[truth == 1], log_odds[truth == 0]
    if np.ptp(log_odds) == 0:
        return "every probability is the same"
    if positive.min() >= negative.max() or positive.max() <= negative.min():
        return "the probabilities part the labels wholly: the slope has no end"
    return ""


def _fitted(
    truth: NDArray[np.float64],
    design: NDArray[np.float64],
    offset: NDArray[np.float64] | None,
    codes: NDArray[np.intp] | None,
    level: float,
) -> tuple[float, float, float]:
    """Return the last coefficient of a logistic regression with its interval."""
    import statsmodels.api as sm

    clustered = {} if codes is None else {"cov_type": "cluster", "cov_kwds": {"groups": codes}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of probabilities that reach 0 or 1 on the way
        fitted = sm.GLM(truth, design, family=sm.families.Binomial(), offset=offset).fit(**clustered)
    low, high = fitted.conf_int(1 - level)[-1]
    return float(fitted.params[-1]), float(low), float(high)
