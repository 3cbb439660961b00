"""How many scans would separate two methods, from the paired predictions of a finished study."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binom, norm

from benchmark.statistics.comparison.case_tests import auc_components
from benchmark.statistics.comparison.paired import EQUAL
from benchmark.statistics.intervals.alignment import CaseScores, align_cases
from benchmark.statistics.intervals.proportions import wilson

Floats = NDArray[np.float64]

_BLOCK = 200  # simulated studies in memory at once
POWER_METRICS = ("accuracy", "roc_auc")


def power_curve(
    predictions: pd.DataFrame,
    run: str,
    reference_run: str,
    metric: str,
    sizes: Sequence[int],
    *,
    difference: float | None = None,
    alpha: float = 0.05,
    studies: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the power to tell `run` from `reference_run` at each number of scans in `sizes`.

    Studies of each size are drawn, with replacement and at their class balance, from the cases of `predictions`
    (see `align_cases`; the first repeat). ``accuracy`` is tested by McNemar's exact test, ``roc_auc`` by DeLong's;
    the share of studies with p below `alpha` is the power.

    `difference` is the true difference to plan for (run - reference): cases are then drawn with exponentially tilted
    chances so that the methods differ by just that, and `low` and `high` are the simulation's binomial error. Without
    it the methods differ as observed, which is itself uncertain: `low` and `high` are then the powers (normal
    approximation) at the ends of the observed difference's 95 % interval.

    Columns scans, difference, power, low, high.
    Raises `ValueError` for other metrics, unequal cases, patients with several scans, and differences that no weighting
    of the cases gives.
    """
    if metric not in POWER_METRICS:
        raise ValueError(f"power is known for {' and '.join(POWER_METRICS)}, not for {metric}")
    if min(sizes) < 4:
        raise ValueError(f"{min(sizes)} scans are too few for a study of two classes: plan at least 4")
    cases = align_cases(predictions, [run, reference_run], [metric])
    if cases.patient is not None:
        raise ValueError(
            f"the {len(cases.label)} scans are of {cases.patient.max() + 1} patients, and what is simulated has "
            "one scan a patient: run the study on one scan of each"
        )
    pilot = _Pilot(cases, run, reference_run, metric)
    chances = pilot.chances(difference)
    random = np.random.default_rng(seed)
    rows = []
    for size in sizes:
        power = float((pilot.p_values(chances, size, studies, random) < alpha).mean())
        low, high = pilot.observed_range(size, alpha) if difference is None else _binomial(power, studies)
        rows.append((size, pilot.difference(chances), power, min(low, power), max(high, power)))
    return pd.DataFrame(rows, columns=["scans", "difference", "power", "low", "high"])


def scans_needed(curve: pd.DataFrame, power: float = 0.8) -> int | None:
    """Return the scans at which the curve first reaches `power`, interpolated; None if it does not."""
    ordered = curve.sort_values("scans")
    scans, reached = ordered["scans"].to_numpy(dtype=float), ordered["power"].to_numpy(dtype=float)
    above = np.flatnonzero(reached >= power)
    if len(above) == 0:
        return None
    after = int(above[0])
    if after == 0:
        return int(scans[0])
    before = after - 1
    share = (power - reached[before]) / (reached[after] - reached[before])
    # a hair less, so that rounding does not ask for one scan more
    return int(np.ceil(scans[before] + share * (scans[after] - scans[before]) - 1e-9))


class _Pilot:
    """Two methods' paired predictions of a finished study, to draw studies from."""

    def __init__(self, cases: CaseScores, run: str, reference_run: str, metric: str) -> None:
        self.metric, self.label = metric, cases.label
        self.a, self.b = (cases.runs[name] for name in (run, reference_run))
        self.right = np.subtract(
            *[(method.predicted[0] == self.label).astype(float) for method in (self.a, self.b)]
        )
        self.classes = [np.flatnonzero(self.label == code) for code in np.unique(self.label)]
        self.uniform = np.full(len(self.label), 1 / len(self.label))
        self.influence = self.right if metric == "accuracy" else self._auc_influence(self.uniform)

    def chances(self, difference: float | None) -> Floats:
        """Return the chance of each case within its class so that the methods differ by `difference`."""
        if difference is None:
            return self.uniform

        def excess(tilt: float) -> float:
            return self.difference(self._tilted(tilt)) - difference

        limit = 1.0
        while excess(-limit) * excess(limit) > 0:
            limit *= 2
            if limit > 512:
                raise ValueError(
                    f"no weighting of these cases makes the methods differ by {difference:g} in {self.metric}: "
                    "plan for a difference between those of single cases"
                )
        return self._tilted(float(brentq(excess, -limit, limit, xtol=1e-9)))

    def difference(self, chances: Floats) -> float:
        """Return the expected difference of the metric when cases are drawn with these chances."""
        if self.metric == "accuracy":
            return float(chances @ self.right)
        positives = self.classes[1]
        weights = chances[positives] / chances[positives].sum()
        return float(weights @ self._auc_influence(chances)[positives])

    def p_values(self, chances: Floats, size: int, studies: int, random: np.random.Generator) -> Floats:
        """Return the p-values of simulated studies with `size` scans."""
        if self.metric == "accuracy":
            return self._mcnemar(chances, size, studies, random)
        blocks = [min(_BLOCK, studies - start) for start in range(0, studies, _BLOCK)]
        return np.concatenate([self._delong(chances, size, block, random) for block in blocks])

    def observed_range(self, size: int, alpha: float) -> tuple[float, float]:
        """Return the powers at the ends of the observed difference's 95 % interval."""
        observed, n = self.difference(self.uniform), len(self.label)
        if self.metric == "accuracy":
            error = float(self.right.std() / np.sqrt(n))
        else:
            error = float(
                np.sqrt(sum(self.influence[stratum].var() / len(stratum) for stratum in self.classes))
            )
        if error == 0:
            return 0.0, 1.0
        critical = norm.ppf(1 - alpha / 2)
        shifts = (observed + np.array([-1.96, 0, 1.96]) * error) / (error * np.sqrt(n / size))
        powers = norm.sf(critical - shifts) + norm.cdf(-critical - shifts)
        # An interval around zero holds methods that are equal, and their power is the test's level.
        low = alpha if shifts[0] * shifts[2] < 0 else float(powers.min())
        return low, float(powers.max())

    def _tilted(self, tilt: float) -> Floats:
        # The shift changes no chance and keeps the exponential of a large tilt finite.
        weights = np.exp(tilt * (self.influence - self.influence.max() * np.sign(tilt)))
        chances = np.zeros(len(weights))
        for stratum in self.classes:
            chances[stratum] = weights[stratum] / weights[stratum].sum() * len(stratum) / len(weights)
        return chances

    def _counts(self, size: int) -> list[int]:
        first = round(size * len(self.classes[0]) / len(self.label))
        first = min(max(first, 2), size - 2)  # of each class the two that DeLong's variance needs
        return [first, size - first]

    def _mcnemar(self, chances: Floats, size: int, studies: int, random: np.random.Generator) -> Floats:
        """Draw both discordant counts of each study and look up the exact two-sided binomial p."""
        discordant = [float(chances[self.right == side].sum()) for side in (1, -1)]
        counts = random.multinomial(size, [*discordant, max(0.0, 1 - sum(discordant))], size=studies)
        smaller, total = counts[:, :2].min(axis=1), counts[:, :2].sum(axis=1)
        return np.asarray(np.minimum(1.0, 2 * binom.cdf(smaller, total, 0.5)))

    def _delong(self, chances: Floats, size: int, studies: int, random: np.random.Generator) -> Floats:
        """Draw the cases of each study within its classes and test all studies at once, as `delong` does."""
        counts = self._counts(size)
        sampled_cases = np.hstack(
            [
                random.choice(stratum, (studies, count), p=chances[stratum] / chances[stratum].sum())
                for stratum, count in zip(self.classes, counts, strict=True)
            ]
        )
        label = np.repeat([0, 1], counts)
        a, b = (auc_components(label, method.score[0][sampled_cases]) for method in (self.a, self.b))
        well, sick = np.split(a - b, [counts[0]], axis=1)
        error = np.sqrt(sick.var(axis=1, ddof=1) / counts[1] + well.var(axis=1, ddof=1) / counts[0])
        z = np.divide(sick.mean(axis=1), error, out=np.zeros(studies), where=error > EQUAL)
        return np.asarray(2 * norm.sf(np.abs(z)))

    def _auc_influence(self, chances: Floats) -> Floats:
        """Return each case's share in the AUC difference when cases count with `chances`."""
        a, b = (_weighted_components(self.label, method.score[0], chances) for method in (self.a, self.b))
        return np.asarray(a - b)


def _weighted_components(label: NDArray[np.intp], score: Floats, chances: Floats) -> Floats:
    """Return `auc_components` with weighted cases: the weight of the other class on the wrong side is lost."""
    if np.ptp(chances) == 0:
        return np.asarray(auc_components(label, score[None, :])[0])
    values, group = np.unique(score, return_inverse=True)
    components = np.empty(len(score))
    for code in (0, 1):
        other = label != code
        weight = np.bincount(group[other], chances[other], minlength=len(values)) / chances[other].sum()
        below = np.cumsum(weight) - weight / 2
        components[label == code] = (below if code == 1 else 1 - below)[group[label == code]]
    return components


def _binomial(power: float, studies: int) -> tuple[float, float]:
    return wilson(round(power * studies), studies)
