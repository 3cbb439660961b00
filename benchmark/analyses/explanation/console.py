"""What `cacbench explain` prints."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmark.analyses.explanation.explain import Explanation, importance_metrics
from benchmark.analyses.explanation.write import Written
from benchmark.report.console import console

SHOWN = 10


def print_explanation(found: Explanation, written: Written) -> None:
    """Print the ablation, the most important features, the stability, and where everything is."""
    metric = importance_metrics(found.study)[-1]
    ablation = found.tables["ablation"]
    if len(ablation["kept"].unique()) > 1:
        console.print(_ablation(ablation, found.run.name))
        for note in dict.fromkeys(ablation["family"] + " " + ablation["kept"] + ": " + ablation["note"]):
            if not note.endswith(": "):
                console.print(note, style="yellow", markup=False, soft_wrap=True)
    console.print(_importance(found.tables["importance"], metric))
    console.print(_stability(found.tables["stability"].iloc[0]), markup=False, soft_wrap=True)
    if "shap_summary" in found.tables:
        console.print(_shap(found.tables["shap_summary"]))
    for note in found.notes:
        console.print(note, style="yellow", markup=False, soft_wrap=True)
    console.print(str(written.folder), markup=False, soft_wrap=True, highlight=False)


def _ablation(table: pd.DataFrame, run: str) -> Table:
    shown = _table(
        f"{run}: accuracy [95 % interval], difference to all features",
        "features",
        "n",
        "accuracy",
        "difference",
    )
    for row in table[table["metric"] == "accuracy"].dropna(subset="value").to_dict("records"):
        name = f"{row['family']} {row['kept'].replace('_', ' ')}".strip()
        difference = _interval(row, "difference", "difference_low", "difference_high", "+.3f")
        shown.add_row(name, str(row["features"]), _interval(row, "value", "low", "high", ".3f"), difference)
    return shown


def _importance(table: pd.DataFrame, metric: str) -> Table:
    metric_name = metric.replace("_", " ")
    shown = _table(
        f"loss of {metric_name} when permuted on held-out folds [95 % interval over the folds]",
        "feature",
        "kept in folds",
        f"loss of {metric_name}",
    )
    mine = table[(table["metric"] == metric) & (table["folds_kept"] > 0)]
    for kind in ("family", "feature"):
        rows = mine[mine["kind"] == kind].head(SHOWN).to_dict("records")
        for place, row in enumerate(rows, start=1):
            name = f"{row['name']} (family)" if kind == "family" else row["name"]
            loss = _interval(row, "importance", "low", "high", "+.4f")
            shown.add_row(name, str(row["folds_kept"]), loss, end_section=place == len(rows))
    return shown


def _stability(row: pd.Series) -> str:
    kept = f"{row['mean_kept']:.1f} of {row['features']} features kept in a fold"
    if pd.isna(row["stability"]):
        return f"{kept}; stability: {row['note']}"
    return f"{kept}; stability {row['stability']:.3f} [{row['low']:.3f}, {row['high']:.3f}] (Nogueira)"


def _shap(table: pd.DataFrame) -> Table:
    shown = _table("mean |SHAP| over the held-out cases", "explained", "feature", "mean |SHAP|")
    for explained, rows in table.groupby("explained", sort=False):
        for row in rows.head(SHOWN).to_dict("records"):
            shown.add_row(str(explained), row["feature"], f"{row['mean_abs_shap']:.4f}")
    return shown


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)


def _interval(row: dict[Any, Any], value: str, low: str, high: str, form: str) -> str:
    if pd.isna(row[value]):
        return ""
    shown = f"{row[value]:{form}}"
    return shown if pd.isna(row[low]) else f"{shown} [{row[low]:{form}}, {row[high]:{form}}]"
