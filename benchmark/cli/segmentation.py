"""Compare segmenters with reference masks: segmentation."""

from __future__ import annotations

import typer

from benchmark.cli.options import (
    DEFAULT_RESULTS,
    DEFAULT_SEGMENTATION_STUDY,
    Dask,
    Jobs,
    Json,
    Results,
    StudyFile,
)

app = typer.Typer()


@app.command()
def segmentation(
    study: StudyFile = DEFAULT_SEGMENTATION_STUDY,
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    dask: Dask = None,
    as_json: Json = False,
) -> None:
    """Compare segmenters with reference masks: voxels, lesions, Agatston agreement, risk bands, per protocol."""
    from benchmark.analyses.segmentation.report import report_of
    from benchmark.analyses.segmentation.run import run_segmentation
    from benchmark.analyses.segmentation.study import read_segmentation_study
    from benchmark.execution.execution import open_execution
    from benchmark.report.report import publish, show
    from benchmark.report.tracking.database import open_database

    declared = read_segmentation_study(study)
    open_database(results)
    with open_execution(results, jobs, dask) as execution:
        measured = run_segmentation(declared, execution)
    show(publish(report_of(measured, declared), results, study), as_json)
