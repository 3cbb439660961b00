"""Checked views of the two tables of a study: scores by fold, predictions by case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.statistics.intervals.bootstrap import Predicted
from benchmark.statistics.intervals.patients import codes_of
from benchmark.statistics.metrics.weighted import NEED_BOTH_LABELS


@dataclass(frozen=True)
class FoldScores:
    """Scores of every run on the same folds: ``scores[run][metric]`` has shape (repeats, folds) or (folds,).

    It is two-dimensional where every repeat has as many folds. `test_to_train` is each run's mean of n_test/n_train.
    """

    scores: dict[str, dict[str, NDArray[np.float64]]]
    test_to_train: dict[str, float]

    def ratio(self, first: str, second: str) -> float:
        """Return the larger n_test/n_train of two runs, so that no test is bolder where one learnt from fewer cases."""
        return max(self.test_to_train[first], self.test_to_train[second])


@dataclass(frozen=True)
class CaseScores:
    """Predictions of every run for the same cases, sorted by id; `label` has shape (cases,).

    `patient` (cases,) are codes of whose each case is; None where every case is another patient's.
    """

    label: NDArray[np.intp]
    runs: dict[str, Predicted]
    patient: NDArray[np.intp] | None = None


def align_folds(folds: pd.DataFrame, runs: Sequence[str], metrics: Sequence[str]) -> FoldScores:
    """Return the scores of `runs` on their common folds.

    `folds` has one row per run and fold: columns run, repeat, fold, n_train, n_test and the metrics. Raises
    `ValueError` where runs, metrics, folds or scores are missing.
    """
    _require_columns(folds, ["run", "repeat", "fold", "n_train", "n_test", *metrics], "fold table")
    tables = _by_run(folds, runs, ["repeat", "fold"], "fold table")
    first = tables[runs[0]]
    for run, table in tables.items():
        if not table.index.equals(first.index):
            raise ValueError(f"{run} and {runs[0]} were not scored on the same folds: evaluate both again")
        for metric in metrics:
            missing = table.index[~np.isfinite(table[metric].astype(float))]
            if len(missing):
                repeat, fold = missing[0]
                raise ValueError(
                    f"{metric} of {run} is undefined in repeat {repeat}, fold {fold}: "
                    "leave the metric out or take folds in which it is defined"
                )
    sizes = first.groupby(level="repeat").size()
    shape = (len(sizes), sizes.iloc[0]) if sizes.nunique() == 1 else (len(first),)
    scores = {
        run: {metric: table[metric].to_numpy(dtype=float).reshape(shape) for metric in metrics}
        for run, table in tables.items()
    }
    ratios = {run: float((table["n_test"] / table["n_train"]).mean()) for run, table in tables.items()}
    return FoldScores(scores, ratios)


def align_cases(predictions: pd.DataFrame, runs: Sequence[str], metrics: Sequence[str]) -> CaseScores:
    """Return the predictions of `runs` for their common cases.

    `predictions` has one row per run, repeat and case: columns run, repeat, fold, case_id, label (0, 1, …), score
    (probability of label 1) and predicted, and ``patient`` where some have several cases. Raises `ValueError` where
    the runs' cases, folds or labels differ, a score is missing, or a fold lacks a label that one of `metrics` needs.
    """
    columns = ["run", "repeat", "fold", "case_id", "label", "score", "predicted"]
    _require_columns(predictions, columns, "prediction table")
    tables = _by_run(predictions, runs, ["repeat", "case_id"], "prediction table")
    first = tables[runs[0]]
    for run, table in tables.items():
        _require_same_cases(run, table, runs[0], first)
    _require_labels(first, metrics)
    shape = (first.index.get_level_values("repeat").nunique(), -1)
    if len(first) % shape[0] or (first.groupby(level="case_id").size() != shape[0]).any():
        raise ValueError(f"{runs[0]} has not predicted every case in every repeat: evaluate it again")
    labels = first["label"].to_numpy(dtype=np.intp).reshape(shape)
    if (labels != labels[0]).any():
        raise ValueError(f"{runs[0]} has cases whose label changes from repeat to repeat: evaluate it again")
    return CaseScores(
        labels[0],
        {
            run: Predicted(
                table["predicted"].to_numpy(dtype=np.intp).reshape(shape),
                table["score"].to_numpy(dtype=float).reshape(shape),
            )
            for run, table in tables.items()
        },
        codes_of(first["patient"].to_numpy().reshape(shape)[0]) if "patient" in first else None,
    )


def _require_columns(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(f"the {name} lacks the columns {', '.join(missing)}")


def _by_run(table: pd.DataFrame, runs: Sequence[str], keys: list[str], name: str) -> dict[str, pd.DataFrame]:
    """Return each run's rows by `keys`, sorted; the table is parted once for all of them."""
    parts = dict(iter(table.groupby("run", sort=False)))
    for run in runs:
        if run not in parts:
            raise ValueError(f"{run} is not in the {name}, which has {', '.join(map(str, parts))}")
    tables = {run: parts[run].set_index(keys).sort_index() for run in runs}
    for run, rows_of_run in tables.items():
        if rows_of_run.index.has_duplicates:
            raise ValueError(f"{run} has two rows for the same {' and '.join(keys)} in the {name}")
    return tables


def _require_same_cases(run: str, table: pd.DataFrame, other: str, first: pd.DataFrame) -> None:
    if not table.index.equals(first.index):
        only = first.index.symmetric_difference(table.index).get_level_values("case_id").unique()
        raise ValueError(
            f"{run} and {other} were not predicted on the same cases: {len(only)} differ, the first is "
            f"{only[0]}; compare methods on the cases that all of them have"
        )
    for column in ("label", "fold"):
        if not (table[column] == first[column]).all():
            case = table.index[table[column] != first[column]][0][1]
            raise ValueError(f"{run} and {other} have another {column} for case {case}: evaluate both again")
    if not np.isfinite(table["score"].astype(float)).all():
        raise ValueError(f"{run} has cases without a score: every case needs one from every method")


def _require_labels(table: pd.DataFrame, metrics: Sequence[str]) -> None:
    needing = [metric for metric in metrics if metric in NEED_BOTH_LABELS]
    if not needing:
        return
    for (repeat, fold), labels in table.reset_index().groupby(["repeat", "fold"])["label"]:
        if labels.nunique() < 2:
            raise ValueError(
                f"fold {fold} of repeat {repeat} has cases of label {labels.iloc[0]} alone, which leaves "
                f"{', '.join(needing)} undefined: stratify the folds or take fewer"
            )
