"""The command that judges segmenters: quality."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import (
    DEFAULT_RESULTS,
    DEFAULT_STUDY,
    Dask,
    Experiment,
    Force,
    Jobs,
    Json,
    Results,
    StudyFile,
    Tracking,
    real,
    tell_notices,
)

app = typer.Typer()


@app.command()
def quality(
    study: StudyFile = DEFAULT_STUDY,
    reference: Annotated[
        str | None, typer.Option(help="Also compare with this mask of the scans, e.g. coronary.")
    ] = None,
    too_many: Annotated[
        float,
        typer.Option(parser=real(0, 1), metavar="NUMBER", help="Rate of excluded cases above which to warn."),
    ] = 0.05,
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    dask: Dask = None,
    force: Force = False,
    tracking_uri: Tracking = None,
    experiment: Experiment = None,
    as_json: Json = False,
) -> None:
    """Judge a study's segmenters: exclusions, agreement with each other or a mask, outliers, montages."""
    from benchmark.analyses.region_quality.measure import judge
    from benchmark.analyses.region_quality.report import report_of
    from benchmark.execution.execution import open_execution
    from benchmark.pipeline.cases import list_cases
    from benchmark.report.folder import claim_folder
    from benchmark.report.report import publish, show
    from benchmark.report.tracking.destination import destination
    from benchmark.study.cluster import cluster_for
    from benchmark.study.reading import read_study

    declared = read_study(study)
    tell_notices(declared.cohort)
    cases = list_cases(declared.cohort)
    where = destination(results, tracking_uri, experiment)
    claim = claim_folder(where, Path(declared.name), study, {"": declared.cohort}, force)
    with open_execution(results, jobs, cluster_for(declared.execution, jobs, dask)) as execution:
        judged = judge(cases, declared.segmenters, execution, reference=reference, too_many=too_many)
    show(publish(report_of(judged, declared), claim), as_json)
