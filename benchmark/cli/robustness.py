"""The command that scans the same patients again: robustness."""

from pathlib import Path

import typer

from benchmark.cli.options import (
    DEFAULT_RESULTS,
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

DEFAULT_ROBUSTNESS_STUDY = Path("studies/robustness.yaml")


@app.command()
def robustness(
    study: StudyFile = DEFAULT_ROBUSTNESS_STUDY,
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    dask: Dask = None,
    force: Force = False,
    tracking_uri: Tracking = None,
    experiment: Experiment = None,
    as_json: Json = False,
) -> None:
    """Scan or segment a study's patients again: feature stability (ICC), and accuracy without retraining."""
    from benchmark.analyses.robustness.report import report_of
    from benchmark.analyses.robustness.run import measure_robustness
    from benchmark.analyses.robustness.study import read_robustness_study
    from benchmark.execution.execution import open_execution
    from benchmark.report.folder import claim_folder
    from benchmark.report.report import publish, show
    from benchmark.report.tracking.destination import destination
    from benchmark.study.cluster import cluster_for

    declared = read_robustness_study(study)
    tell_notices(declared.base.cohort)
    where = destination(results, tracking_uri, experiment)
    claim = claim_folder(
        where, Path(declared.base.name) / "robustness", study, {"": declared.base.cohort}, force
    )
    with open_execution(results, jobs, cluster_for(declared.base.execution, jobs, dask)) as execution:
        measured = measure_robustness(declared, execution)
    show(publish(report_of(measured), claim), as_json)
