"""The command that judges segmenters: quality."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import DEFAULT_RESULTS, DEFAULT_STUDY, Dask, Jobs, Results, StudyFile

app = typer.Typer()


@app.command()
def quality(
    study: StudyFile = DEFAULT_STUDY,
    reference: Annotated[
        str | None, typer.Option(help="Also compare with this mask of the scans, e.g. coronary.")
    ] = None,
    too_many: Annotated[
        float, typer.Option(min=0, max=1, help="Rate of excluded cases above which to warn.")
    ] = 0.05,
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    dask: Dask = None,
) -> None:
    """Judge a study's segmenters: exclusions, agreement with each other or a mask, outliers, montages."""
    from benchmark.analyses.region_quality.measure import judge
    from benchmark.analyses.region_quality.write import summarise, write_quality
    from benchmark.execution.execution import open_execution
    from benchmark.report.console import print_quality
    from benchmark.study.reading import read_study

    declared = read_study(study)
    cases = list(declared.cohort.cases())
    with open_execution(results, jobs, dask) as execution:
        found = judge(cases, declared.segmenters, execution, reference=reference, too_many=too_many)
    files = write_quality(found, results / declared.name / "quality")
    print_quality(found.exclusions, summarise(found.agreement), found.statistics)
    for name, segmenter in declared.segmenters.items():
        if not segmenter.availability().ready:
            typer.echo(f"{name} is unavailable: {segmenter.availability().reason}")
    typer.echo(str(Path(files[0]).parent))
