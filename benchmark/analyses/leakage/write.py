"""Writes an audit: tables and the figure under ``results/<study>/audit/``, all of it logged to MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.analyses.leakage.audit import Audit
from benchmark.report.picture import write_figure
from benchmark.report.tables import write_tables
from benchmark.report.tracking import logged_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def write_audit(audit: Audit, results: Path, study_file: Path) -> list[Path]:
    """Write ``audit.csv``, ``permutations.csv``, ``left_out.csv`` and the figure; log them; return the files."""
    folder = results / audit.study.name / "audit"
    left_out = pd.DataFrame(_left_out(audit), columns=["run", "protocol", "reason"])
    tables = {"audit": audit.table, "permutations": audit.permuted, "left_out": left_out}
    files = [*write_tables(tables, folder), *write_figure(audit_figure(audit), folder, "audit")]
    parameters = {
        "cases": audit.cases,
        "permutations": audit.permutations,
        "protocol": audit.study.protocol.model_dump(mode="json"),
        "cohort": audit.study.cohort.parameters(),
    }
    with logged_run(results, audit.study.name, "audit", parameters) as mlflow:
        mlflow.log_artifact(str(study_file))
        mlflow.log_artifacts(str(folder), "audit")
        for row in audit.table.to_dict("records"):
            _log(mlflow, {str(name): value for name, value in row.items()})
    return files


def facts(audit: Audit) -> dict[str, Any]:
    """Return the audit as JSON-able values."""
    return {
        "study": audit.study.name,
        "cases": audit.cases,
        "permutations": audit.permutations,
        "findings": [finding.row() for finding in audit.findings],
        "left_out": _left_out(audit),
    }


def _left_out(audit: Audit) -> list[dict[str, str]]:
    return [
        {"run": run, "protocol": protocol, "reason": reason}
        for (run, protocol), reason in audit.left_out.items()
    ]


def _log(mlflow: Any, row: dict[str, Any]) -> None:
    numbers = {name: float(value) for name, value in row.items() if type(value) in (int, float)}
    with mlflow.start_run(run_name=f"{row['run']}: {row['protocol']}", nested=True):
        mlflow.log_params({"run": row["run"], "protocol": row["protocol"]})
        mlflow.set_tags({"verdict": row["verdict"], "sentence": row["sentence"]})
        mlflow.log_metrics({name: value for name, value in numbers.items() if value == value})


def audit_figure(audit: Audit) -> Figure:
    """Draw a panel per run: each protocol on the true labels (colour) and on permuted ones (grey), and chance."""
    from matplotlib.figure import Figure

    runs = list(dict.fromkeys(finding.run for finding in audit.findings))
    figure = Figure(figsize=(3 + 4 * len(runs), 3.4), layout="constrained")
    panels = figure.subplots(1, len(runs), squeeze=False)[0]
    for axis, run in zip(panels, runs, strict=True):
        _draw(axis, run, audit)
    figure.suptitle(
        f"{audit.study.name}: balanced accuracy with 95 % interval; grey: permuted labels", fontsize=10
    )
    return figure


def _draw(axis: Axes, run: str, audit: Audit) -> None:
    mine = [finding for finding in audit.findings if finding.run == run]
    drawn = audit.permuted.query("run == @run").groupby("protocol")["balanced_accuracy"]
    for place, row in enumerate(mine):
        values, below = drawn.get_group(row.variant.name), place + 0.25
        axis.plot(values, [below] * len(values), "o", color="0.75", markersize=3, zorder=1)
        axis.plot(row.control.interval, [below, below], color="0.35", linewidth=2, zorder=2)
        colour = {"leaks": "C3", "confounded": "C1"}.get(row.verdict, "C0")
        axis.plot(row.balanced_accuracy[1:], [place, place], color=colour, linewidth=2, zorder=2)
        axis.plot(row.balanced_accuracy.value, place, "D", color=colour, markersize=5, zorder=3)
    axis.axvline(mine[0].control.chance, color="0.5", linestyle="--", linewidth=1, zorder=0)
    axis.set_yticks(range(len(mine)), [f"{row.variant.name} ({row.verdict})" for row in mine])
    axis.invert_yaxis()
    axis.set_title(run, fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)
