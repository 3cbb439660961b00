"""The report of a study of segmentation: every segmenter per cohort, and overlays to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from benchmark.analyses.segmentation.evaluation import all_tables
from benchmark.analyses.segmentation.pictures import overlays
from benchmark.analyses.segmentation.rules import rules_shown
from benchmark.analyses.segmentation.run import Measured
from benchmark.analyses.segmentation.study import SegmentationStudy
from benchmark.report.report import LoggedRow, Report, Section, with_interval

SHOWN = ("voxel_f1", "lesion_f1", "icc", "band_accuracy", "kappa")


def report_of(measured: Measured, study: SegmentationStudy) -> Report:
    """Return the report of what was measured; drawing the overlays runs the first segmenter again on a few scans."""
    columns = ["case_id", "cohort", "stage", "reason"]
    exclusions = pd.DataFrame([item.row("cohort") for item in measured.exclusions], columns=columns)
    tables = all_tables(measured.scans, measured.lesions, exclusions, study)
    pictures = {} if study.main in measured.unavailable else overlays(measured.scans, study)
    return Report(
        study=study.name,
        name=study.name,
        folder=Path(study.name),
        lead=f"Cohorts: {', '.join(study.cohorts)}; {study.main} is compared with the other segmenters.",
        sections=[
            Section("95 % intervals: patients resampled", _overview(tables["summary"])),
            Section("Agatston's rule and AI-CAC's on the same masks", rules_shown(tables["rules"])),
            Section("Best, median and worst scan", figures=list(pictures), where="page"),
        ],
        tables=tables,
        facts=json.loads(tables["summary"].to_json(orient="records")),
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


def _overview(summary: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (cohort, segmenter), rows_of_segmenter in summary.groupby(["cohort", "segmenter"], sort=False):
        values = rows_of_segmenter.set_index("metric").loc[list(SHOWN)]
        cells = {
            name: with_interval(row["value"], row["low"], row["high"]) for name, row in values.iterrows()
        }
        scans = rows_of_segmenter["scans"].iloc[0]
        rows.append({"cohort": cohort, "segmenter": segmenter, "scans": scans, **cells})
    return pd.DataFrame(rows)


def _warnings(measured: Measured) -> list[str]:
    said = [f"no result for {name}: {reason}" for name, reason in measured.unavailable.items()]
    if measured.exclusions:
        said.append(f"{len(measured.exclusions)} exclusions, see tables/exclusions.csv")
    return said


def _rows(tables: Mapping[str, pd.DataFrame], study: SegmentationStudy) -> list[LoggedRow]:
    rows = []
    for (cohort, segmenter), rows_of_segmenter in tables["summary"].groupby(
        ["cohort", "segmenter"], sort=False
    ):
        metrics = {
            metric + suffix: float(value)
            for suffix, column in (("", "value"), ("_low", "low"), ("_high", "high"))
            for metric, value in zip(rows_of_segmenter["metric"], rows_of_segmenter[column], strict=True)
            if not pd.isna(value)
        }
        tags = {"fingerprint.segmenter": study.segmenters[str(segmenter)].fingerprint()}
        rows.append(
            LoggedRow(f"{cohort}/{segmenter}", {"cohort": cohort, "segmenter": segmenter}, tags, metrics)
        )
    return rows
