"""Commands that read a study: run, validate, features."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark.cli.options import DEFAULT_RESULTS, DEFAULT_STUDY, Dask, Force, Jobs, Json, Results, StudyFile
from benchmark.errors import UserError

app = typer.Typer()


@app.command()
def run(
    study: StudyFile = DEFAULT_STUDY,
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    dask: Dask = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail where a run has no result.")] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Run a study: extract, evaluate, compare, report, log to MLflow. What was finished before is not done again."""
    from benchmark.report.report import publish, show
    from benchmark.report.study_report import report_of
    from benchmark.study.reading import read_study

    declared = read_study(study)
    if strict:
        _refuse_unavailable(declared)
    from benchmark.execution.execution import open_execution
    from benchmark.pipeline import run_study
    from benchmark.report.folder import claim_folder

    claim = claim_folder(results, Path(declared.name), study, {"": declared.cohort}, force)
    with _nothing_lost(), open_execution(results, jobs, dask) as execution:
        result = run_study(declared, execution)
    show(publish(report_of(result), claim), as_json)
    if strict and result.failed:
        raise UserError(
            "--strict: " + "; ".join(f"{name}: {reason}" for name, reason in result.failed.items())
        )


@app.command()
def validate(study: StudyFile = DEFAULT_STUDY, as_json: Json = False) -> None:
    """Check a study file and say what it would run; nothing is computed."""
    from benchmark.pipeline import refuse_unsplittable
    from benchmark.report.console import print_plan
    from benchmark.study.reading import read_study

    declared = read_study(study)
    cases = declared.cohort.cases()
    refuse_unsplittable(declared, cases)
    plan = {run.name: declared.why_unavailable(run) or "ready" for run in declared.all_runs()}
    if as_json:
        print(json.dumps({"study": declared.name, "cases": len(cases), "runs": plan}, indent=1))
    else:
        print_plan(declared.name, len(cases), plan)


@app.command()
def features(
    study: StudyFile = DEFAULT_STUDY,
    out: Annotated[Path, typer.Option("--out", help="A .parquet or .csv file.")] = Path("features.parquet"),
    extractor: Annotated[
        str | None, typer.Option("--extractor", help="This one alone, without name prefix.")
    ] = None,
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    dask: Dask = None,
) -> None:
    """Extract a study's feature tables into one file, without evaluating anything; labels are not needed."""
    from benchmark.execution.execution import open_execution
    from benchmark.pipeline import extract_features
    from benchmark.report.feature_file import check_suffix, write_features
    from benchmark.study.reading import read_study

    check_suffix(out)
    declared = read_study(study)
    if extractor is not None and extractor not in declared.extractors:
        raise UserError(f"--extractor {extractor}: {study} declares {', '.join(declared.extractors)}")
    if extractor is not None:
        declared = declared.model_copy(update={"extractors": {extractor: declared.extractors[extractor]}})
    with _nothing_lost(), open_execution(results, jobs, dask) as execution:
        extracted = extract_features(declared, execution)
    write_features(extracted, out, prefixed=extractor is None)
    for item in extracted.exclusions:
        print(
            f"excluded {item.case_id} from {item.excluded_from}: {item.stage}: {item.reason}", file=sys.stderr
        )
    print(f"{out}: {len(extracted.cases)} cases, {len(extracted.exclusions)} exclusions")


def _refuse_unavailable(study: Any) -> None:
    missing = {run.name: reason for run in study.all_runs() if (reason := study.why_unavailable(run))}
    if missing:
        raise UserError(
            "--strict: " + "; ".join(f"{name} is unavailable: {why}" for name, why in missing.items())
        )


@contextmanager
def _nothing_lost() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print("cacbench: interrupted; what was finished is kept, run the same command again", file=sys.stderr)
        raise typer.Exit(130) from None
