"""Commands that read what a finished study left: check, ui."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import DEFAULT_RESULTS, DEFAULT_STUDY, Json, Results, StudyFile, Tracking, whole
from benchmark.errors import UserError

app = typer.Typer()


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
    from benchmark.report.console import print_check
    from benchmark.report.folder import Claim
    from benchmark.report.headline import compare_with_headline, made_elsewhere, read_facts, update_headline
    from benchmark.study.reading import read_study

    name = read_study(study).name
    Claim(results, study, Path(name), force=None).require()
    facts = read_facts(results / name)
    if update:
        update_headline(facts, headline)
        print(f"{headline}: now guards {facts['study']} with {len(facts['runs'])} runs")
        return
    table = compare_with_headline(facts, headline)
    if as_json:
        print(table.to_json(orient="records", indent=1))
    else:
        print_check(table, facts["study"], made_elsewhere(facts, headline))
    if not table["ok"].all():
        raise typer.Exit(1)


@app.command()
def ui(
    results: Results = DEFAULT_RESULTS,
    tracking_uri: Tracking = None,
    port: Annotated[int, typer.Option(parser=whole(1, 65535), metavar="NUMBER")] = 5000,
) -> None:
    """Open the MLflow UI on the runs, on this machine's loopback address only; a server's own address is printed."""
    from benchmark.report.tracking.database import relocate
    from benchmark.report.tracking.destination import DATABASE, destination

    where = destination(results, tracking_uri)
    if where.remote:
        print(where.place)
        return
    if where.embedded:
        if not (results / DATABASE).exists():
            raise UserError(f"{where.place}: no MLflow database yet; run `cacbench run` first")
        relocate(results)
    print(f"{where.place} at http://127.0.0.1:{port}", file=sys.stderr)
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
    # Not as an argument, which every user of the machine can read: it may hold a password.
    settings = {"MLFLOW_BACKEND_STORE_URI": where.uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    os.execve(sys.executable, command, {**os.environ, **settings})  # noqa: S606
