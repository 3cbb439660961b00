"""A study's tables, as DataFrames and as CSV files whose bytes depend on the results alone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from benchmark.results import StudyResult
from benchmark.seeds import derive_seed
from benchmark.statistics.intervals import interval_table
from benchmark.statistics.pairwise import COLUMNS, compare_all
from benchmark.store import write_atomically


def all_tables(result: StudyResult) -> dict[str, pd.DataFrame]:
    """Return every table by name; README explains their columns."""
    return {
        "summary": summary(result),
        "comparisons": comparisons(result),
        "folds": result.folds,
        "predictions": result.predictions,
        "choices": result.choices,
        "exclusions": pd.DataFrame(
            [asdict(item) for item in result.features.exclusions],
            columns=["case_id", "extractor", "stage", "reason"],
        ),
        "anomalies": result.features.anomalies,
        "runs_without_result": pd.DataFrame(result.failed.items(), columns=["run", "reason"]),
        "cases": result.features.cases.reset_index(),
    }


def summary(result: StudyResult) -> pd.DataFrame:
    """Return one row per run and metric: pooled out-of-fold value, 95 % interval, mean and SD over the folds."""
    rows = []
    for run in result.all_runs():
        mine = result.predictions[result.predictions["run"] == run.name]
        scores = mine.pivot_table(index="case_id", columns="repeat", values="score", sort=True)
        label = mine.drop_duplicates("case_id").set_index("case_id")["label"].loc[scores.index]
        seed = derive_seed(result.study.seed, "bootstrap")
        table = interval_table(label.to_numpy(), scores.to_numpy().T, seed=seed)
        folds = result.folds.loc[result.folds["run"] == run.name, list(table["metric"])]
        table = table.assign(fold_mean=folds.mean().to_numpy(), fold_sd=folds.std().to_numpy())
        segmenter = result.study.extractors[run.extractor].segmenter
        names = {
            "run": run.name,
            "segmenter": segmenter,
            "extractor": run.extractor,
            "classifier": run.classifier,
        }
        rows.append(pd.DataFrame({**names, "cases": len(scores)}, index=table.index).join(table))
    return pd.concat(rows, ignore_index=True)


def comparisons(result: StudyResult) -> pd.DataFrame:
    """Return every run against the reference, on the declared metrics, by the declared tests."""
    declared = result.study.comparisons
    names = [run.name for run in result.all_runs()]
    pairs = [(name, result.reference_run) for name in names if name != result.reference_run]
    if not pairs:
        return pd.DataFrame(columns=list(COLUMNS))
    return compare_all(
        result.folds, result.predictions, pairs, result.study.compared_metrics,
        tests=declared.tests, rope=declared.rope, family=declared.family,
        seed=derive_seed(result.study.seed, "comparisons"),
    )  # fmt: skip


def write_tables(tables: dict[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write every table as ``<name>.csv``; floats are written so that they read back to the last bit."""
    files = []
    for name, table in tables.items():
        files.append(folder / f"{name}.csv")
        write_atomically(files[-1], table.to_csv(index=False, lineterminator="\n").encode())
    return files


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Read what `write_tables` wrote."""
    return {file.stem: pd.read_csv(file) for file in sorted(folder.glob("*.csv"))}
