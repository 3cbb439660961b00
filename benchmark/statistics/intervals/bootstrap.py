"""Resampling patients: replicates of any metric for several methods at once, and intervals from them.

Patients are resampled within each label, so every replicate keeps the cohort's class counts; whoever has several scans
is drawn with all of them. All methods share the replicates, which makes their differences paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from benchmark.statistics.intervals.patients import Patients, patients_of
from benchmark.statistics.metrics.weighted import all_weighted_metrics
from benchmark.statistics.metrics.without_each import metrics_without_each

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]

_BLOCK, _WEIGHTS = 2000, 40_000_000  # at most so many replicates, and weights of cases, are in memory at once
_DRAWN_ONE_BY_ONE = 5000
"""Members of a stratum above which they are drawn one by one: the same chances, six times as fast, other draws."""


@dataclass(frozen=True)
class Resampling:
    """How cases are resampled: how often, how wide intervals are, and from which seed.

    `replicates` is the number of bootstrap replicates, 1 or more. `level` is the coverage of two-sided intervals, a
    share between 0 and 1, both excluded. `seed`, 0 or more, decides which cases are drawn: the same seed draws the
    same ones. Raises `ValueError` outside these ranges.
    """

    replicates: int = 10_000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.replicates < 1:
            raise ValueError(f"{self.replicates} replicates are none: resampling needs at least one")
        if not 0 < self.level < 1:
            raise ValueError(
                f"{self.level} is not a level of intervals: take a share between 0 and 1, e.g. 0.95"
            )
        if self.seed < 0:
            raise ValueError(f"{self.seed} is not a seed: take 0 or more")


STANDARD = Resampling()


@dataclass(frozen=True)
class Predicted:
    """One method's out-of-fold decisions and probabilities, each of shape (repeats, cases)."""

    predicted: Labels
    score: Floats

    def without_each(self, names: Sequence[str], label: Labels, patients: Patients) -> Floats:
        """Return the metrics without each patient in turn, as means over the repeats: (patients, metrics)."""
        whose = np.arange(len(label)) if patients.of_case is None else patients.of_case
        per_repeat = [
            metrics_without_each(names, label, predicted, score, whose)
            for predicted, score in zip(self.predicted, self.score, strict=True)
        ]
        return np.asarray(np.mean(per_repeat, axis=0))


@dataclass(frozen=True)
class Resampled:
    """Estimates (metrics,), bootstrap replicates (replicates, metrics) and jackknife (patients, metrics)."""

    value: Floats
    replicates: Floats
    jackknife: Floats
    label: Labels
    patients: Patients

    @property
    def stratum(self) -> Labels:
        """What each row of the jackknife was resampled within: its label, where every case is another patient's."""
        return self.patients.stratum

    def __sub__(self, other: Resampled) -> Resampled:
        """Return the paired difference of two methods resampled together."""
        return Resampled(
            self.value - other.value,
            self.replicates - other.replicates,
            self.jackknife - other.jackknife,
            self.label,
            self.patients,
        )


def resample(
    methods: Sequence[Predicted],
    label: Labels,
    metrics: Sequence[str],
    resampling: Resampling,
    patient: ArrayLike | None = None,
) -> list[Resampled]:
    """Return each method's metrics on the same resampled patients.

    `label` has shape (cases,), `patient` too: whose each case is; None: each another's.
    """
    patients = patients_of(label, patient)
    blocks: list[list[Floats]] = [[] for _ in methods]
    for weights in resampled_counts(label, resampling, patient):
        for block, found in zip(blocks, metrics_of(methods, metrics, label, weights), strict=True):
            block.append(found)
    values = [found[0] for found in metrics_of(methods, metrics, label, np.ones((1, len(label))))]
    return [
        Resampled(
            value, np.concatenate(block), _jackknife(method, label, metrics, patients, value), label, patients
        )
        for method, block, value in zip(methods, blocks, values, strict=True)
    ]


def metrics_of(
    methods: Sequence[Predicted], names: Sequence[str], label: Labels, weights: Floats
) -> list[Floats]:
    """Return each method's metrics under each row of weights, as means over its repeats: (replicates, metrics) each."""
    predicted, score = (
        np.concatenate([getattr(method, part) for method in methods]) for part in ("predicted", "score")
    )
    found = all_weighted_metrics(names, label, predicted, score, weights)
    ends = np.cumsum([len(method.score) for method in methods])
    return [part.mean(axis=0) for part in np.split(found, ends[:-1])]


def resampled_counts(
    label: Labels, resampling: Resampling, patient: ArrayLike | None = None
) -> Iterator[Floats]:
    """Yield how often each case is drawn, in blocks of (replicates, cases); labels are drawn within themselves.

    A block is in the order of columns, so that what is drawn of a case lies together. `patient` (cases,) says whose
    each case is: they are drawn with all their cases, see `Patients`.
    """
    patients = patients_of(label, patient)
    strata = patients.stratum
    random = np.random.default_rng(resampling.seed)
    at_once = max(1, min(_BLOCK, _WEIGHTS // len(label)))
    for start in range(0, resampling.replicates, at_once):
        size = min(at_once, resampling.replicates - start)
        counts = np.empty((size, len(strata)), order="F")
        # The highest label draws first: the order is part of what a seed gives.
        for code in np.unique(strata)[::-1]:
            stratum = np.flatnonzero(strata == code)
            counts[:, stratum] = _drawn(random, size, len(stratum))
        yield patients.weights(counts)


def _drawn(random: np.random.Generator, replicates: int, members: int) -> NDArray[np.intp]:
    """Return how often each member of a stratum is drawn when as many are drawn as there are, (replicates, members)."""
    if members <= _DRAWN_ONE_BY_ONE:
        return random.multinomial(members, np.full(members, 1 / members), size=replicates)
    return np.stack(
        [np.bincount(random.integers(0, members, members), minlength=members) for _ in range(replicates)]
    )


def percentile_interval(replicates: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the central `level` of the replicates, shape (replicates,)."""
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def percentile_p(replicates: Floats) -> float:
    """Return the two-sided p-value of a zero difference: twice the smaller tail, zeros counted in both."""
    tail = min((replicates <= 0).sum(), (replicates >= 0).sum())
    return float(min(1.0, 2 * (1 + tail) / (1 + len(replicates))))


def bca_interval(
    value: float, replicates: Floats, jackknife: Floats, stratum: Labels, level: float = 0.95
) -> tuple[float, float]:
    """Return the bias-corrected and accelerated interval, Efron 1987, doi:10.1080/01621459.1987.10478410.

    `jackknife` (patients,) is the estimate without each patient. The acceleration is the one of a sample stratified by
    `stratum` (Davison and Hinkley 1997, eq. 5.24), as in `scipy.stats.bootstrap`.
    """
    bias, acceleration = _bca_constants(value, replicates, jackknife, stratum)
    ends = bias + np.asarray(norm.ppf([(1 - level) / 2, (1 + level) / 2]))
    levels = np.asarray(norm.cdf(bias + ends / (1 - acceleration * ends)))
    low, high = np.quantile(replicates, levels)
    return float(low), float(high)


def bca_p(value: float, replicates: Floats, jackknife: Floats, stratum: Labels) -> float:
    """Return the two-sided p-value of a zero difference: 1 - the level whose BCa interval ends at zero."""
    bias, acceleration = _bca_constants(value, replicates, jackknife, stratum)
    below = norm.ppf(_share_below(replicates, 0.0)) - bias
    one_sided = norm.cdf(below / (1 + acceleration * below) - bias)
    return float(min(1.0, 2 * min(one_sided, 1 - one_sided)))


def _bca_constants(
    value: float, replicates: Floats, jackknife: Floats, strata: Labels
) -> tuple[float, float]:
    bias = float(norm.ppf(_share_below(replicates, value)))
    cubes = squares = 0.0
    for code in np.unique(strata):
        stratum = jackknife[strata == code]
        influence = (len(stratum) - 1) * (stratum.mean() - stratum) / len(stratum)
        cubes += float((influence**3).sum())
        squares += float((influence**2).sum())
    # Smaller squares are rounding alone: no case moves the estimate, so there is nothing to accelerate.
    return bias, cubes / (6 * squares**1.5) if squares > 1e-24 else 0.0


def _share_below(replicates: Floats, value: float) -> float:
    """Return the share of replicates below `value`, ties half, kept off 0 and 1 by one replicate's worth.

    Replicates that differ from `value` by rounding alone are ties.
    """
    ties = np.isclose(replicates, value, rtol=0, atol=1e-12)
    share = ((replicates < value) & ~ties).mean() + ties.mean() / 2
    edge = 1 / (len(replicates) + 1)
    return float(np.clip(share, edge, 1 - edge))


def _jackknife(
    method: Predicted, label: Labels, metrics: Sequence[str], patients: Patients, value: Floats
) -> Floats:
    """Return the metrics without each patient, (patients, metrics); a stratum's only one is never left out."""
    codes, counts = np.unique(patients.stratum, return_counts=True)
    removable = np.isin(patients.stratum, codes[counts > 1])
    jackknife = np.where(removable[:, None], method.without_each(metrics, label, patients), value)
    if np.isnan(jackknife).any():
        raise ValueError(
            "a metric is undefined without one of the patients: not every label it needs is left"
        )
    return jackknife
