"""The report of an explanation: ablation, importance, stability and, where asked for, SHAP values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.analyses.explanation.explain import Explanation, importance_metrics
from benchmark.analyses.explanation.figures import ablation_figure, importance_figure, shap_figure
from benchmark.report.report import Report, Section, with_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 10


def report_of(explanation: Explanation) -> Report:
    """Return the report of one run's explanation."""
    tables, figures = explanation.tables, _figures(explanation)
    return Report(
        study=explanation.study.name,
        name=f"explain {explanation.run.name}",
        folder=Path(explanation.study.name) / "explain" / explanation.run.name.replace("/", "_"),
        question=f"What does {explanation.run.name} learn from?",
        lead=f"What {explanation.run.name} learns from.",
        sections=_sections(explanation, list(figures)),
        tables=tables,
        facts={
            "study": explanation.study.name,
            "run": explanation.run.name,
            "notes": explanation.notes,
            **_as_json(tables),
        },
        figures=figures,
        sentences=[_stability(tables["stability"].iloc[0])],
        warnings=[*_ablation_notes(tables["ablation"]), *explanation.notes],
        parameters={
            "run": explanation.run.name,
            "seed": explanation.study.seed,
            "target": explanation.study.target.use,
            "protocol": explanation.study.protocol.model_dump(mode="json"),
        },
        metrics=_metrics(tables),
    )


def _as_json(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    return {
        name: json.loads(table.to_json(orient="records", double_precision=15))
        for name, table in tables.items()
        if name != "shap"
    }


def _metrics(tables: dict[str, pd.DataFrame]) -> dict[str, float]:
    stability = tables["stability"].dropna(subset="stability")
    ablation = tables["ablation"].dropna(subset="value")
    return {
        **dict(zip(["stability"], map(float, stability["stability"]), strict=False)),
        **{
            ".".join(filter(None, ("ablation", row["family"], row["kept"], row["metric"]))): float(
                row["value"]
            )
            for row in ablation.to_dict("records")
        },
    }


def _figures(explanation: Explanation) -> dict[str, Figure]:
    title = f"{explanation.study.name}, {explanation.run.name}"
    metric = importance_metrics(explanation.study)[-1]
    figures = {}
    if len(explanation.tables["ablation"]["kept"].unique()) > 1:
        figures["ablation"] = ablation_figure(explanation.tables["ablation"], "accuracy", title)
    figures["importance"] = importance_figure(explanation.tables["importance"], metric, title)
    if "shap" not in explanation.tables:
        return figures
    table, summary = explanation.tables["shap"], explanation.tables["shap_summary"]
    explained = list(dict.fromkeys(table["explained"]))
    for place, name in enumerate(explained):
        rows, largest = (part[part["explained"] == name] for part in (table, summary))
        figure_name = "shap" if len(explained) == 1 else f"shap_{place}"
        figures[figure_name] = shap_figure(rows, largest, explanation.features, title)
    return figures


def _sections(explanation: Explanation, figures: list[str]) -> list[Section]:
    tables, metric = explanation.tables, importance_metrics(explanation.study)[-1]
    sections = []
    if len(tables["ablation"]["kept"].unique()) > 1:
        sections.append(_ablation(tables["ablation"], explanation.run.name))
    sections.append(_importance(tables["importance"], metric))
    if "shap_summary" in tables:
        rows = tables["shap_summary"].groupby("explained", sort=False).head(SHOWN)
        shown = rows[["explained", "feature"]].assign(
            **{"mean |SHAP|": rows["mean_abs_shap"].map("{:.4f}".format)}
        )
        shap_figures = [name for name in figures if name.startswith("shap")]
        sections.append(Section("mean |SHAP| over the held-out cases", shown, figures=shap_figures))
    return sections


def _ablation(table: pd.DataFrame, run: str) -> Section:
    rows = [
        {
            "features": f"{row['family']} {row['kept'].replace('_', ' ')}".strip(),
            "n": row["features"],
            "accuracy": with_interval(row["value"], row["low"], row["high"], ends=3, method=row["method"]),
            "difference": with_interval(
                row["difference"], row["difference_low"], row["difference_high"], ends=3, sign="+"
            ),
        }
        for row in table[table["metric"] == "accuracy"].dropna(subset="value").to_dict("records")
    ]
    title = f"{run}: accuracy [95 % interval], difference to all features"
    return Section(title, pd.DataFrame(rows), figures=["ablation"])


def _ablation_notes(table: pd.DataFrame) -> list[str]:
    if len(table["kept"].unique()) < 2:
        return []
    notes = dict.fromkeys(table["family"] + " " + table["kept"] + ": " + table["note"])
    return [note for note in notes if not note.endswith(": ")]


def _importance(table: pd.DataFrame, metric: str) -> Section:
    name = metric.replace("_", " ")
    kept_rows = table[(table["metric"] == metric) & (table["folds_kept"] > 0)]
    rows = [
        {
            "feature": f"{row['name']} (family)" if kind == "family" else row["name"],
            "kept in folds": row["folds_kept"],
            f"loss of {name}": with_interval(row["importance"], row["low"], row["high"], 4, 4, "+"),
        }
        for kind in ("family", "feature")
        for row in kept_rows[kept_rows["kind"] == kind].head(SHOWN).to_dict("records")
    ]
    title = f"loss of {name} when permuted on held-out folds [95 % interval over the folds]"
    return Section(title, pd.DataFrame(rows), figures=["importance"])


def _stability(row: pd.Series) -> str:
    kept = f"{row['mean_kept']:.1f} of {row['features']} features kept in a fold"
    if pd.isna(row["stability"]):
        return f"{kept}; stability: {row['note']}"
    return f"{kept}; stability {with_interval(row['stability'], row['low'], row['high'], ends=3)} (Nogueira)"
