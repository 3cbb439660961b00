"""The report of learning curves and costs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.analyses.learning_curve.figures import curve_figure
from benchmark.analyses.learning_curve.study_curve import LearningCurve
from benchmark.report.report import Report, Section, with_interval
from benchmark.statistics.comparison.multiplicity import holm

_ON_CURVES = (
    "Each training fold's patients in an order that keeps the labels' shares, cut at several sizes, each part within "
    "the next; tested are the same cases at every size. 95 % intervals, patients resampled. One order was drawn for "
    "each fold: how much another would differ is not in the intervals."
)
_ON_COST = (
    "Seconds of processor time on this machine: a scan read, segmented and extracted; one fit of a whole training "
    "fold, its grid search included."
)

_COSTS = {
    "scan_cpu_s": "s per scan",
    "fit_cpu_s": "s per fit",
    "scan_joule": "J per scan",
    "fit_joule": "J per fit",
}
LEVEL = 0.05


def report_of(found: LearningCurve) -> Report:
    """Return the report: curves, what the last patients brought, and costs."""
    table, steps = found.curves.table, found.curves.steps
    metrics = _shown_metrics(found)
    tables = {"curve": table, "steps": steps}
    if len(found.cost):
        tables["cost"] = found.cost
    return Report(
        study=found.study.name,
        name="curve",
        folder=Path(found.study.name) / "curve",
        question="What would more patients bring, and what does each run cost?",
        lead=f"What more patients bring, and what each run costs: {found.tested} tested cases.",
        sections=[
            Section(
                f"{metrics[0].replace('_', ' ')} by patients learnt from",
                _wide(table, metrics[0]),
                note=_ON_CURVES,
                figures=["curve"],
            ),
            *_cost(found),
        ],
        tables=tables,
        facts={
            "study": found.study.name,
            "sentences": list(_sentences(steps, metrics[0])),
            "without_energy": found.without_energy,
            "without_result": found.failed,
            **{name: _as_json(rows) for name, rows in tables.items()},
        },
        figures={"curve": curve_figure(table, metrics, found.study.name)},
        sentences=list(_sentences(steps, metrics[0])),
        warnings=[f"{name}: {reason}" for name, reason in found.failed.items()],
        parameters={
            "seed": found.study.seed,
            "target": found.study.target.use,
            "protocol": found.study.protocol.model_dump(mode="json"),
        },
        curves=dict(_logged(table, metrics)),
        computed=found.curves.computed,
        of_this_execution=f"{found.curves.computed} folds learnt in this execution",
        tables_below="tables",
    )


def _shown_metrics(found: LearningCurve) -> list[str]:
    """Return accuracy and one more: AUC, or of bands the weighted kappa."""
    other = "roc_auc" if found.study.target.binary else "quadratic_kappa"
    return ["accuracy", other]


def _wide(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return a row per run and a column per size."""
    rows: dict[str, dict[str, str]] = {}
    for row in table[table["metric"] == metric].to_dict("records"):
        size = f"all {row['patients']:.0f}" if row["all"] else f"{row['patients']:.0f} patients"
        shown = with_interval(row["value"], row["low"], row["high"], method=row["method"])
        rows.setdefault(row["run"], {})[size] = shown
    return pd.DataFrame(rows).T.fillna("").rename_axis("run").reset_index()


def _sentences(steps: pd.DataFrame, metric: str) -> Iterator[str]:
    """Yield for each run what the last step brought; a word is claimed after Holm's correction over the runs."""
    last = steps[steps["metric"] == metric].groupby("run", sort=False).tail(1)
    for row, p in zip(last.to_dict("records"), holm(last["p"].astype(float)), strict=True):
        lead = f"{row['run']}: from {row['from']:.0f} to {row['to']:.0f} patients"
        points = f"{100 * row['difference']:+.1f} points of {metric}"
        if pd.isna(row["low"]) or pd.isna(p):
            yield f"{lead} {points}; {row['note']}"
            continue
        rose = "it still rose" if row["difference"] > 0 else "it fell"
        words = rose if p < LEVEL else "undecided whether it still rises"
        yield f"{lead} {words}, {points} [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"


def _cost(found: LearningCurve) -> Iterator[Section]:
    if not len(found.cost):
        return
    shown = {"run": found.cost["run"]}
    for name, title in _COSTS.items():
        if found.cost[name].notna().any():
            shown[title] = found.cost[name].map(lambda value: "" if pd.isna(value) else f"{value:.3g}")
    yield Section("Cost of a run", pd.DataFrame(shown), note=_note_on_cost(found))


def _note_on_cost(found: LearningCurve) -> str:
    scans = int(found.cost["scans"].max())
    energy = (
        f"Energy is not told: {found.without_energy}."
        if found.without_energy
        else "Joules are those of the machine's processors, whatever else they did."
    )
    return f"{_ON_COST} Scans measured: {scans}. {energy}"


def _as_json(table: pd.DataFrame) -> Any:
    return json.loads(table.to_json(orient="records", double_precision=15))


def _logged(table: pd.DataFrame, metrics: list[str]) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    for (run, metric), rows in table[table["metric"].isin(metrics)].groupby(["run", "metric"], sort=False):
        points = [(round(row["patients"]), float(row["value"])) for row in rows.to_dict("records")]
        yield f"{run}.{metric}", points
