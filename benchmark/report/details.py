"""What lies behind the headline numbers: classes and their confusions, calibration, and each group by itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmark.pipeline.results import StudyResult
from benchmark.statistics.comparison.ranks import Ranking, rank_methods
from benchmark.statistics.intervals.calibration import calibration_curve
from benchmark.statistics.intervals.classes import class_table, confusion_table
from benchmark.statistics.intervals.proportions import wilson_of_cases


def detail_tables(result: StudyResult) -> dict[str, pd.DataFrame]:
    """Return the tables by name, each with a column run; of repeated folds the first repeat is counted."""
    names = result.study.target.classes
    tables = {
        "classes": _per_run(
            result,
            lambda rows_of_run: class_table(
                rows_of_run["label"], rows_of_run["predicted"], names, rows_of_run.get("patient")
            ),
        ),
        "confusion": _per_run(result, lambda rows_of_run: _counts(rows_of_run, names)),
        "groups": _per_run(result, lambda rows_of_run: _by_group(rows_of_run, result.features.cases)),
    }
    if result.study.target.binary:
        tables["calibration"] = _per_run(
            result,
            lambda rows_of_run: calibration_curve(
                rows_of_run["label"], rows_of_run["score"], bins=5, patient=rows_of_run.get("patient")
            ),
        )
    return tables


def ranking(result: StudyResult, groups: pd.DataFrame) -> Ranking | None:
    """Rank the runs over the groups (scanners, sites) by accuracy; None for fewer than 3 runs or 2 groups.

    `groups` is the table of that name.
    """
    wide = groups.pivot(index="group", columns="run", values="accuracy")
    if len(wide) < 2 or wide.shape[1] < 3:
        return None
    return rank_methods(wide[[run.name for run in result.all_runs()]])


def _per_run(result: StudyResult, table: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    first = result.predictions[result.predictions["repeat"] == result.predictions["repeat"].min()]
    of_runs = dict(iter(first.groupby("run", sort=False)))
    parts = []
    for run in result.all_runs():
        parts.append(table(of_runs[run.name]))
        parts[-1].insert(0, "run", run.name)
    return pd.concat(parts, ignore_index=True)


def _counts(rows_of_run: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Return one row per true and predicted class: their names and how many cases."""
    counts = confusion_table(rows_of_run["label"], rows_of_run["predicted"], names)
    return counts.reset_index().melt(id_vars="true", value_name="cases")


def _by_group(rows_of_run: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Return one row per group of the cohort: cases, accuracy, its Wilson interval."""
    group = rows_of_run["case_id"].map(cases["group"]).to_numpy()
    right = (rows_of_run["label"] == rows_of_run["predicted"]).to_numpy()
    whose = rows_of_run["case_id"].map(cases["patient"]).to_numpy()
    rows = [
        (
            name,
            int(in_group.sum()),
            float(right[in_group].mean()),
            *wilson_of_cases(right[in_group], whose[in_group]),
        )
        for name in sorted(set(group))
        for in_group in [np.asarray(group == name)]
    ]
    return pd.DataFrame(rows, columns=["group", "cases", "accuracy", "low", "high"])
