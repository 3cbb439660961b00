"""The command line. Every command imports what it needs when it runs, so that `--help` is instant."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark import __version__
from benchmark.errors import CaseError, UserError

app = typer.Typer(
    name="cacbench",
    help="Compare ways of turning a CT scan into features for assessing coronary artery calcium.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The study, a YAML file.")]
Results = Annotated[
    Path, typer.Option("--results", help="Where results, the store and the MLflow database go.")
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes; default: one per core.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Dask = Annotated[
    str | None, typer.Option("--dask", metavar="ADDRESS", help="Work on this Dask scheduler instead.")
]

DEFAULT_STUDY = Path("runs.yaml")
DEFAULT_RESULTS = Path("results")


@app.command()
def run(
    study: StudyFile = DEFAULT_STUDY,
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    dask: Dask = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail where a run has no result.")] = False,
    as_json: Json = False,
) -> None:
    """Run a study: extract, evaluate, compare, report, log to MLflow. What was finished before is not done again."""
    from benchmark.console import print_study
    from benchmark.report.write import finish
    from benchmark.study import read_study

    declared = read_study(study)
    if strict:
        _refuse_unavailable(declared)
    from benchmark.execution import workers
    from benchmark.pipeline import run_study
    from benchmark.progress import bars
    from benchmark.store import Store

    with _nothing_lost(), workers(jobs, dask=dask) as pool:
        result = run_study(declared, Store(results / "store"), pool, bars)
    finished = finish(result, results, study)
    if as_json:
        print(json.dumps(finished.facts, indent=1))
    else:
        print_study(finished)
    if strict and result.failed:
        raise UserError(
            "--strict: " + "; ".join(f"{name}: {reason}" for name, reason in result.failed.items())
        )


@app.command()
def validate(study: StudyFile = DEFAULT_STUDY, as_json: Json = False) -> None:
    """Check a study file and say what it would run; nothing is computed."""
    from benchmark.console import print_plan
    from benchmark.study import read_study

    declared = read_study(study)
    plan = {run.name: _why_unavailable(declared, run) or "ready" for run in declared.all_runs()}
    if as_json:
        print(
            json.dumps(
                {"study": declared.name, "cases": len(declared.cohort.cases()), "runs": plan}, indent=1
            )
        )
    else:
        print_plan(declared.name, len(declared.cohort.cases()), plan)


@app.command("list")
def list_plugins(as_json: Json = False) -> None:
    """Show every plug-in with its parameters, and whether it can run here."""
    from benchmark.console import describe_plugins, print_plugins

    described = describe_plugins()
    if as_json:
        print(json.dumps(described, indent=1))
    else:
        print_plugins(described)


@app.command()
def score(
    image: Annotated[Path, typer.Argument(help="NIfTI, NRRD, MHD/MHA, or a folder with one DICOM series.")],
    mask: Annotated[
        Path | None, typer.Option("--mask", help="Label image; each label is scored by itself.")
    ] = None,
    threshold_hu: Annotated[float | None, typer.Option(help="Candidate voxels, HU (default 130).")] = None,
    connectivity: Annotated[
        int | None, typer.Option(help="4 or 8 neighbours in the slice (default 8).")
    ] = None,
    minimum_area_mm2: Annotated[
        float | None, typer.Option(help="Smallest lesion in a slice (default 1).")
    ] = None,
    mass_calibration: Annotated[
        float | None, typer.Option(help="µg/mm³ per HU; depends on the scanner.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score the calcium of one scan: Agatston, volume, mass, lesions, maximum HU, risk band."""
    from pydantic import ValidationError

    from benchmark.calcium import CalciumScoring
    from benchmark.calcium import score as score_calcium
    from benchmark.console import print_score
    from benchmark.imaging import read_image, read_mask

    given = {
        "threshold_hu": threshold_hu,
        "connectivity": connectivity,
        "minimum_area_mm2": minimum_area_mm2,
        "mass_calibration": mass_calibration,
    }
    try:
        scoring = CalciumScoring(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}") from None
    volume = read_image(image)
    scored = score_calcium(volume, read_mask(mask, volume) if mask else None, scoring)
    if as_json:
        print(scored.to_json())
    else:
        print_score(scored)


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
    from benchmark.execution import workers
    from benchmark.pipeline import extract_features
    from benchmark.progress import bars
    from benchmark.report.features import check_suffix, write_features
    from benchmark.store import Store
    from benchmark.study import read_study

    check_suffix(out)
    declared = read_study(study)
    if extractor is not None and extractor not in declared.extractors:
        raise UserError(f"--extractor {extractor}: {study} declares {', '.join(declared.extractors)}")
    if extractor is not None:
        declared = declared.model_copy(update={"extractors": {extractor: declared.extractors[extractor]}})
    with _nothing_lost(), workers(jobs, dask=dask) as pool:
        extracted = extract_features(declared, Store(results / "store"), pool, bars)
    write_features(extracted, out, prefixed=extractor is None)
    for item in extracted.exclusions:
        print(f"excluded {item.case_id} from {item.extractor}: {item.stage}: {item.reason}", file=sys.stderr)
    print(f"{out}: {len(extracted.cases)} cases, {len(extracted.exclusions)} exclusions")


@app.command()
def check(
    study: StudyFile = DEFAULT_STUDY,
    headline: Annotated[Path, typer.Option("--headline", help="The guarded numbers.")] = Path(
        "results/headline.json"
    ),
    results: Results = DEFAULT_RESULTS,
    update: Annotated[
        bool, typer.Option("--update", help="Make the study's numbers the guarded ones.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare a finished study with the guarded headline numbers; exit code 1 when one moved."""
    from benchmark.console import print_check
    from benchmark.headline import compare_with_headline, read_facts, update_headline
    from benchmark.study import read_study

    facts = read_facts(results / read_study(study).name)
    if update:
        update_headline(facts, headline)
        print(f"{headline}: now guards {facts['study']} with {len(facts['runs'])} runs")
        return
    table = compare_with_headline(facts, headline)
    if as_json:
        print(table.to_json(orient="records", indent=1))
    else:
        print_check(table, facts["study"])
    if not table["ok"].all():
        raise typer.Exit(1)


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="The folder to write; it gets a manifest.csv.")],
    zero: Annotated[int, typer.Option(min=0, help="Patients without calcium.")] = 94,
    nonzero: Annotated[int, typer.Option(min=0, help="Patients with calcium.")] = 88,
    seed: Annotated[str, typer.Option(help="Any text or number.")] = "0",
    protocol: Annotated[
        str, typer.Option(help="cardiac, chest, mixed, or qrm (the calibration insert).")
    ] = "cardiac",
    jobs: Jobs = None,
) -> None:
    """Write synthetic CTs with their masks and truth as NIfTI, with the manifest that reads them back."""
    from benchmark.phantom.export import write_phantoms
    from benchmark.progress import bars

    manifest = write_phantoms(
        out, zero=zero, nonzero=nonzero, seed=seed, protocol=protocol, jobs=jobs, progress=bars
    )
    print(manifest)


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option("--out", help="A file; default: standard output.")] = None,
) -> None:
    """Write the JSON Schema of study files, for editors."""
    from benchmark.study_schema import study_schema

    text = json.dumps(study_schema(), indent=1) + "\n"
    if out is None:
        print(text, end="")
    else:
        out.write_text(text)


@app.command()
def ui(
    results: Results = DEFAULT_RESULTS,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
) -> None:
    """Open the MLflow UI on the results, on this machine's loopback address only."""
    import os
    import subprocess

    from benchmark.tracking import DATABASE, tracking_uri

    if not (results / DATABASE).exists():
        raise UserError(f"{results / DATABASE}: no MLflow database yet; run `cacbench run` first")
    print(f"http://127.0.0.1:{port}", file=sys.stderr)
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", tracking_uri(results)]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    raise typer.Exit(subprocess.call([*command, "--host", "127.0.0.1", "--port", str(port)], env=environment))  # noqa: S603


def _version(show: bool) -> None:
    if show:
        print(f"cacbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    pass


def _why_unavailable(study: Any, run: Any) -> str:
    declared = study.extractors[run.extractor]
    plugins = (study.segmenters[declared.segmenter], declared.extractor, study.classifiers[run.classifier])
    return "; ".join(state.reason for plugin in plugins if not (state := plugin.availability()).ready)


def _refuse_unavailable(study: Any) -> None:
    missing = {run.name: reason for run in study.all_runs() if (reason := _why_unavailable(study, run))}
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


def main() -> None:
    """Run the command line; exit code 2 and one sentence for the user's mistake."""
    try:
        app()
    except (UserError, CaseError) as error:
        print(f"cacbench: {error}", file=sys.stderr)
        sys.exit(2)
