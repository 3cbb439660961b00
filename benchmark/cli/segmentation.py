"""Compare segmenters with reference masks: segmentation."""

from __future__ import annotations

from pathlib import Path

import typer

from benchmark.cli.options import (
    DEFAULT_RESULTS,
    DEFAULT_SEGMENTATION_STUDY,
    Dask,
    Experiment,
    Force,
    Jobs,
    Json,
    Results,
    StudyFile,
    Tracking,
    tell_notices,
)

app = typer.Typer()


@app.command()
def segmentation(
    study: StudyFile = DEFAULT_SEGMENTATION_STUDY,
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    dask: Dask = None,
    force: Force = False,
    tracking_uri: Tracking = None,
    experiment: Experiment = None,
    as_json: Json = False,
) -> None:
    """Compare segmenters with reference masks: voxels, lesions, Agatston agreement, risk bands, per protocol."""
    from benchmark.analyses.segmentation.report import report_of
    from benchmark.analyses.segmentation.run import run_segmentation
    from benchmark.analyses.segmentation.study import read_segmentation_study
    from benchmark.execution.execution import open_execution
    from benchmark.report.folder import claim_folder
    from benchmark.report.report import publish, show
    from benchmark.report.tracking.destination import destination

    declared = read_segmentation_study(study)
    tell_notices(*declared.cohorts.values())
    where = destination(results, tracking_uri, experiment)
    claim = claim_folder(where, Path(declared.name), study, declared.cohorts, force)
    with open_execution(results, jobs, dask) as execution:
        measured = run_segmentation(declared, execution)
    show(publish(report_of(measured, declared), claim), as_json)
