"""Commands that plan: plan, what a study will take; power, how many scans the next needs; curve, what more bring."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import (
    DEFAULT_RESULTS,
    DEFAULT_STUDY,
    Experiment,
    Force,
    Jobs,
    Json,
    Results,
    StudyFile,
    Tracking,
    real,
    tell_notices,
    whole,
)
from benchmark.errors import UserError
from benchmark.table_file import whole_number

app = typer.Typer()
Difference = Annotated[
    float | None,
    typer.Option(
        parser=real(-1, 1),
        metavar="NUMBER",
        help="What the next study must tell, run - reference; default: as observed.",
    ),
]
Wanted = Annotated[
    float, typer.Option("--power", parser=real(0.05, 0.999), metavar="NUMBER", help="The power wanted.")
]


@app.command()
def power(
    study: StudyFile = DEFAULT_STUDY,
    run: Annotated[
        str | None, typer.Option("--run", help="Default: the best run that is not the reference.")
    ] = None,
    reference_run: Annotated[
        str | None, typer.Option("--reference", help="Default: the study's reference.")
    ] = None,
    metric: Annotated[str, typer.Option("--metric", help="accuracy or roc_auc.")] = "accuracy",
    difference: Difference = None,
    wanted: Wanted = 0.8,
    sizes: Annotated[
        str | None, typer.Option("--sizes", help="Numbers of scans to try, as 100,200,400.")
    ] = None,
    results: Results = DEFAULT_RESULTS,
    tracking_uri: Tracking = None,
    experiment: Experiment = None,
    as_json: Json = False,
) -> None:
    """Say how many scans would separate two runs of a finished study, from its predictions."""
    from benchmark.analyses.power import SIZES, plan_power, read_predictions, report_of
    from benchmark.report.folder import Claim
    from benchmark.report.report import publish, show
    from benchmark.report.tracking.destination import destination
    from benchmark.study.reading import read_study

    declared = read_study(study)
    tried = SIZES if sizes is None else _numbers(sizes)
    where = destination(results, tracking_uri, experiment)
    claim = Claim(results, study, Path(declared.name), force=None, logged_to=where)
    claim.require()
    predictions, facts = read_predictions(results / declared.name)
    power_plan = plan_power(
        declared,
        predictions,
        run=run,
        reference_run=reference_run,
        metric=metric,
        difference=difference,
        power=wanted,
        sizes=tried,
        default_reference=facts["reference"],
    )
    show(publish(report_of(power_plan, declared), claim), as_json)


@app.command()
def plan(
    study: StudyFile = DEFAULT_STUDY,
    scans: Annotated[
        int, typer.Option("--scans", min=2, help="How many scans are extracted now, to time them.")
    ] = 3,
    results: Results = DEFAULT_RESULTS,
    as_json: Json = False,
) -> None:
    """Say what a study will take here: cases, what is left to do, CPU hours, memory, disk, time on N workers.

    A few scans are extracted to be timed, and kept; a fold of every run is fitted on made-up tables.
    """
    from benchmark.analyses.forecast import forecast
    from benchmark.execution.execution import open_execution
    from benchmark.execution.isolation import here
    from benchmark.execution.store import json_text
    from benchmark.report.console import print_forecast
    from benchmark.study.reading import read_study

    declared = read_study(study)
    tell_notices(declared.cohort)
    # Seconds and memory are counted in the process that does the work.
    with here(True), open_execution(results, 1) as execution:
        found = forecast(declared, execution, scans).record()
    if as_json:
        print(json_text(found), end="")
    else:
        print_forecast(found)


@app.command()
def curve(
    study: StudyFile = DEFAULT_STUDY,
    runs: Annotated[
        list[str] | None,
        typer.Option(
            "--run", metavar="RUN", help="extractor/classifier, may be given more than once; default: all."
        ),
    ] = None,
    sizes: Annotated[
        str | None, typer.Option("--sizes", help="Numbers of patients to learn from, as 40,80.")
    ] = None,
    scans: Annotated[
        int,
        typer.Option(
            "--scans", parser=whole(0), metavar="NUMBER", help="Scans to measure the cost on; 0: none."
        ),
    ] = 2,
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    force: Force = False,
    tracking_uri: Tracking = None,
    experiment: Experiment = None,
    as_json: Json = False,
) -> None:
    """Learn a study's runs from fewer patients, tested on the same, and measure what each costs."""
    from benchmark.study.reading import read_study

    declared = read_study(study)
    tell_notices(declared.cohort)
    tried = None if sizes is None else _numbers(sizes)
    # Only now: a mistake in the study is answered before heavy libraries are imported.
    from benchmark.analyses.learning_curve.report import report_of
    from benchmark.analyses.learning_curve.study_curve import learning_curve
    from benchmark.execution.execution import open_execution
    from benchmark.report.folder import claim_folder
    from benchmark.report.report import publish, show
    from benchmark.report.tracking.destination import destination

    where = destination(results, tracking_uri, experiment)
    claim = claim_folder(where, Path(declared.name), study, {"": declared.cohort}, force)
    with open_execution(results, jobs) as execution:
        found = learning_curve(declared, runs or (), execution, sizes=tried, costed=scans)
    show(publish(report_of(found), claim), as_json)


def _numbers(text: str) -> list[int]:
    found = [whole_number(part.strip()) for part in text.split(",")]
    if None in found:
        raise UserError(f"--sizes {text}: give whole numbers with commas, such as 100,200,400")
    return [size for size in found if size is not None]
