"""The command that looks for leaks: audit."""

import json
from typing import Annotated

import typer

from benchmark.cli.options import DEFAULT_RESULTS, DEFAULT_STUDY, Dask, Jobs, Json, Results, StudyFile

app = typer.Typer()


@app.command()
def audit(
    study: StudyFile = DEFAULT_STUDY,
    run: Annotated[
        list[str] | None,
        typer.Option("--run", metavar="NAME", help="Audit this run; repeatable. Default: the reference run."),
    ] = None,
    permutations: Annotated[
        int, typer.Option("--permutations", min=2, help="How often the labels are permuted.")
    ] = 10,
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    dask: Dask = None,
    as_json: Json = False,
) -> None:
    """Measure what unsound protocols would add to a study's numbers, and what each finds in permuted labels."""
    from benchmark.study.reading import read_study

    declared = read_study(study)
    from benchmark.analyses.leakage.audit import audit_study
    from benchmark.analyses.leakage.write import facts, write_audit
    from benchmark.execution.execution import open_execution

    with open_execution(results, jobs, dask) as execution:
        found = audit_study(declared, run or (), permutations, execution)
    files = write_audit(found, results, study)
    if as_json:
        print(json.dumps(facts(found), indent=1))
    else:
        from benchmark.analyses.leakage.console import print_audit

        print_audit(found, files)
