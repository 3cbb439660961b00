"""A study's tables, as DataFrames and as CSV files whose bytes depend on the results alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmark.errors import UserError
from benchmark.execution.seeds import derive_seed
from benchmark.execution.store import write_atomically
from benchmark.pipeline.results import StudyResult
from benchmark.report.cases.bands import band_table
from benchmark.report.cases.flow import flow_table
from benchmark.report.cases.hard import hard_cases
from benchmark.report.curves.method_curves import decision_table, table_of_bands
from benchmark.report.details import detail_tables
from benchmark.report.verdict.methods import Methods, methods_of
from benchmark.report.verdict.standing import standing_tables
from benchmark.statistics.comparison.pairwise import COLUMNS, compare_all
from benchmark.statistics.intervals.alignment import align_cases
from benchmark.statistics.intervals.bootstrap import Resampling
from benchmark.statistics.intervals.headline import all_headline_intervals
from benchmark.table_file import Table, csv_of, number, read_table

NAMES = (
    "case_id",
    "patient",
    "run",
    "reference",
    "group",
    "protocol",
    "segmenter",
    "extractor",
    "classifier",
    "reason",
)
"""Columns that hold names, which may look like numbers."""


def all_tables(result: StudyResult) -> dict[str, pd.DataFrame]:
    """Return every table by name; README explains their columns."""
    confidence, methods = intervals(result), methods_of(result)
    return {
        "summary": summary(result, confidence),
        "intervals": confidence,
        "comparisons": comparisons(result),
        **standing_tables(result, methods),
        **(_curves(result, methods) if result.study.target.binary else {}),
        "bands": band_table(result, methods),
        "hard_cases": hard_cases(result, methods),
        **detail_tables(result),
        "folds": result.folds,
        "predictions": result.predictions,
        "choices": result.choices,
        "flow": flow_table(result),
        "exclusions": pd.DataFrame(
            [item.row() for item in result.features.exclusions],
            columns=["case_id", "extractor", "stage", "reason"],
        ),
        "anomalies": result.features.anomalies,
        "runs_without_result": pd.DataFrame(result.failed.items(), columns=["run", "reason"]),
        "cases": result.features.cases.reset_index(),
    }


def _curves(result: StudyResult, methods: Methods) -> dict[str, pd.DataFrame]:
    return {"decision_curve": decision_table(result, methods), "curve_bands": table_of_bands(result, methods)}


def intervals(result: StudyResult) -> pd.DataFrame:
    """Return one row per run, metric and method: pooled out-of-fold value with a 95 % interval; one is `shown`."""
    resampling = Resampling(seed=derive_seed(result.study.seed, "bootstrap"))
    names = [run.name for run in result.all_runs()]
    case = align_cases(result.predictions[result.predictions["run"].isin(names)], names, [])
    tables = all_headline_intervals(
        case.label,
        [case.runs[name] for name in names],
        resampling,
        metrics=result.study.target.metrics,
        patient=case.patient,
    )
    rows = [table.assign(cases=len(case.label)) for table in tables]
    for name, table in zip(names, rows, strict=True):
        table.insert(0, "run", name)
    return pd.concat(rows, ignore_index=True)


def summary(result: StudyResult, confidence: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return one row per run and metric: pooled out-of-fold value, the interval shown, mean and SD over the folds."""
    confidence = intervals(result) if confidence is None else confidence
    metrics = result.study.target.metrics
    pooled = confidence[confidence["shown"] & confidence["metric"].isin(metrics)]
    rows = []
    for run in result.all_runs():
        table = pooled[pooled["run"] == run.name].drop(columns=["run"])
        folds = result.folds.loc[result.folds["run"] == run.name, list(table["metric"])]
        names = {
            "run": run.name,
            "segmenter": result.study.names_of(run)["segmenter"],
            "extractor": run.extractor,
            "classifier": run.classifier,
        }
        table = table.assign(**names, fold_mean=folds.mean().to_numpy(), fold_sd=folds.std().to_numpy())
        rows.append(
            table[[*names, "cases", "metric", "value", "low", "high", "method", "fold_mean", "fold_sd"]]
        )
    return pd.concat(rows, ignore_index=True)


def comparisons(result: StudyResult) -> pd.DataFrame:
    """Return the declared pairs, or every run against the reference, on the declared metrics by the declared tests."""
    declared = result.study.comparisons
    names = [run.name for run in result.all_runs()]
    pairs = [(name, result.reference_run) for name in names if name != result.reference_run]
    if declared.pairs is not None:
        pairs = [pair for pair in declared.pairs if set(pair) <= set(names)]
    if not pairs:
        return pd.DataFrame(columns=list(COLUMNS))
    return compared(result, pairs, result.study.compared_metrics)


def compared(result: StudyResult, pairs: Sequence[tuple[str, str]], metrics: Sequence[str]) -> pd.DataFrame:
    """Return pairs of runs, the first minus the second, on `metrics` by the declared tests."""
    declared = result.study.comparisons
    try:
        return compare_all(
            result.folds,
            result.predictions,
            pairs,
            metrics,
            tests=declared.tests,
            resampling=Resampling(seed=derive_seed(result.study.seed, "comparisons")),
            rope=declared.rope,
            family=declared.family,
        )
    except ValueError as error:  # what only the folds show, a metric that is undefined in one of them
        raise UserError(f"{result.study.name}: comparisons: {error}") from None


def write_tables(tables: dict[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write every table as ``<name>.csv``; floats are written so that they read back to the last bit."""
    files = []
    for name, table in tables.items():
        files.append(folder / f"{name}.csv")
        write_atomically(files[-1], csv_of(table).encode())
    return files


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Read what `write_tables` wrote; names stay text, so that a case called 007 or NA is called so still."""
    return {file.stem: typed(read_table(file, "results")) for file in sorted(folder.glob("*.csv"))}


def typed(table: Table) -> pd.DataFrame:
    """Return a table that was written: columns of numbers as numbers, NaN where empty, and the others as text."""
    return pd.DataFrame(
        {name: _column(name, [row.cells[name] for row in table.rows]) for name in table.columns},
        columns=list(table.columns),
    )


def _column(name: str, cells: list[str]) -> pd.Series:
    filled = [cell for cell in cells if cell]
    if not filled or name in NAMES:
        return pd.Series(cells, dtype=object)
    if set(filled) <= {"True", "False"} and len(filled) == len(cells):
        return pd.Series([cell == "True" for cell in cells])
    if all(re.fullmatch("-?[0-9]+", cell) for cell in cells):
        return pd.Series([int(cell) for cell in cells])
    if all(number(cell) is not None or cell in ("inf", "-inf") for cell in filled):
        return pd.Series([float(cell or "nan") for cell in cells])
    return pd.Series(cells, dtype=object)
