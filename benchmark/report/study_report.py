"""Finishes a study: writes its tables, figure and page under ``results/<study>/`` and logs all of it to MLflow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.execution.store import write_atomically
from benchmark.pipeline.results import StudyResult
from benchmark.report.diagnosis import as_table, diagnose
from benchmark.report.figures import detail_figures
from benchmark.report.headline import facts_of
from benchmark.report.page import write_page
from benchmark.report.picture import comparison_figure, write_figure
from benchmark.report.tables import all_tables, write_tables
from benchmark.report.tracking import log_study


@dataclass(frozen=True)
class Finished:
    """A study whose reports are written: its facts and tables, and where they are."""

    facts: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    paths: list[Path]
    computed: int
    fitted: int


def finish(result: StudyResult, results: Path, study_file: Path) -> Finished:
    """Write the reports and log them; return what the command line shows."""
    folder = results / result.study.name
    tables = all_tables(result)
    facts = facts_of(result, tables["summary"])
    findings = diagnose(result, tables["summary"])
    tables["diagnosis"] = as_table(findings)
    facts["diagnosis"] = [str(finding) for finding in findings]
    write_tables(tables, folder / "tables")
    metrics = result.study.compared_metrics
    figures = {
        "comparison": comparison_figure(tables["summary"], result.folds, metrics, result.study.name),
        **detail_figures(result, tables),
    }
    pictures = {name: write_figure(figure, folder, name) for name, figure in figures.items()}
    svgs = {name: files[0] for name, files in pictures.items()}
    page = write_page(folder / "report.html", facts=facts, tables=tables, figures=svgs)
    log_study(result, tables, folder, results, study_file)
    write_atomically(folder / "study.json", (json.dumps(facts, indent=1) + "\n").encode())
    return Finished(
        facts, tables, [page, *svgs.values(), folder / "tables"], result.features.computed, result.fitted
    )
