"""What `cacbench robustness` prints."""

from __future__ import annotations

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmark.analyses.robustness.run import Robustness
from benchmark.analyses.robustness.stability import ALL, EXCELLENT, GOOD
from benchmark.analyses.robustness.study import BASE
from benchmark.analyses.robustness.write import Written
from benchmark.report.console import console


def print_robustness(measured: Robustness, written: Written) -> None:
    """Print stable features and accuracy by condition, what was left out, and the paths of what was written."""
    console.print(_stability(measured))
    console.print(_performance(measured))
    console.print("trained on the base scans alone; 95 % intervals: patients resampled", style="dim")
    for metric, ranking in measured.rankings.items():
        order = ", ".join(
            f"{run} {rank:.2f}" for run, rank in ranking.mean_ranks.sort_values(kind="stable").items()
        )
        console.print(f"mean rank by {metric}: {order}", markup=False, soft_wrap=True)
    for name, reason in measured.failed.items():
        console.print(f"no result for {name}: {reason}", style="yellow", markup=False, soft_wrap=True)
    if len(measured.exclusions):
        console.print(f"{len(measured.exclusions)} exclusions, see tables/exclusions.csv", style="yellow")
    for path in (*written.figures, written.folder / "tables"):
        console.print(str(path), markup=False, soft_wrap=True, highlight=False)


def _stability(measured: Robustness) -> Table:
    title = f"{measured.study.base.name}: {measured.patients} patients; features against the base scans"
    table = Table(
        "condition",
        "extractor",
        "features",
        "median ICC(2,1)",
        f"≥ {GOOD}",
        f"≥ {EXCELLENT}",
        title=title,
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for row in measured.stability[measured.stability["family"] == ALL].to_dict("records"):
        undefined = f" ({row['undefined']} constant)" if row["undefined"] else ""
        table.add_row(
            row["condition"],
            row["extractor"],
            f"{row['features']}{undefined}",
            f"{row['median_icc']:.3f}",
            f"{row['share_good']:.2f}",
            f"{row['share_excellent']:.2f}",
        )
    return table


def _performance(measured: Robustness) -> Table:
    metric = measured.study.base.compared_metrics[0]
    table = Table("run", "condition", metric, "difference", box=SIMPLE_HEAD, pad_edge=False)
    rows = measured.performance[measured.performance["metric"] == metric]
    for _, row in rows.iterrows():
        base = row["condition"] == BASE
        change = "" if base else _cell(row, "difference", "difference_low", "difference_high", sign="+")
        table.add_row(
            row["run"] if base else "", row["condition"], _cell(row, "value", "low", "high"), change
        )
    return table


def _cell(row: pd.Series, value: str, low: str, high: str, sign: str = "") -> str:
    return f"{row[value]:{sign}.3f} [{row[low]:{sign}.2f}, {row[high]:{sign}.2f}]"
