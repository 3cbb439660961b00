"""Intervals of proportions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmark.statistics.intervals.patients import codes_of


def wilson(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson interval of a proportion."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    return float(low), float(high)


def wilson_of_cases(
    hit: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> tuple[float, float]:
    """Return the Wilson interval of the share of cases (cases,) that are a `hit`.

    `patient` (cases,) says whose each case is. Where some have several, the share counts as one of so many patients:
    as wide as if all scans of a patient were alike.
    """
    hits, codes = np.asarray(hit, dtype=bool), codes_of(patient)
    if codes is None:
        return wilson(int(hits.sum()), len(hits), level)
    patients = len(np.unique(codes))
    return wilson(float(hits.mean()) * patients, patients, level)
