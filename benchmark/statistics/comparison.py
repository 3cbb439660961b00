"""Every run against the reference run, on the same folds."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from benchmark.statistics.multiplicity import holm
from benchmark.statistics.paired import nadeau_bengio, paired_t

__all__ = ["compare_with_reference", "holm"]


def compare_with_reference(folds: pd.DataFrame, reference: str, metrics: Sequence[str]) -> pd.DataFrame:
    """Compare each run of `folds` with `reference` by the paired and the corrected t-test.

    `folds` has one row per run and fold: columns run, repeat, fold, n_train, n_test and one per metric. Returns one
    row per metric and run. The p-values of a metric form one family, adjusted by Holm's method. `compare_all` has
    the other tests. Raises `ValueError` when a run lacks folds that the reference has.
    """
    runs = [run for run in folds["run"].unique() if run != reference]
    table = pd.DataFrame(
        [_row(folds, run, reference, metric) for metric in metrics for run in runs], columns=_COLUMNS
    )
    for test in ("paired_t", "nadeau_bengio"):
        table[f"p_{test}_holm"] = table.groupby("metric", sort=False)[f"p_{test}"].transform(holm)
    return table[_ORDER]


_COLUMNS = [
    "metric", "run", "reference", "mean", "reference_mean", "difference",
    "t_paired", "p_paired_t", "t_corrected", "p_nadeau_bengio", "df", "note",
]  # fmt: skip
_ORDER = [
    "metric", "run", "reference", "mean", "reference_mean", "difference", "t_paired", "p_paired_t",
    "p_paired_t_holm", "t_corrected", "p_nadeau_bengio", "p_nadeau_bengio_holm", "df", "note",
]  # fmt: skip


def _row(folds: pd.DataFrame, run: str, reference: str, metric: str) -> tuple[object, ...]:
    mine = folds[folds["run"] == run].set_index(["repeat", "fold"]).sort_index()
    theirs = folds[folds["run"] == reference].set_index(["repeat", "fold"]).sort_index()
    if not mine.index.equals(theirs.index):
        raise ValueError(f"{run} and {reference} were not scored on the same folds: evaluate both again")
    a, b = mine[metric], theirs[metric]
    plain = paired_t(a, b)
    corrected = nadeau_bengio(a, b, test_to_train=float((mine["n_test"] / mine["n_train"]).mean()))
    means = (a.mean(), b.mean(), (a - b).mean())
    tests = (plain.statistic, plain.p, corrected.statistic, corrected.p)
    return (metric, run, reference, *means, *tests, plain.df, plain.note)
