"""The command that tries a finished run on other patients: apply."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import DEFAULT_RESULTS, Jobs, Json, Results, StudyFile, tell_notices

app = typer.Typer()


@app.command()
def apply(
    study: StudyFile,
    run: Annotated[str, typer.Argument(metavar="RUN", help="extractor/classifier of the finished study.")],
    other: Annotated[
        Path, typer.Argument(metavar="OTHER", help="A study file, whose cohort counts, or a manifest.")
    ],
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Apply a finished run, frozen, to another cohort: what is left of it, calibration, decision curve."""
    from benchmark.analyses.application.other_cohort import read_other
    from benchmark.report.headline import read_facts
    from benchmark.study.reading import read_study

    declared, cohort = read_study(study), read_other(other)
    tell_notices(cohort.cohort)
    from benchmark.analyses.application.apply import apply_run
    from benchmark.analyses.application.frozen import finished_run, freeze
    from benchmark.analyses.application.report import report_of
    from benchmark.execution.execution import open_execution
    from benchmark.report.folder import Claim
    from benchmark.report.report import publish, show
    from benchmark.report.tracking.database import open_database

    claim = Claim(results, study, Path(declared.name), force=None)
    claim.require()
    chosen = finished_run(declared, run, read_facts(results / declared.name))
    open_database(results)
    with open_execution(results, jobs) as execution:
        frozen = freeze(declared, chosen, results / declared.name, execution)
        application = apply_run(frozen, cohort, execution)
    show(publish(report_of(application), claim), as_json)
