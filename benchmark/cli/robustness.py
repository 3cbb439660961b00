"""The command that scans the same patients again: robustness."""

import json
from pathlib import Path

import typer

from benchmark.cli.options import DEFAULT_RESULTS, Dask, Jobs, Json, Results, StudyFile

app = typer.Typer()

DEFAULT_ROBUSTNESS_STUDY = Path("studies/robustness.yaml")


@app.command()
def robustness(
    study: StudyFile = DEFAULT_ROBUSTNESS_STUDY,
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    dask: Dask = None,
    as_json: Json = False,
) -> None:
    """Scan or segment a study's patients again: feature stability (ICC), and accuracy without retraining."""
    from benchmark.analyses.robustness.run import measure_robustness
    from benchmark.analyses.robustness.study import read_robustness_study
    from benchmark.analyses.robustness.write import finish_robustness
    from benchmark.execution.execution import open_execution

    declared = read_robustness_study(study)
    with open_execution(results, jobs, dask) as execution:
        measured = measure_robustness(declared, execution)
    written = finish_robustness(measured, results, study)
    if as_json:
        shown = {name: written.tables[name] for name in ("stability", "performance", "ranks")}
        print(
            json.dumps(
                {name: json.loads(table.to_json(orient="records")) for name, table in shown.items()}, indent=1
            )
        )
    else:
        from benchmark.analyses.robustness.console import print_robustness

        print_robustness(measured, written)
