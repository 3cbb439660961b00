"""The command that explains one run of a study: explain."""

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
    tell_notices,
)

app = typer.Typer()


@app.command()
def explain(
    study: StudyFile = DEFAULT_STUDY,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="extractor/classifier; default: the reference.")
    ] = None,
    shap: Annotated[bool, typer.Option("--shap", help="Also SHAP values (needs the package shap).")] = False,
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    force: Force = False,
    tracking_uri: Tracking = None,
    experiment: Experiment = None,
    as_json: Json = False,
) -> None:
    """Explain a run: feature families left out, permutation importance, selection stability, SHAP values."""
    from benchmark.study.reading import read_study

    declared = read_study(study)
    tell_notices(declared.cohort)
    # Only now: a mistake in the study is answered before heavy libraries are imported.
    from benchmark.analyses.explanation.explain import explain_run
    from benchmark.analyses.explanation.report import report_of
    from benchmark.execution.execution import open_execution
    from benchmark.report.folder import claim_folder
    from benchmark.report.report import publish, show
    from benchmark.report.tracking.destination import destination

    where = destination(results, tracking_uri, experiment)
    claim = claim_folder(where, Path(declared.name), study, {"": declared.cohort}, force)
    with open_execution(results, jobs) as execution:
        explanation = explain_run(declared, run, execution, shap=shap)
    show(publish(report_of(explanation), claim), as_json)
