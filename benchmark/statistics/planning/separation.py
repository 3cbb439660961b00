"""Whether groups of methods are apart: each member better than each of the next, and how many cases would show it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from benchmark.statistics.comparison.multiplicity import holm
from benchmark.statistics.comparison.pairwise import compare_all
from benchmark.statistics.intervals.bootstrap import STANDARD, Resampling

TESTS = {"cases": "mcnemar", "folds": "nadeau_bengio"}
"""Of the models as they were fitted, over the cases; of the methods, were they trained anew, over the folds."""


def separation(
    folds: pd.DataFrame,
    predictions: pd.DataFrame,
    groups: Sequence[Sequence[str]],
    resampling: Resampling = STANDARD,
) -> pd.DataFrame:
    """Return one row per pair across two neighbouring groups, best group first, by accuracy.

    Columns ``upper`` (place of the better group), run, reference, difference; ``cases_low``, ``cases_high`` (BCa over
    cases), ``cases_p`` (exact McNemar), ``cases_holm`` (over all pairs); ``folds_low``, ``folds_high``, ``folds_p``
    (Nadeau and Bengio). Two groups are apart where every pair is: by ``cases_holm``, or, because the claim needs all of
    them, by the largest unadjusted p (Berger's intersection-union test, Technometrics 1982;24:295).
    """
    across = [(upper, pair) for upper, two in enumerate(pairwise(groups)) for pair in product(*two)]
    pairs = [pair for _, pair in across]
    tests = (*TESTS.values(), "bootstrap_bca")
    table = compare_all(folds, predictions, pairs, ["accuracy"], tests=tests, resampling=resampling)
    by_test = {test: rows.set_index(["run", "reference"]).loc[pairs] for test, rows in table.groupby("test")}
    cases, corrected = by_test["mcnemar"], by_test["nadeau_bengio"]
    found = by_test["bootstrap_bca"][["difference", "low", "high"]].add_prefix("cases_")
    return pd.DataFrame(
        {
            "upper": [upper for upper, _ in across],
            "difference": found["cases_difference"],
            "cases_low": found["cases_low"],
            "cases_high": found["cases_high"],
            "cases_p": cases["p"],
            "cases_holm": holm(cases["p"]),
            "folds_low": corrected["low"],
            "folds_high": corrected["high"],
            "folds_p": corrected["p"],
        }
    ).reset_index()


def chances(
    right: pd.DataFrame,
    label: NDArray[np.int_],
    pairs: Sequence[tuple[str, str]],
    cases: int,
    repeats: int,
    folds: int = 5,
    studies: int = 1000,
    seed: int = 0,
) -> float:
    """Return the share of simulated studies in which every pair has p < 0.05 in its favour by the corrected test.

    `right` has a row per case and a column per method: whether its prediction was right in a finished study. Cases are
    drawn from it with replacement within their labels and dealt into stratified folds; what training anew would
    change is not part of it.
    """
    random = np.random.default_rng(seed)
    values = np.column_stack([right[a].astype(float) - right[b].astype(float) for a, b in pairs])
    shown = [
        _all_shown(values[_drawn(label, cases, random)], _dealt(label, cases, folds, repeats, random), folds)
        for _ in range(studies)
    ]
    return float(np.mean(shown))


def _counts(label: NDArray[np.int_], cases: int) -> list[int]:
    ones = round(cases * float(label.mean()))
    return [cases - ones, ones]


def _drawn(label: NDArray[np.int_], cases: int, random: np.random.Generator) -> NDArray[np.intp]:
    return np.concatenate(
        [
            random.choice(np.flatnonzero(label == value), count)
            for value, count in enumerate(_counts(label, cases))
        ]
    )


def _dealt(
    label: NDArray[np.int_], cases: int, folds: int, repeats: int, random: np.random.Generator
) -> NDArray[np.intp]:
    """Return each repeat's fold of each drawn case, (repeats, cases)."""
    return np.array(
        [
            np.concatenate([random.permutation(np.arange(count) % folds) for count in _counts(label, cases)])
            for _ in range(repeats)
        ]
    )


def _all_shown(difference: NDArray[np.float64], dealt: NDArray[np.intp], folds: int) -> bool:
    """Say whether the mean over folds of each column of `difference` is above zero by Nadeau and Bengio's test."""
    of_folds = np.concatenate(
        [[difference[fold == number].mean(0) for number in range(folds)] for fold in dealt]
    )
    j = len(of_folds)
    error = of_folds.std(0, ddof=1) * np.sqrt(1 / j + 1 / (folds - 1))
    return bool((of_folds.mean(0) > stats.t.ppf(0.975, j - 1) * error).all())
