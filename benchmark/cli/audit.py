"""The command that looks for leaks: audit."""

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
    tell_notices,
    whole,
)

app = typer.Typer()


@app.command()
def audit(
    study: StudyFile = DEFAULT_STUDY,
    run: Annotated[
        list[str] | None,
        typer.Option("--run", metavar="NAME", help="Audit this run; repeatable. Default: the reference run."),
    ] = None,
    permutations: Annotated[
        int,
        typer.Option(
            "--permutations", parser=whole(2), metavar="NUMBER", help="How often the labels are permuted."
        ),
    ] = 10,
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    dask: Dask = None,
    force: Force = False,
    tracking_uri: Tracking = None,
    experiment: Experiment = None,
    as_json: Json = False,
) -> None:
    """Measure what unsound protocols would add to a study's numbers, and what each finds in permuted labels."""
    from benchmark.study.reading import read_study

    declared = read_study(study)
    tell_notices(declared.cohort)
    # Only now: a mistake in the study is answered before heavy libraries are imported.
    from benchmark.analyses.leakage.audit import audit_study
    from benchmark.analyses.leakage.report import report_of
    from benchmark.execution.execution import open_execution
    from benchmark.report.folder import claim_folder
    from benchmark.report.report import publish, show
    from benchmark.report.tracking.destination import destination
    from benchmark.study.cluster import cluster_for

    where = destination(results, tracking_uri, experiment)
    claim = claim_folder(where, Path(declared.name), study, {"": declared.cohort}, force)
    with open_execution(results, jobs, cluster_for(declared.execution, jobs, dask)) as execution:
        audited = audit_study(declared, run or (), permutations, execution)
    show(publish(report_of(audited), claim), as_json)
