"""What a finished analysis hands over, and what becomes of it: files, a page, MLflow, the console."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from benchmark.execution.environment import machine
from benchmark.execution.store import Store, json_text, write_atomically
from benchmark.plugins.fingerprint import digest_of
from benchmark.report.drawn.drawing import Drawing, write_figure
from benchmark.report.folder import Claim
from benchmark.report.page import write_page
from benchmark.report.tables import write_tables
from benchmark.report.tracking.once import NOWHERE, Finished, Logged, log_once
from benchmark.report.tracking.runs import log_files, log_parameters

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Section:
    """A part of a report as people read it: a table of texts and numbers with its notes and figures."""

    title: str
    table: pd.DataFrame | None = None
    note: str = ""
    figures: Sequence[str] = ()
    """Names of the report's figures and pictures; the page shows them, the console does not."""
    styles: Sequence[str] = ()
    """How the console colours each row: a style of rich."""
    where: Literal["everywhere", "page", "console"] = "everywhere"
    otherwise: str = ""
    """What to say where the table has no row; nothing: the section is left out."""
    captions: Mapping[str, str] = field(default_factory=dict)
    """What the page says above a figure or picture, by its name."""
    figures_folded: bool = False
    """Whether the page shows the figures when asked to: of many panels."""
    text: str = ""
    """What is to be copied, as it is; the console does not show it."""


@dataclass(frozen=True)
class LoggedRow:
    """What becomes a nested run of MLflow."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """A finished analysis of a study."""

    study: str
    name: str
    """What was done, as MLflow calls the run: the study's name, ``audit``, ``power`` …"""
    folder: Path
    """Where it goes, below the results."""
    lead: str
    """One line: how many cases, under which protocol."""
    sections: Sequence[Section]
    tables: Mapping[str, pd.DataFrame]
    facts: Any
    """What ``--json`` prints and the JSON file beside the page holds."""
    figures: Mapping[str, Figure | Drawing] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """PNGs by their path in the folder, without the suffix."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Text files beside the page, by their names."""
    question: str = ""
    """What the analysis asks; the page begins with it."""
    sentences: Sequence[str] = ()
    """What was found, in words."""
    of_this_execution: str = ""
    """What was done just now; on the console alone, since the page is the same bytes for the same results."""
    warnings: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    """Metrics that have a step: (step, value)."""
    rows: Sequence[LoggedRow] = ()
    tables_below: str = ""
    """The folder of the tables below `folder`."""
    facts_file: str = "report.json"
    computed: int | None = None
    """How much was computed in this execution; None: it is not counted."""
    log: Callable[[Any, Sequence[Path], Claim], object] | None = None
    """Fills the active run of MLflow in its own way, given that module, the files that were written and where."""


@dataclass(frozen=True)
class Published:
    """A report that was written: the paths that people are told."""

    report: Report
    paths: list[Path]
    logged: Logged = NOWHERE


def publish(report: Report, claim: Claim) -> Published:
    """Write tables, figures, page and JSON into the claimed folder, and log them to MLflow with the study's file.

    What an earlier report wrote there and this one did not is removed. Raises `UserError` where the folder became
    another study's.
    """
    claim.start(report.folder)
    folder = claim.results / report.folder
    tables = folder / report.tables_below
    written = write_tables(dict(report.tables), tables)
    pictures, store = {}, Store(claim.results / "store")
    for name, figure in report.figures.items():
        files = write_figure(figure, folder, name, store)
        pictures[name] = files[0]
        written += files
    for name, content in report.pictures.items():
        pictures[name] = folder / f"{name}.png"
        write_atomically(pictures[name], content)
        written.append(pictures[name])
    for name, text in report.texts.items():
        write_atomically(folder / name, text.encode())
        written.append(folder / name)
    page = write_page(folder / "report.html", report, pictures)
    facts = folder / report.facts_file
    write_atomically(facts, json_text(report.facts).encode())
    written += [page, facts]
    claim.record(report.folder, written)
    # Last: MLflow holds the very files that lie there, and they are complete whatever becomes of the logging.
    logged = log_once(
        claim.tracking, _finished(report, claim), lambda mlflow: _fill(mlflow, report, written, claim)
    )
    shown = dict.fromkeys(file if file.parent == folder else file.parent for file in pictures.values())
    return Published(report, [page, *shown, *([tables] if report.tables else [])], logged)


def _finished(report: Report, claim: Claim) -> Finished:
    facts = report.facts
    if isinstance(facts, dict):  # how long things took is no result: of two studies at once each has its own
        facts = {name: value for name, value in facts.items() if name != "seconds_per_case"}
    content = json_text([report.study, report.name, dict(report.parameters), facts])
    attempt = claim.attempt_file(report.folder)
    return Finished(report.study, report.name, digest_of(content), not report.computed, attempt, claim.began)


def _fill(mlflow: Any, report: Report, written: Sequence[Path], claim: Claim) -> None:
    mlflow.log_artifact(str(claim.study_file))
    mlflow.log_dict(machine(), "environment/machine.json")
    (report.log or (lambda *what: _log(report, *what)))(mlflow, written, claim)


def _log(report: Report, mlflow: Any, written: Sequence[Path], claim: Claim) -> None:
    log_parameters(mlflow, report.parameters)
    log_files(mlflow, written, claim.results / report.folder)
    mlflow.log_metrics(dict(report.metrics))
    for name, curve in report.curves.items():
        for step, value in curve:
            mlflow.log_metric(name, value, step=step)
    for row in report.rows:
        with mlflow.start_run(run_name=row.name, nested=True):
            mlflow.log_params(dict(row.parameters))
            mlflow.set_tags(dict(row.tags))
            mlflow.log_metrics(dict(row.metrics))


def show(published: Published, as_json: bool = False, full: bool = False, quiet: bool = False) -> None:
    """Print a report: as JSON and nothing else, or its tables and sentences and where everything is.

    `full`: the tables that are for the page alone, too. `quiet`: no tables, and of what is written the page alone.
    """
    report = published.report
    if published.logged.warning:
        print(published.logged.warning, file=sys.stderr)
    if as_json:
        print(json_text(report.facts), end="")
        return
    from benchmark.report.console import console, print_table

    for section in () if quiet else report.sections:
        if (full or section.where != "page") and section.table is not None and len(section.table):
            print_table(section.table, section.title, section.styles)
            if section.note:
                console.print(section.note, style="dim", soft_wrap=True)
    for sentence in report.sentences:
        console.print(sentence, soft_wrap=True)
    for warning in report.warnings:
        console.print(warning, style="yellow", soft_wrap=True)
    if report.of_this_execution and not quiet:
        console.print(report.of_this_execution)
    for path in published.paths[: 1 if quiet else None]:
        console.print(str(path), soft_wrap=True, highlight=False)
    if published.logged.place:
        console.print(published.logged.place, soft_wrap=True, highlight=False)


def with_interval(
    value: Any, low: Any, high: Any, digits: int = 3, ends: int = 2, sign: str = "", method: str = "bca"
) -> str:
    """Return ``value [low, high]``; the value alone where it has no interval, nothing where it is not defined.

    An interval that is not the bootstrap's is followed by its `method`, which also says that none is estimable.
    """
    if pd.isna(value):
        return ""
    shown = f"{value:{sign}.{digits}f}"
    if not pd.isna(low):
        shown = f"{shown} [{low:{sign}.{ends}f}, {high:{sign}.{ends}f}]"
    return shown if method == "bca" else f"{shown} ({method})"
