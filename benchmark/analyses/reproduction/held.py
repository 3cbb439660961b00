"""What is held of a finished study: its declaration, its numbers, and what it was made with."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmark.errors import UserError
from benchmark.report.folder import study_file_of
from benchmark.report.headline import DECLARED, read_facts
from benchmark.report.tracking.database import failures, first_line, open_tracking
from benchmark.report.tracking.destination import DATABASE, Destination
from benchmark.report.tracking.once import REPEAT

RUN_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Held:
    """A finished study as it is kept."""

    where: str
    """What people are told: a folder, or a run of MLflow."""
    facts: dict[str, Any]
    """What `study.json` held."""
    text: str
    """The study file as it was read."""
    base: Path
    """Where its relative paths start."""
    results: Path | None
    """The results folder that holds it; None where a server does."""
    commit: str = ""
    """The code's, empty where it is not recorded."""

    @property
    def changes(self) -> list[tuple[str, str]]:
        """The options ``set`` and ``only`` with which the study file was read."""
        return re.findall(r"--(set|only) (.*?)(?= --(?:set|only) |$)", self.facts.get("overrides", ""))


def held_by(origin: str, where: Destination, base: Path | None) -> Held:
    """Return what a folder of a finished study, or a run of MLflow, holds. Raises `UserError`."""
    if Path(origin).is_dir():
        return _held_by_folder(Path(origin), base)
    if not RUN_ID.fullmatch(origin):
        raise UserError(
            f"{origin}: is neither the folder of a finished study, such as results/phantoms, nor the id of a run"
        )
    try:
        return _held_by_run(origin, where, base or Path())
    except failures() as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{where.place}: run {origin} cannot be read ({first_line(error)})") from None


def _held_by_folder(folder: Path, base: Path | None) -> Held:
    facts = read_facts(folder)
    try:
        text = (folder / DECLARED).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(
            f"{folder / DECLARED}: is not there, for an earlier version left none; run the study again"
        ) from None
    file = study_file_of(folder)
    return Held(str(folder), facts, text, base or (file.parent if file else Path()), folder.parent)


def _held_by_run(run_id: str, where: Destination, base: Path) -> Held:
    if where.embedded and not (where.results / DATABASE).exists():
        raise UserError(
            f"{where.place}: no MLflow database; name the --results or --tracking-uri that has the run"
        )
    client = open_tracking(where).MlflowClient()
    run = client.get_run(run_id)
    for tag in (REPEAT, "mlflow.parentRunId"):
        if tag in run.data.tags:
            run = client.get_run(run.data.tags[tag])
    name = f"run {run.info.run_id}"
    files = {item.path for item in client.list_artifacts(run.info.run_id)}
    if not {"study.json", DECLARED} <= files:
        raise UserError(
            f"{where.place}: {name} ({run.info.run_name}) holds no finished study: name a run of `cacbench run` "
            "made by this version or a later one"
        )
    with TemporaryDirectory() as folder:
        texts = [
            Path(client.download_artifacts(run.info.run_id, name, folder)).read_text(encoding="utf-8")
            for name in ("study.json", DECLARED)
        ]
    return Held(
        where=f"{name} of {where.place}",
        facts=json.loads(texts[0]),
        text=texts[1],
        base=base,
        results=where.results if where.embedded else None,
        commit=run.data.tags.get("git_commit", ""),
    )


def options_of(changes: Sequence[tuple[str, str]], option: str) -> tuple[str, ...]:
    """Return the values that one of the options ``set`` and ``only`` was given."""
    return tuple(value for name, value in changes if name == option)
