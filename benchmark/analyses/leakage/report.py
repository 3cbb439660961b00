"""The report of an audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.analyses.leakage.audit import Audit
from benchmark.report.report import LoggedRow, Report, Section, with_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_STYLES = {"leaks": "red", "confounded": "yellow", "silent": ""}


def report_of(audit: Audit) -> Report:
    """Return the report: a table and a sentence per protocol for each run, and what was left out."""
    name = audit.study.name
    runs = list(dict.fromkeys(finding.run for finding in audit.findings))
    return Report(
        study=name,
        name="audit",
        folder=Path(name) / "audit",
        question="What would unsound protocols add to these numbers, and what does each find in permuted labels?",
        lead=f"{audit.cases} cases, {audit.permutations} permutations of the labels.",
        sections=[_section(audit, run, last=run == runs[-1]) for run in runs],
        tables={
            "audit": audit.table,
            "permutations": audit.permuted,
            "left_out": pd.DataFrame(_left_out(audit), columns=["run", "protocol", "reason"]),
        },
        facts={
            "study": name,
            "cases": audit.cases,
            "permutations": audit.permutations,
            "findings": [finding.row() for finding in audit.findings],
            "left_out": _left_out(audit),
        },
        figures={"audit": audit_figure(audit)},
        sentences=[f"{item.run}, {item.variant.name}: {item.sentence}" for item in audit.findings],
        warnings=[
            f"not audited: {run}, {variant}: {reason}" for (run, variant), reason in audit.left_out.items()
        ],
        parameters={
            "cases": audit.cases,
            "permutations": audit.permutations,
            "protocol": audit.study.protocol.model_dump(mode="json"),
            "cohort": audit.study.cohort.parameters(),
        },
        rows=[
            _logged({str(key): value for key, value in row.items()}) for row in audit.table.to_dict("records")
        ],
    )


def _section(audit: Audit, run: str, last: bool) -> Section:
    findings = [finding for finding in audit.findings if finding.run == run]
    rows = [
        {
            "protocol": row.variant.name,
            "balanced accuracy": with_interval(
                *row.balanced_accuracy[:3], method=row.balanced_accuracy.method
            ),
            "optimism, points": "–"
            if row.optimism is None
            else with_interval(
                row.optimism.value, row.optimism.low, row.optimism.high, digits=1, ends=1, sign="+"
            ),
            "permuted labels": with_interval(row.control.mean, *row.control.interval),
            "verdict": row.verdict,
        }
        for row in findings
    ]
    return Section(
        f"{audit.study.name}: {run}, {audit.cases} cases",
        pd.DataFrame(rows),
        figures=["audit"] if last else [],
        styles=[_STYLES[row.verdict] for row in findings],
    )


def _left_out(audit: Audit) -> list[dict[str, str]]:
    return [
        {"run": run, "protocol": variant, "reason": reason}
        for (run, variant), reason in audit.left_out.items()
    ]


def _logged(row: dict[str, Any]) -> LoggedRow:
    numbers = {name: float(value) for name, value in row.items() if type(value) in (int, float)}
    return LoggedRow(
        f"{row['run']}: {row['protocol']}",
        {"run": row["run"], "protocol": row["protocol"]},
        {
            name: str(row[name])
            for name in ("verdict", "sentence", "balanced_accuracy_method", "accuracy_method")
        },
        {name: value for name, value in numbers.items() if value == value},
    )


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
    findings = [finding for finding in audit.findings if finding.run == run]
    permuted = audit.permuted.query("run == @run").groupby("protocol")["balanced_accuracy"]
    for place, row in enumerate(findings):
        values, below = permuted.get_group(row.variant.name), place + 0.25
        axis.plot(values, [below] * len(values), "o", color="0.75", markersize=3, zorder=1)
        axis.plot(row.control.interval, [below, below], color="0.35", linewidth=2, zorder=2)
        colour = {"leaks": "C3", "confounded": "C1"}.get(row.verdict, "C0")
        axis.plot(row.balanced_accuracy[1:3], [place, place], color=colour, linewidth=2, zorder=2)
        axis.plot(row.balanced_accuracy.value, place, "D", color=colour, markersize=5, zorder=3)
    axis.axvline(findings[0].control.chance, color="0.5", linestyle="--", linewidth=1, zorder=0)
    axis.set_yticks(range(len(findings)), [f"{row.variant.name} ({row.verdict})" for row in findings])
    axis.invert_yaxis()
    axis.set_title(run, fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)
