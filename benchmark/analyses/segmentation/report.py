"""The report of a study of segmentation: every segmenter per cohort, and overlays to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmark.analyses.segmentation.agreement_figure import agreement_figure
from benchmark.analyses.segmentation.pictures import overlays
from benchmark.analyses.segmentation.rules import rules_shown
from benchmark.analyses.segmentation.run import Measured
from benchmark.analyses.segmentation.study import SegmentationStudy
from benchmark.analyses.segmentation.tables import all_tables
from benchmark.calcium.structures import BY_NAME
from benchmark.report.report import LoggedRow, Report, Section, with_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = ("voxel_f1", "lesion_f1", "icc", "band_accuracy", "kappa")
SHOWN_SCORES = {
    **{"icc": 3, "icc_log": 3, "bias": 0, "limit_low": 0, "limit_high": 0, "ratio": 2, "spearman": 3},
    **{
        "zero_accuracy": 3,
        "zero_sensitivity": 3,
        "zero_specificity": 3,
        "band_accuracy": 3,
        "kappa_linear": 3,
    },
}
"""Metrics of agreement that people are shown, and the digits of each."""
HOW_SCORES = (
    "Bias and limits: Bland and Altman, segmenter minus the other; ratio: geometric mean of (score + 1), segmenter "
    "by the other; zero: above zero or not; ICC(2,1), of log(score + 1) too. Intervals: tables/scores.csv says how "
    "each was found."
)


def report_of(measured: Measured, study: SegmentationStudy) -> Report:
    """Return the report of what was measured; drawing the overlays runs the first segmenter again on a few scans."""
    tables = all_tables(measured, study)
    figures = _agreement_figures(measured.scans)
    pictures = {} if study.main in measured.unavailable else overlays(measured.scans, study)
    return Report(
        study=study.name,
        name=study.name,
        folder=Path(study.name),
        question="How well do segmenters find coronary calcium, and which is best?",
        lead=f"Cohorts: {', '.join(study.cohorts)}; {study.main} is compared with the other segmenters.",
        sections=[
            Section("Against masks; 95 % intervals: patients resampled", _overview(tables["summary"])),
            Section("Agatston's rule and AI-CAC's on the same masks", rules_shown(tables["rules"])),
            *_of_scores(tables["scores"]),
            Section("Scores, each scan", figures=list(figures), where="page"),
            Section("Lesions found, by vessel", _vessels(tables["vessels"])),
            Section("False calls by anatomy", _false_calls(tables["false_calls"])),
            Section("Best, median and worst scan", figures=list(pictures), where="page"),
        ],
        tables=tables,
        facts=[fact for name in FACTS for fact in _facts(name, tables[name])],
        figures=figures,
        pictures=pictures,
        warnings=_warnings(measured),
        parameters={
            "seed": study.seed,
            "reference": study.reference.model_dump(mode="json"),
            **{f"cohort.{name}": cohort.parameters() for name, cohort in study.cohorts.items()},
        },
        rows=_rows(tables, study),
        tables_below="tables",
    )


FACTS = ("summary", "scores", "vessels", "false_calls")
"""The tables that `--json` prints, row by row; each row says whose it is."""


def _facts(name: str, table: pd.DataFrame) -> list[dict[str, object]]:
    return [{"table": name, **row} for row in json.loads(table.to_json(orient="records"))]


def _overview(summary: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (cohort, segmenter), rows_of_segmenter in summary.groupby(["cohort", "segmenter"], sort=False):
        values = rows_of_segmenter.set_index("metric").loc[list(SHOWN)]
        cells = {name: _estimate(row, 3) for name, row in values.iterrows()}
        scans = rows_of_segmenter["scans"].iloc[0]
        rows.append({"cohort": cohort, "segmenter": segmenter, "scans": scans, **cells})
    return pd.DataFrame(rows)


def _of_scores(scores: pd.DataFrame) -> list[Section]:
    """Return a table per cohort and what scores are compared with: a row per metric, a column per segmenter."""
    sections: list[Section] = []
    for (cohort, against), part in scores.groupby(["cohort", "against"], sort=False):
        cells = {}
        for segmenter, rows in part.groupby("segmenter", sort=False):
            values = rows.set_index("metric").loc[list(SHOWN_SCORES)]
            cells[segmenter] = [_estimate(row, SHOWN_SCORES[str(name)]) for name, row in values.iterrows()]
        other = "the cases' scores" if against == "score" else "the scores of the masks"
        title = f"{cohort}: Agatston scores against {other}, {part['cases'].max()} scans"
        table = pd.DataFrame({"metric": list(SHOWN_SCORES), **cells})
        sections.append(Section(title, table, note="" if sections else HOW_SCORES))
    return sections


def _agreement_figures(scans: pd.DataFrame) -> dict[str, Figure]:
    return {
        f"agreement_{cohort}_{reference}": agreement_figure(part, f"{cohort}, against the {reference}")
        for (cohort, reference), part in scans.groupby(["cohort", "reference"], sort=False)
    }


def _vessels(vessels: pd.DataFrame) -> pd.DataFrame:
    shown = vessels[["cohort", "segmenter", "vessel", "scans", "lesions", "found"]]
    return shown.assign(recall=_estimates(vessels, "recall"))


def _false_calls(calls: pd.DataFrame) -> pd.DataFrame:
    """Return a row per structure: what could be called there, what was, and which share of the false voxels it is.

    Vessels without any are left out: the calcium there is the reference.
    """
    vessel = calls["structure"].map(lambda name: name in BY_NAME and BY_NAME[name].coronary).astype(bool)
    calls = calls[~vessel | (calls["voxels"] > 0)]
    shown = calls[["cohort", "segmenter", "structure", "scans", "voxels", "lesions"]]
    return shown.assign(
        **{
            "calcium there": ["" if pd.isna(value) else str(value) for value in calls["calcium_voxels"]],
            "Agatston": [f"{value:.0f}" for value in calls["agatston"]],
            "share of false voxels": _estimates(calls, "share"),
        }
    )


def _estimates(table: pd.DataFrame, column: str) -> list[str]:
    return [_estimate(row.rename({column: "value"}), 3) for _, row in table.iterrows()]


def _estimate(row: pd.Series, digits: int) -> str:
    method = "not estimable" if pd.isna(row["low"]) else "bca"
    return with_interval(row["value"], row["low"], row["high"], digits, min(digits, 2), method=method)


def _warnings(measured: Measured) -> list[str]:
    said = [f"no result for {name}: {reason}" for name, reason in measured.unavailable.items()]
    if measured.exclusions:
        said.append(f"{len(measured.exclusions)} exclusions, see tables/exclusions.csv")
    both = measured.scans.groupby("cohort")["reference"].nunique() > 1
    said += [
        f"cohort {cohort}: some scans have a mask and some a score alone; they are compared apart"
        for cohort in both.index[both]
    ]
    return said


def _rows(tables: Mapping[str, pd.DataFrame], study: SegmentationStudy) -> list[LoggedRow]:
    rows = []
    for (cohort, segmenter), _ in tables["scans"].groupby(["cohort", "segmenter"], sort=False):
        own = {
            name: table[(table["cohort"] == cohort) & (table["segmenter"] == segmenter)]
            for name, table in tables.items()
            if name in FACTS
        }
        named = {
            "summary": own["summary"]["metric"],
            "scores": own["scores"]["against"] + "_" + own["scores"]["metric"],
            "vessels": "recall_" + own["vessels"]["vessel"],
            "false_calls": "false_share_" + own["false_calls"]["structure"].str.replace(" ", "_"),
        }
        values = {"vessels": "recall", "false_calls": "share"}
        metrics = {
            f"{metric}{suffix}": float(value)
            for name, metrics in named.items()
            for suffix, column in (("", values.get(name, "value")), ("_low", "low"), ("_high", "high"))
            for metric, value in zip(metrics, own[name][column], strict=True)
            if not pd.isna(value)
        }
        tags = {"fingerprint.segmenter": study.segmenters[str(segmenter)].fingerprint()}
        rows.append(
            LoggedRow(f"{cohort}/{segmenter}", {"cohort": cohort, "segmenter": segmenter}, tags, metrics)
        )
    return rows
