"""Commands that read what a finished study left: check, apply, reproduce, ui."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import (
    DEFAULT_RESULTS,
    DEFAULT_STUDY,
    Experiment,
    Jobs,
    Json,
    Results,
    StudyFile,
    Tracking,
    tell_notices,
    whole,
)
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
def apply(
    study: StudyFile,
    run: Annotated[str, typer.Argument(metavar="RUN", help="extractor/classifier of the finished study.")],
    other: Annotated[
        Path, typer.Argument(metavar="OTHER", help="A study file, whose cohort counts, or a manifest.")
    ],
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    tracking_uri: Tracking = None,
    experiment: Experiment = None,
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
    from benchmark.report.tracking.destination import destination

    where = destination(results, tracking_uri, experiment)
    claim = Claim(results, study, Path(declared.name), force=None, logged_to=where)
    claim.require()
    chosen = finished_run(declared, run, read_facts(results / declared.name))
    with open_execution(results, jobs) as execution:
        frozen = freeze(declared, chosen, results / declared.name, execution)
        application = apply_run(frozen, cohort, execution)
    show(publish(report_of(application), claim), as_json)


@app.command()
def reproduce(
    origin: Annotated[
        str, typer.Argument(metavar="RUN_ID", help="A run of MLflow, or the folder of a finished study.")
    ],
    instead: Annotated[
        Path | None,
        typer.Option("--study", metavar="FILE", help="Run this study file and name what it changes."),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option("--base", help="Where relative paths start; default: what the results say, or here."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="Where it is made anew; what lies there is gone on with.")
    ] = Path("reproduced"),
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    tracking_uri: Tracking = None,
    as_json: Json = False,
) -> None:
    """Make a finished study anew from what is held of it, and compare every number; exit code 1 when one differs."""
    from benchmark.analyses.reproduction.held import held_by
    from benchmark.analyses.reproduction.reproduce import declared_again
    from benchmark.analyses.reproduction.reproduce import reproduce as make_anew
    from benchmark.execution.store import json_text
    from benchmark.report.console import console, print_table
    from benchmark.report.tracking.destination import destination

    held = held_by(origin, destination(results, tracking_uri), base)
    study = declared_again(held, out, instead)
    tell_notices(study.cohort)
    done = make_anew(held, study, out, jobs)
    if as_json:
        print(json_text(done.as_json()), end="")
    else:
        if len(done.moved):
            print_table(done.moved.drop(columns="same"), "numbers that differ")
        for sentence in [str(done), *(f"made otherwise: {text}" for text in done.otherwise)]:
            console.print(sentence, highlight=False, soft_wrap=True)
    if len(done.moved):
        raise typer.Exit(1)


@app.command()
def ui(
    results: Results = DEFAULT_RESULTS,
    tracking_uri: Tracking = None,
    port: Annotated[int, typer.Option(parser=whole(1, 65535), metavar="NUMBER")] = 5000,
) -> None:
    """Open MLflow's page on the runs, on this machine's loopback address only; a server's own address is printed.

    Printed is the table of runs of the experiment that was logged to last; a browser opens it where one is at hand and
    the command was typed in a terminal.
    """
    from benchmark.report.tracking.database import latest_experiment, relocate
    from benchmark.report.tracking.destination import DATABASE, destination

    where = destination(results, tracking_uri)
    if where.remote:
        print(where.place)
        return
    if where.embedded:
        if not (results / DATABASE).exists():
            raise UserError(f"{where.place}: no MLflow database yet; run `cacbench run` first")
        relocate(results)
    latest = latest_experiment(where)
    table = f"http://127.0.0.1:{port}/" + (f"#/experiments/{latest}/runs" if latest else "")
    print(f"{where.place} at {table} (Ctrl-C ends it)", file=sys.stderr)
    if sys.stderr.isatty():
        _open_when_it_answers(table, port)
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
    # Not as an argument, which every user of the machine can read: it may hold a password.
    settings = {"MLFLOW_BACKEND_STORE_URI": where.uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    os.execve(sys.executable, command, {**os.environ, **settings})  # noqa: S606


def _open_when_it_answers(address: str, port: int) -> None:
    """Have a process of its own open a browser once something listens, for this one becomes the server."""
    wait = (
        "import socket, sys, time, webbrowser\n"
        "for _ in range(120):\n"
        "    time.sleep(0.5)\n"
        "    if socket.socket().connect_ex(('127.0.0.1', int(sys.argv[2]))) == 0:\n"
        "        webbrowser.open(sys.argv[1]); break\n"
    )
    command = [sys.executable, "-c", wait, address, str(port)]
    subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
