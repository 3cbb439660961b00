"""The command that explains one run of a study: explain."""

from typing import Annotated

import typer

from benchmark.cli.options import DEFAULT_RESULTS, DEFAULT_STUDY, Jobs, Json, Results, StudyFile

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
    as_json: Json = False,
) -> None:
    """Explain a run: feature families left out, permutation importance, selection stability, SHAP values."""
    from benchmark.study.reading import read_study

    declared = read_study(study)
    # Only now: a mistake in the study is answered before heavy libraries are imported.
    from benchmark.analyses.explanation.explain import explain_run
    from benchmark.analyses.explanation.report import report_of
    from benchmark.execution.execution import open_execution
    from benchmark.report.report import publish, show
    from benchmark.report.tracking.database import open_database

    open_database(results)
    with open_execution(results, jobs) as execution:
        found = explain_run(declared, run, execution, shap=shap)
    show(publish(report_of(found), results, study), as_json)
