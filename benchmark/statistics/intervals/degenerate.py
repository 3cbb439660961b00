"""The interval of a metric where the bootstrap has none: resampled within labels, every sample gives the same value.

A model that says yes to every case has the same accuracy in each of them, and a zero width that would read as
certainty. The intervals here are of closed form and rest on how many cases there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from benchmark.statistics.intervals.bootstrap import Predicted, Resampled, bca_interval
from benchmark.statistics.intervals.patients import Patients, patients_of
from benchmark.statistics.intervals.proportions import wilson

Labels = NDArray[np.intp]

ZERO_WIDTH = 1e-12
_EDGE = 1e-12


@dataclass(frozen=True)
class Interval:
    """An interval and how it was found; both ends are NaN where it is not estimable."""

    low: float
    high: float
    method: str

    @property
    def degenerate(self) -> bool:
        """Whether it has no width or no ends."""
        return not self.high - self.low > ZERO_WIDTH


NOT_ESTIMABLE = Interval(float("nan"), float("nan"), "not estimable")


def shown_interval(
    metric: str, resampled: Resampled, place: int, method: Predicted, level: float = 0.95
) -> Interval:
    """Return the BCa interval of metric `place` of what was resampled, or the one of `without_bootstrap`."""
    value = float(resampled.value[place])
    drawn, without = resampled.replicates[:, place], resampled.jackknife[:, place]
    found = Interval(*bca_interval(value, drawn, without, resampled.stratum, level), "bca")
    if not found.degenerate:
        return found
    return without_bootstrap(
        metric, value, resampled.label, method.predicted, level, patients=resampled.patients
    )


def without_bootstrap(
    metric: str,
    value: float,
    label: Labels,
    predicted: Labels,
    level: float = 0.95,
    *,
    patients: Patients | None = None,
) -> Interval:
    """Return an interval of a metric that needs no resampling; `NOT_ESTIMABLE` for one of which none is known.

    `label` has shape (cases,), `predicted` (repeats, cases); `value` is the mean over the repeats, which is read as one
    value of the cases. Proportions have Wilson's interval. Where `patients` have several cases, they are what is
    counted: as wide as if all scans of a patient were alike.
    """
    patients = patients or patients_of(label)
    counts = {
        "accuracy": patients.number(label >= 0),
        "sensitivity": patients.number(label == 1),
        "specificity": patients.number(label == 0),
    }
    if metric in counts:
        return Interval(*wilson(value * counts[metric], counts[metric], level), "wilson")
    if metric == "balanced_accuracy":
        found = [
            (float((predicted[:, label == code] == code).mean()), patients.number(label == code))
            for code in np.unique(label)
        ]
        return Interval(*mean_of_proportions(found, level), "square-and-add")
    if metric == "f1":
        others = label != 1
        a_case = patients.number(others) / max(1, int(others.sum()))
        false_alarms = float((predicted[:, others] == 1).sum(axis=1).mean()) * a_case
        return Interval(*f1_interval(value, counts["sensitivity"] + false_alarms, level), "wilson of Jaccard")
    if metric == "roc_auc":
        ends = auc_interval(value, counts["sensitivity"], counts["specificity"], level)
        return Interval(*ends, "Newcombe 5")
    return NOT_ESTIMABLE


def mean_of_proportions(shares: Sequence[tuple[float, int]], level: float = 0.95) -> tuple[float, float]:
    """Return the interval of the mean of independent proportions, (share, cases) each, from their Wilson intervals.

    Newcombe's square-and-add, Stat Med 1998;17:873, for a mean in the place of a difference (Zou and Donner, Stat Med
    2008;27:1693).
    """
    values = np.array([share for share, _ in shares])
    low, high = np.transpose([wilson(share * cases, cases, level) for share, cases in shares])
    down, up = (np.sqrt(((ends - values) ** 2).sum()) / len(values) for ends in (low, high))
    return float(values.mean() - down), float(values.mean() + up)


def f1_interval(value: float, cases: float, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of F1 = 2J / (1 + J) from Wilson's of the Jaccard index J = TP / (TP + FP + FN).

    `cases` is TP + FP + FN, taken as given. F1 grows with J, so that the ends of one are those of the other.
    """
    jaccard = value / (2 - value)
    low, high = (2 * end / (1 + end) for end in wilson(jaccard * cases, cases, level))
    return low, high


def auc_interval(value: float, positives: int, negatives: int, level: float = 0.95) -> tuple[float, float]:
    """Return method 5 of Newcombe, Stat Med 2006;25:559, which has a width at an AUC of 0 and 1, too.

    It inverts the score test: the ends are those AUCs θ from which the estimate lies z standard errors away, by Hanley
    and McNeil's variance at θ with the mean sample size in the place of both.
    """
    z = float(norm.ppf((1 + level) / 2))
    # The variance is the same at θ and 1 - θ, so the upper end is the lower one of the mirrored estimate.
    return (
        _lower_auc(value, positives * negatives, (positives + negatives) / 2 - 1, z),
        1 - _lower_auc(1 - value, positives * negatives, (positives + negatives) / 2 - 1, z),
    )


def _lower_auc(value: float, pairs: int, others: float, z: float) -> float:
    def too_near(auc: float) -> float:
        spread = 1 + others * ((1 - auc) / (2 - auc) + auc / (1 + auc))
        return (value - auc) - z * float(np.sqrt(auc * (1 - auc) * spread / pairs))

    return float(brentq(too_near, 0.0, min(value, 1 - _EDGE), xtol=1e-14)) if value > _EDGE else 0.0
