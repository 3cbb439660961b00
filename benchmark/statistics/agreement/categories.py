"""Agreement in categories: of ordered bands, and of zero against more."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.statistics.intervals.bootstrap import Resampling, percentile_interval, resampled_counts
from benchmark.statistics.intervals.degenerate import NOT_ESTIMABLE, Interval
from benchmark.statistics.intervals.proportions import wilson

Bands = NDArray[np.intp]
Floats = NDArray[np.float64]


def banded(scores: ArrayLike, upper: ArrayLike) -> Bands:
    """Return the band of each score, from 0: a band ends with its upper limit, and what lies above all is the last."""
    return np.searchsorted(np.asarray(upper, float), np.asarray(scores, float), side="left")


def weighted_kappa(first: Bands, second: Bands, bands: int, weights: Floats, power: int) -> Floats:
    """Return Cohen's weighted kappa under every row of weights: (replicates,); NaN where no disagreement is expected.

    `first` and `second` (cases,) are bands from 0, `weights` (replicates, cases) says how often each case counts. A
    disagreement weighs the distance of its bands to the `power`: 1 linear, 2 quadratic. Psychol Bull 1968;70:213.
    """
    penalty = np.abs(np.arange(bands)[:, None] - np.arange(bands)) ** power / (bands - 1) ** power
    n = weights.sum(axis=1)
    observed = weights @ penalty[first, second] / n
    shares = [weights @ np.eye(bands)[each] / n[:, None] for each in (first, second)]
    expected = np.einsum("ri,ij,rj->r", shares[0], penalty, shares[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - observed / expected)


def band_agreement(
    found: Bands, true: Bands, bands: int, resampling: Resampling
) -> dict[str, tuple[float, Interval]]:
    """Return band_accuracy (Wilson) and kappa_linear, kappa_quadratic (percentiles of the bootstrap).

    Cases are resampled within those of the lowest true band and the rest, so that each replicate has as many of both.
    """
    everyone = np.ones((1, len(true)))
    counts = list(resampled_counts((true > 0).astype(np.intp), resampling))
    result = {"band_accuracy": proportion(int((found == true).sum()), len(true), resampling.level)}
    for name, power in (("kappa_linear", 1), ("kappa_quadratic", 2)):
        value = float(weighted_kappa(found, true, bands, everyone, power)[0])
        replicates = np.concatenate([weighted_kappa(found, true, bands, block, power) for block in counts])
        interval = Interval(*percentile_interval(replicates, resampling.level), "bootstrap")
        result[name] = (value, NOT_ESTIMABLE if interval.degenerate else interval)
    return result


def zero_agreement(
    found: ArrayLike, true: ArrayLike, level: float = 0.95
) -> dict[str, tuple[float, Interval]]:
    """Return accuracy, sensitivity and specificity of `found` above zero for `true` above zero, by Wilson."""
    found, true = np.asarray(found, float) > 0, np.asarray(true, float) > 0
    return {
        "zero_accuracy": proportion(int((found == true).sum()), len(true), level),
        "zero_sensitivity": proportion(int((found & true).sum()), int(true.sum()), level),
        "zero_specificity": proportion(int((~found & ~true).sum()), int((~true).sum()), level),
    }


def proportion(successes: int, n: int, level: float = 0.95) -> tuple[float, Interval]:
    """Return a proportion and its Wilson interval; of no case NaN."""
    if not n:
        return float("nan"), NOT_ESTIMABLE
    return successes / n, Interval(*wilson(successes, n, level), "wilson")
