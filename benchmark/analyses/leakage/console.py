"""What `cacbench audit` prints."""

from __future__ import annotations

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmark.analyses.leakage.audit import Audit
from benchmark.analyses.leakage.findings import Finding
from benchmark.report.console import console

_STYLES = {"leaks": "red", "confounded": "yellow", "silent": ""}


def print_audit(audit: Audit, files: list[Path]) -> None:
    """Print a table and a sentence per protocol for each run, what was left out, and the files written."""
    for run in dict.fromkeys(finding.run for finding in audit.findings):
        mine = [finding for finding in audit.findings if finding.run == run]
        console.print(_table(f"{audit.study.name}: {run}, {audit.cases} cases", mine))
        for finding in mine:
            sentence = f"{finding.variant.name}: {finding.sentence}"
            console.print(sentence, style=_STYLES[finding.verdict], markup=False, soft_wrap=True)
    for (run, protocol), reason in audit.left_out.items():
        console.print(
            f"not audited: {run}, {protocol}: {reason}", style="yellow", markup=False, soft_wrap=True
        )
    for file in files:
        console.print(str(file), markup=False, soft_wrap=True, highlight=False)


def _table(title: str, findings: list[Finding]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("protocol", "balanced accuracy", "optimism, points", "permuted labels", "verdict"):
        table.add_column(name, no_wrap=True)
    for row in findings:
        (low, high), optimism = row.control.interval, "–"
        if row.optimism is not None:
            optimism = f"{row.optimism.value:+.1f} [{row.optimism.low:.1f}, {row.optimism.high:.1f}]"
        value, permuted = _cell(*row.balanced_accuracy), _cell(row.control.mean, low, high)
        table.add_row(row.variant.name, value, optimism, permuted, row.verdict, style=_STYLES[row.verdict])
    return table


def _cell(value: float, low: float, high: float) -> str:
    return f"{value:.3f} [{low:.2f}, {high:.2f}]"
