"""Tests of the difference between two methods on the same cases' out-of-fold predictions.

They take the predictions as given: the chance of the training sets is not in them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from benchmark.statistics.comparison.paired import EQUAL, PairedTest
from benchmark.statistics.comparison.patient_tests import clustered_auc_variance, mcnemar_of_patients
from benchmark.statistics.intervals.bootstrap import (
    Resampled,
    bca_interval,
    bca_p,
    percentile_interval,
    percentile_p,
)
from benchmark.statistics.intervals.patients import codes_of

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


def mcnemar(a: Booleans, b: Booleans, patient: ArrayLike | None = None) -> PairedTest:
    """Test whether two methods are right equally often, by McNemar's exact test.

    `a` and `b` say which cases each method has right, shape (cases,). The interval of the difference is Bonett and
    Price's (2012, doi:10.3102/1076998611411915), the effect the odds ratio of the discordant cases. The statistic
    is the number of cases that `a` alone has right. `patient` (cases,) says whose each case is: where some have
    several, see `mcnemar_of_patients`.
    """
    if (codes := codes_of(patient)) is not None:
        return mcnemar_of_patients(a, b, codes)
    from statsmodels.stats.contingency_tables import mcnemar as exact

    only_a, only_b, n = int((a & ~b).sum()), int((b & ~a).sum()), len(a)
    difference = (only_a - only_b) / n
    up, down = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    half = stats.norm.ppf(0.975) * np.sqrt((up + down - (up - down) ** 2) / (n + 2))
    ends = (max(-1.0, float(up - down - half)), min(1.0, float(up - down + half)))
    if only_a + only_b == 0:
        return PairedTest(0.0, None, 1.0, "both are right on the same cases", 0.0, *ends)
    p = float(exact([[0, only_a], [only_b, 0]], exact=True).pvalue)
    note, corrected = "", 0.0
    if min(only_a, only_b) == 0:
        note, corrected = "odds ratio with half a case added to each count, one being zero", 0.5
    ratio = (only_a + corrected) / (only_b + corrected)
    return PairedTest(float(only_a), None, min(p, 1.0), note, difference, *ends, "odds_ratio", ratio)


def delong(label: NDArray[np.intp], a: Floats, b: Floats, patient: ArrayLike | None = None) -> PairedTest:
    """Test whether two AUCs are equal, DeLong et al. 1988, doi:10.2307/2531595.

    `label` in {0, 1} has shape (cases,), `a` and `b` (repeats, cases): an AUC is the mean over the repeats, and so
    are the structural components that its variance is made of. Midranks give them in O(n log n) (Sun and Xu 2014,
    doi:10.1109/LSP.2014.2337313). The statistic is z. `patient` (cases,) says whose each case is: where some have
    several, the variance is Obuchowski's (`clustered_auc_variance`).
    """
    positives, negatives = int((label == 1).sum()), int((label == 0).sum())
    if min(positives, negatives) < 2:
        raise ValueError("DeLong's test needs at least two cases of each label")
    components = (auc_components(label, a) - auc_components(label, b)).mean(axis=0)
    sick, well = components[label == 1], components[label == 0]
    difference = float(sick.mean())
    codes = codes_of(patient)
    variance = (
        sick.var(ddof=1) / positives + well.var(ddof=1) / negatives
        if codes is None
        else clustered_auc_variance(label, components, codes)
    )
    error = float(np.sqrt(variance))
    if error <= EQUAL:
        if abs(difference) <= EQUAL:
            return PairedTest(None, None, 1.0, "both rank every case equally", 0.0, 0.0, 0.0)
        return PairedTest(
            None, None, None, "the same difference for every case: no variance to test against", difference
        )
    z, half = difference / error, float(stats.norm.ppf(0.975) * error)
    return PairedTest(
        z, None, float(2 * stats.norm.sf(abs(z))), "", difference, difference - half, difference + half
    )


def auc_components(label: NDArray[np.intp], scores: Floats) -> Floats:
    """Return each case's share in the AUC of each row of `scores` (rows, cases), same shape.

    For a positive case it is the share of negatives that score below it, for a negative one the share of positives
    above it, ties half. Their mean within either label is the AUC.
    """
    sick, well = np.flatnonzero(label == 1), np.flatnonzero(label == 0)
    components = np.empty(np.shape(scores))
    everyone = stats.rankdata(scores, axis=1)
    components[:, sick] = (everyone[:, sick] - stats.rankdata(scores[:, sick], axis=1)) / len(well)
    components[:, well] = 1 - (everyone[:, well] - stats.rankdata(scores[:, well], axis=1)) / len(sick)
    return components


def bootstrap_percentile(difference: Resampled, place: int) -> PairedTest:
    """Test metric `place` of a paired bootstrap difference by its percentile interval."""
    value, replicates = float(difference.value[place]), difference.replicates[:, place]
    return PairedTest(
        None, None, percentile_p(replicates), _unvarying(replicates), value, *percentile_interval(replicates)
    )


def bootstrap_bca(difference: Resampled, place: int) -> PairedTest:
    """Test metric `place` of a paired bootstrap difference by its BCa interval."""
    value, replicates = float(difference.value[place]), difference.replicates[:, place]
    arguments = (value, replicates, difference.jackknife[:, place], difference.stratum)
    if _unvarying(replicates):
        return bootstrap_percentile(difference, place)
    note = ""
    if replicates.min() > value or replicates.max() < value:
        note = "every replicate is on one side of the estimate: the BCa interval is at its limit"
    return PairedTest(None, None, bca_p(*arguments), note, value, *bca_interval(*arguments))


def _unvarying(replicates: Floats) -> str:
    return "the same difference in every replicate" if np.ptp(replicates) <= EQUAL else ""
