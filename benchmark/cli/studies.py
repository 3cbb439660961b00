"""Commands that read a study: run, validate, features."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

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
)
from benchmark.errors import UserError

app = typer.Typer()
Register = Annotated[
    bool, typer.Option("--register", help="Register each run's model in MLflow's model registry, too.")
]
Full = Annotated[
    bool, typer.Option("--full", help="Print every table of the page, each run's too, not the methods alone.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change the study, as protocol.folds=3; repeatable."),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="RUN", help="Make this run alone, or an extractor's; repeatable."),
]


Example = Annotated[
    str | None,
    typer.Option(
        "--example", metavar="NAME", help="Write this study of cacbench's own here, as NAME.yaml, and run it."
    ),
]


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Scans, with folders below it.")],
    out: Annotated[Path, typer.Option("--out", help="Where the study file and scans.csv go.")] = Path(),
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels", metavar="FILE", help="CSV or xlsx: case_id, label or cac_score, patient, group …"
        ),
    ] = None,
) -> None:
    """Begin a study of one's own scans: look at FOLDER, list its scans and masks, write a commented study file.

    Knows NIfTI, NRRD, MetaImage, DICOM folders, and the layouts of COCA and orCaScore. Overwrites nothing.
    """
    from benchmark.cohorts.discovery.start import start_study
    from benchmark.cohorts.discovery.yaml_text import SCHEMA
    from benchmark.execution.store import json_text
    from benchmark.study.schema import study_schema

    started = start_study(folder, out, labels)
    if not (beside := out / SCHEMA).exists():
        beside.write_text(json_text(study_schema()))
    for note in started.notes:
        print(f"note: {note}", file=sys.stderr)
    for file in filter(None, (started.manifest, started.study)):
        print(file)
    cases = f"{started.cases} {'case' if started.cases == 1 else 'cases'}"
    if started.unlabelled:
        where = f"in the columns `label` or `cac_score` of {started.manifest}, or begin with --labels"
        print(f"{cases}, {started.unlabelled} without a label: give it {where}; then")
        print(f"  cacbench validate {started.study}; without labels: cacbench features {started.study}")
    else:
        print(f"{cases}; next: cacbench validate {started.study}")


@app.command()
def run(
    study: StudyFile = DEFAULT_STUDY,
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    dask: Dask = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail where a run has no result.")] = False,
    force: Force = False,
    register: Register = False,
    full: Full = False,
    tracking_uri: Tracking = None,
    experiment: Experiment = None,
    changes: Changes = None,
    only: Only = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no tables.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell each case and fold.")] = False,
    example: Example = None,
    as_json: Json = False,
) -> None:
    """Run a study: extract, evaluate, compare, report, log to MLflow. What was finished before is not done again."""
    from benchmark.analyses.study_run import read

    if quiet and (verbose or full):
        raise UserError("--quiet: shows neither what --verbose nor what --full does; give one of them")
    declared = read(_written(example, study) if example else study, changes or (), only or ())
    tell_notices(declared.cohort)
    if strict:
        _refuse_unavailable(declared)
    from benchmark.analyses.study_run import run as run_and_publish
    from benchmark.execution.progress import bars, silent
    from benchmark.report.report import show

    with _nothing_lost():
        finished = run_and_publish(
            declared,
            results,
            jobs=jobs,
            dask=dask,
            force=force,
            tracking_uri=tracking_uri,
            experiment=experiment,
            register=register,
            progress=silent if quiet else bars,
            verbose=verbose,
        )
    show(finished.published, as_json, full, quiet)
    if strict and (failed := finished.result.failed):
        raise UserError("--strict: " + "; ".join(f"{name}: {reason}" for name, reason in failed.items()))


def _written(example: str, study: Path) -> Path:
    """Write the example where the user stands and return its file. Raises `UserError` where a study is named, too."""
    from benchmark.study.examples import copy_example

    if study != DEFAULT_STUDY:
        raise UserError(f"--example {example}: stands in the place of {study}; give one of them")
    return copy_example(example, Path())


@app.command()
def validate(
    study: StudyFile = DEFAULT_STUDY,
    deep: Annotated[bool, typer.Option("--deep", help="Read the voxels, too, as a run would.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail where a case would be left out or a run has no result.")
    ] = False,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Check a study and every case's files by their headers, and say what would run; nothing is computed.

    Cases that a run would leave out are all listed. Exit code 2 where too few are left to evaluate, or with --strict.
    """
    from benchmark.execution.execution import open_execution
    from benchmark.execution.isolation import here
    from benchmark.execution.store import json_text
    from benchmark.pipeline.case_checks import check_cases
    from benchmark.pipeline.cases import list_cases
    from benchmark.pipeline.plan import refuse_unsplittable
    from benchmark.report.console import print_plan
    from benchmark.study.reading import read_study

    declared = read_study(study)
    tell_notices(declared.cohort)
    cases = list_cases(declared.cohort)
    # Headers are read faster than processes start; folders of DICOM slices may be worth --jobs.
    headers = not (jobs or deep)
    with _nothing_lost(), here(headers), open_execution(DEFAULT_RESULTS, 1 if headers else jobs) as execution:
        problems_of = check_cases(declared, cases, execution, deep=deep)
    problems = [{"case_id": name, **asdict(item)} for name, items in problems_of.items() for item in items]
    readiness = {run.name: declared.why_unavailable(run) or "ready" for run in declared.all_runs()}
    if as_json:
        counts = {"cases": len(cases), "left_out": len(problems_of)}
        print(json_text({"study": declared.name, **counts, "runs": readiness, "problems": problems}), end="")
    else:
        print_plan(declared.name, len(cases), readiness, problems)
    left = [case for case in cases if case.case_id not in problems_of]
    if not left:
        raise UserError(
            f"{declared.name}: every one of the {len(cases)} cases would be left out; mend them first"
        )
    refuse_unsplittable(declared, left)
    if strict:
        _refuse_unavailable(declared)
        if problems_of:
            raise UserError(
                f"--strict: {len(problems_of)} of {len(cases)} cases would be left out; mend or remove them"
            )


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
    from benchmark.pipeline.features import extract_features
    from benchmark.report.feature_file import check_suffix, write_features
    from benchmark.study.cluster import cluster_for
    from benchmark.study.reading import read_study

    check_suffix(out)
    declared = read_study(study)
    tell_notices(declared.cohort)
    if extractor is not None and extractor not in declared.extractors:
        raise UserError(f"--extractor {extractor}: {study} declares {', '.join(declared.extractors)}")
    if extractor is not None:
        declared = declared.model_copy(update={"extractors": declared.with_beside(extractor)})
    with (
        _nothing_lost(),
        open_execution(results, jobs, cluster_for(declared.execution, jobs, dask)) as execution,
    ):
        extracted = extract_features(declared, execution)
    if extractor is not None:
        extracted.tables = {extractor: extracted.tables[extractor]}
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
