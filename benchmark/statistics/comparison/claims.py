"""What a comparison may claim: better, worse, equal, or undecided, and how large a difference it could have shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from benchmark.statistics.comparison.pairwise import Pair, compare_all

ALPHA, POWER = 0.05, 0.8
EQUAL_FROM = 0.95
"""Posterior probability of practical equality from which it may be claimed."""
COLUMNS = (
    "run",
    "reference",
    "difference",
    "low",
    "high",
    "p_better",
    "p_equal",
    "p_worse",
    "p",
    "p_holm",
    "detectable",
    "finding",
)


def claim_all(
    folds: pd.DataFrame, predictions: pd.DataFrame, pairs: Sequence[Pair], metric: str, rope: float = 0.01
) -> pd.DataFrame:
    """Return one row per pair (run, reference) on one metric, columns `COLUMNS`; the pairs are one family of Holm's.

    Difference, interval and p are Nadeau and Bengio's (2003), the probabilities Corani and Benavoli's (2015), see
    `benchmark.statistics.comparison.paired`. ``finding`` is better or worse where Holm's p is below 0.05; equal where
    equality within `rope` has a probability of 0.95 and the whole interval lies within it; else undecided.
    ``detectable`` is the smallest true difference that this comparison finds in 80 of 100 such studies by its
    unadjusted test. Differences that are the same in every fold leave all but the difference missing.
    """
    table = compare_all(
        folds, predictions, pairs, [metric], tests=("nadeau_bengio", "bayesian_correlated_t"), rope=rope
    )
    by_test = {test: rows.reset_index(drop=True) for test, rows in table.groupby("test")}
    posterior = by_test["bayesian_correlated_t"][["p_better", "p_equal", "p_worse"]]
    claimed = by_test["nadeau_bengio"].drop(columns=list(posterior)).join(posterior)
    numbers = [name for name in COLUMNS if name in claimed and name not in ("run", "reference")]
    claimed = claimed.astype(dict.fromkeys([*numbers, "df"], float))
    claimed = claimed.assign(detectable=_detectable(claimed), finding=_findings(claimed, rope))
    return claimed[list(COLUMNS)]


def _detectable(claimed: pd.DataFrame) -> pd.Series:
    """Return (t₀.₉₇₅ + t₀.₈) standard errors, as of a t-test; NaN where folds do not vary."""
    half = (claimed["high"] - claimed["low"]) / 2
    quantile = stats.t.ppf(1 - ALPHA / 2, claimed["df"])
    return half.where(half > 0) / quantile * (quantile + stats.t.ppf(POWER, claimed["df"]))


def _findings(claimed: pd.DataFrame, rope: float) -> NDArray[np.str_]:
    low, high = claimed["low"], claimed["high"]
    narrow = (low >= -rope) & (high <= rope) & (low < high) & (claimed["p_equal"] >= EQUAL_FROM)
    apart = claimed["p_holm"] < ALPHA
    sign = np.where(claimed["difference"] > 0, "better", "worse")
    return np.where(apart, sign, np.where(narrow, "equal", "undecided"))


def tied_groups(values: pd.Series, told_apart: set[frozenset[str]]) -> dict[str, str]:
    """Return letters for each method (index of `values`): two share one if and only if they were not told apart.

    A letter stands for as many methods as can share it, the first for the best; Piepho's insert and absorb (J Comput
    Graph Stat 2004;13:456, doi:10.1198/1061860043515).
    """
    ordered = list(values.sort_values(ascending=False, kind="stable").index)
    groups = [set(ordered)]
    for apart in told_apart:
        parted = [group - {name} for group in groups if apart <= group for name in apart]
        kept = [group for group in groups if not apart <= group]
        for group in sorted(parted, key=len, reverse=True):
            if not any(group <= other for other in kept):
                kept.append(group)
        groups = kept
    groups.sort(key=lambda group: [place for place, name in enumerate(ordered) if name in group])
    return {
        name: "".join(chr(ord("a") + place) for place, group in enumerate(groups) if name in group)
        for name in ordered
    }


def rank_intervals(replicates: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return each method's central interval of ranks (1 is best) over bootstrap replicates of its value.

    `replicates` has one column per method, resampled together. Ties share their mean rank, and the ends are rounded
    outwards to whole ranks. Columns low, high; index the methods.
    """
    ranks = replicates.round(12).rank(axis=1, ascending=False)
    tail = (1 - level) / 2
    return pd.DataFrame(
        {
            "low": np.floor(ranks.quantile(tail)).astype(int),
            "high": np.ceil(ranks.quantile(1 - tail)).astype(int),
        }
    )
