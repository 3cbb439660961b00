"""Finishes a study of segmentation: tables and pictures under ``results/<study>/``, all of it logged to MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from benchmark.analyses.segmentation.evaluation import all_tables
from benchmark.analyses.segmentation.pictures import write_overlays
from benchmark.analyses.segmentation.run import Measured
from benchmark.analyses.segmentation.study import SegmentationStudy
from benchmark.report.tables import write_tables
from benchmark.report.tracking import logged_run


@dataclass(frozen=True)
class Written:
    """A finished study's tables and where everything is."""

    tables: Mapping[str, pd.DataFrame]
    paths: list[Path]


def finish_segmentation(
    measured: Measured, study: SegmentationStudy, results: Path, study_file: Path
) -> Written:
    """Write tables and overlays, and log them."""
    folder = results / study.name
    exclusions = pd.DataFrame(
        [asdict(item) for item in measured.exclusions], columns=["case_id", "extractor", "stage", "reason"]
    ).rename(columns={"extractor": "cohort"})
    tables = all_tables(measured.scans, measured.lesions, exclusions, study)
    write_tables(dict(tables), folder / "tables")
    shown = (
        []
        if study.main in measured.unavailable
        else write_overlays(measured.scans, study, folder / "overlays")
    )
    _log(tables, study, folder, results, study_file)
    return Written(tables, [folder / "tables", *shown])


def _log(
    tables: Mapping[str, pd.DataFrame],
    study: SegmentationStudy,
    folder: Path,
    results: Path,
    study_file: Path,
) -> None:
    parameters = {"seed": study.seed, "reference": study.reference.model_dump(mode="json")}
    parameters |= {f"cohort.{name}": cohort.parameters() for name, cohort in study.cohorts.items()}
    with logged_run(results, study.name, study.name, parameters) as mlflow:
        mlflow.log_artifact(str(study_file))
        mlflow.log_artifacts(str(folder))
        for (cohort, segmenter), rows in tables["summary"].groupby(["cohort", "segmenter"], sort=False):
            with mlflow.start_run(run_name=f"{cohort}/{segmenter}", nested=True):
                mlflow.log_params({"cohort": cohort, "segmenter": segmenter})
                mlflow.set_tag("fingerprint.segmenter", study.segmenters[str(segmenter)].fingerprint())
                for suffix, column in (("", "value"), ("_low", "low"), ("_high", "high")):
                    known = rows.dropna(subset=[column])
                    mlflow.log_metrics(dict(zip(known["metric"] + suffix, known[column], strict=True)))
