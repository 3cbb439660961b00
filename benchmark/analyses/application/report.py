"""The report of a frozen run on another cohort."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.analyses.application.apply import Application
from benchmark.analyses.application.figures import application_figure
from benchmark.report.report import Report, Section, with_interval
from benchmark.statistics.intervals.recalibration import IN_THE_LARGE, SLOPE

SHOWN_THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7)
_ON_PERFORMANCE = (
    "Out of fold on the cases the run was made with, on the other cohort, and the difference, with 95 % intervals "
    "(patients resampled; the difference by square-and-add, the two sharing no patient). Out of fold each case was "
    "predicted by a model of fewer cases than the frozen one has."
)
_ON_RECALIBRATION = (
    "In the large: the intercept at a slope of 1, 0 where probabilities are right on average, below where too high. "
    "Slope: 1 as it should be, below where they are too extreme. Wald's 95 % intervals."
)
_ON_CURVE = (
    "True positives less false ones weighted by the threshold's odds, per case, at this cohort's prevalence; to treat "
    "nobody is worth 0."
)


def report_of(application: Application) -> Report:
    """Return the report: what is left of the run's performance, its calibration and what acting on it is worth."""
    frozen, other = application.frozen, application.other
    name, run = frozen.study.name, frozen.run.name
    tables = {
        "performance": application.performance,
        "recalibration": application.recalibration,
        "calibration": application.calibration,
        "decision_curve": application.decision_curve,
        "predictions": application.predictions,
        "exclusions": pd.DataFrame(
            [item.row() for item in application.exclusions],
            columns=["case_id", "extractor", "stage", "reason"],
        ),
    }
    tables = {key: table for key, table in tables.items() if len(table.columns)}
    sentences = _sentences(application)
    figures = {}
    if len(application.decision_curve):
        title = f"{run} of {name} on {other.name}, {application.labelled} cases"
        figures["application"] = application_figure(
            application.calibration, application.decision_curve, title
        )
    return Report(
        study=name,
        name=f"apply {run} to {other.name}",
        folder=Path(name) / "apply" / other.name / run.replace("/", "_"),
        question=f"What is left of {run} of {name} on cases that it was not made for?",
        lead=f"{run} of {name}, frozen, on {len(application.predictions)} cases of {other.name}.",
        sections=_sections(application, list(figures)),
        tables=tables,
        facts=_facts(application, tables, sentences),
        figures=figures,
        sentences=sentences,
        warnings=_warnings(application),
        parameters={"run": run, "other": other.name, "cohort": other.cohort.parameters()},
        metrics={
            str(row["metric"]): float(row["value"]) for row in application.performance.to_dict("records")
        },
        tables_below="tables",
    )


def _facts(
    application: Application, tables: Mapping[str, pd.DataFrame], sentences: list[str]
) -> dict[str, Any]:
    frozen = application.frozen
    return {
        "study": frozen.study.name,
        "run": frozen.run.name,
        "other": application.other.name,
        "cases": len(application.predictions),
        "patients": int(application.predictions["patient"].nunique()),
        "labelled": application.labelled,
        "trained_on": len(frozen.task.train),
        "threshold": frozen.threshold,
        "sentences": sentences,
        **{key: _records(table) for key, table in tables.items() if key != "predictions"},
    }


def _records(table: pd.DataFrame) -> Any:
    return json.loads(table.to_json(orient="records", double_precision=15))


def _sections(application: Application, figures: list[str]) -> list[Section]:
    curve = application.decision_curve
    at = curve[curve["threshold"].isin(SHOWN_THRESHOLDS)].round(3) if len(curve) else None
    return [
        Section("Performance", _performance(application.performance), _ON_PERFORMANCE),
        Section("Calibration", _recalibration(application.recalibration), _ON_RECALIBRATION, figures),
        Section("Decision curve", at, _ON_CURVE, where="page"),
        Section(
            "Exclusions",
            pd.DataFrame([item.row() for item in application.exclusions]) if application.exclusions else None,
            where="page",
            otherwise="None.",
        ),
    ]


def _performance(table: pd.DataFrame) -> pd.DataFrame | None:
    rows = [
        {
            "metric": row["metric"],
            "out of fold": with_interval(
                row["inner"], row["inner_low"], row["inner_high"], method=row["inner_method"]
            ),
            "frozen": with_interval(row["value"], row["low"], row["high"], method=row["method"]),
            "difference": with_interval(
                row["difference"], row["difference_low"], row["difference_high"], sign="+"
            ),
        }
        for row in table.to_dict("records")
    ]
    return pd.DataFrame(rows) if rows else None


def _recalibration(table: pd.DataFrame) -> pd.DataFrame | None:
    rows = [
        {
            "figure": str(row["metric"]).replace("_", " "),
            "value": row["note"] or with_interval(row["value"], row["low"], row["high"], digits=2),
        }
        for row in table.to_dict("records")
    ]
    return pd.DataFrame(rows) if rows else None


def _sentences(application: Application) -> list[str]:
    """Return what may be said: the words follow from where the intervals lie."""
    if not len(application.performance):
        return [
            f"{application.other.name} has no labels of both kinds: predictions alone, in tables/predictions.csv"
        ]
    rows = application.performance.to_dict("records")
    said = [_change(row) for row in rows if row["metric"] in ("accuracy", "roc_auc", "quadratic_kappa")]
    figures = {row["metric"]: row for row in application.recalibration.to_dict("records")}
    return [*said, *([_in_the_large(figures[IN_THE_LARGE]), _slope(figures[SLOPE])] if figures else [])]


def _change(row: Mapping[Hashable, Any]) -> str:
    name = {"roc_auc": "AUC", "quadratic_kappa": "kappa"}.get(row["metric"], row["metric"])
    low, high = row["difference_low"], row["difference_high"]
    word = "is lower than" if high < 0 else "is higher than" if low > 0 else "cannot be told from"
    shown = f"{100 * row['difference']:+.0f} points"
    ends = "" if pd.isna(low) else f" [{100 * low:+.0f}, {100 * high:+.0f}]"
    return f"{name} {row['value']:.3f} {word} the {row['inner']:.3f} out of fold, {shown}{ends}"


def _in_the_large(row: Mapping[Hashable, Any]) -> str:
    word = "too low" if row["low"] > 0 else "too high" if row["high"] < 0 else "not seen to be off"
    found = with_interval(row["value"], row["low"], row["high"], digits=2)
    return f"probabilities are {word} on average: calibration in the large {found}"


def _slope(row: Mapping[Hashable, Any]) -> str:
    if row["note"]:
        return f"calibration slope: {row['note']}"
    found = with_interval(row["value"], row["low"], row["high"], digits=2)
    word = (
        "too extreme"
        if row["high"] < 1
        else "too tame"
        if row["low"] > 1
        else "not seen to be too extreme or tame"
    )
    return f"probabilities are {word}: calibration slope {found}"


def _warnings(application: Application) -> list[str]:
    said = []
    if application.frozen.fitted_anew:
        said.append("the store had the run's choice no longer: it was made again from the study's features")
    if application.exclusions:
        said.append(f"{len(application.exclusions)} cases excluded, see tables/exclusions.csv")
    unlabelled = len(application.predictions) - application.labelled
    if unlabelled and application.labelled:
        said.append(f"{unlabelled} cases without a label are predicted and not counted")
    return said
