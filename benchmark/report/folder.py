"""Whose a folder of results is, and which files in it a report wrote: nothing of another study is left among them."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from benchmark.errors import UserError
from benchmark.execution.store import require_writable, write_atomically
from benchmark.plugins import Cohort
from benchmark.plugins.fingerprint import digest_of
from benchmark.report.tracking.destination import Destination, destination
from benchmark.report.tracking.once import why_unusable

RECORDS = ".written"
"""Beside the studies' folders, a JSON file for each folder with a report: whose it is, and its files."""
SAME_COHORT = 0.5
"""Share of the cases of the earlier run that must still be listed: cases come and go, a cohort does not."""


@dataclass(frozen=True)
class Claim:
    """A study's claim to a folder of the results."""

    results: Path
    study_file: Path
    place: Path
    """The study's folder below the results, that of its comparison and of all its analyses."""
    cohort: str = ""
    """Digest of what is declared of the cohort, without paths; empty: not known, and not compared."""
    cases: tuple[str, ...] = ()
    force: bool | None = False
    """Whether another study may be replaced; None: what asks reads a finished study, and there is no such option."""
    logged_to: Destination | None = None
    """Where MLflow's runs go; None: where `destination` finds."""
    began: float = field(default_factory=time.time, compare=False)
    """When the analysis began, in seconds since 1970: a folder is claimed before any work."""

    @property
    def tracking(self) -> Destination:
        """Where MLflow's runs go."""
        return self.logged_to or destination(self.results)

    def require(self) -> None:
        """Raise `UserError` where the folder holds another study of the same name and may not be replaced."""
        found = _record(self.results, self.place)
        if not self.force and (why := self._why_another(found)):
            remedy = (
                "give this one another name, give another --results, or replace what is there with --force"
            )
            if self.force is None:
                remedy = "name the study that it holds, or run this one under another name or with another --results"
            raise UserError(f"{self.results / self.place}: holds another study of this name, {why}; {remedy}")

    def start(self, report: Path) -> None:
        """Make ready to write into the folder `report`. Raises `UserError` like `require`."""
        self.require()
        for folder in (self.place, report):
            # Where somebody removed it, what was recorded of it says nothing now.
            if not (self.results / folder).exists():
                _file(self.results, folder).unlink(missing_ok=True)

    def attempt_file(self, report: Path) -> Path:
        """Return the file that names the MLflow run of the folder `report` while it is being written."""
        return _file(self.results, report).with_suffix(".logging")

    def record(self, report: Path, files: Sequence[Path]) -> None:
        """Record `files` as what the folder `report` holds, and remove what an earlier report wrote there.

        `report` is below the results. Where another study is replaced, all that it wrote goes. Raises `UserError`
        where that is not allowed.
        """
        self.require()
        owner = _record(self.results, self.place)
        names = sorted(file.relative_to(self.results / report).as_posix() for file in files)
        another = bool(self._why_another(owner))
        if another:
            _remove_study(self.results, self.place, owner["study_file"], keep=set(files))
        earlier = _record(self.results, report).get("files", ())
        _remove(self.results / report, [name for name in earlier if name not in names])
        if report != self.place and (another or not owner):
            self._write(self.place, [])  # an analysis may come before the comparison itself
        self._write(report, names)

    def _write(self, folder: Path, names: Sequence[str]) -> None:
        content = {**self._identity(), "files": names}
        content["sha256"] = _seal(folder, content)
        write_atomically(_file(self.results, folder), json.dumps(content, indent=1).encode())

    def _identity(self) -> dict[str, Any]:
        # Relative, so that it holds after results and study were moved or copied together.
        file = os.path.relpath(self.study_file.resolve(), self.results.resolve())
        return {"study_file": Path(file).as_posix(), "cohort": self.cohort, "cases": list(self.cases)}

    def _why_another(self, record: Mapping[str, Any]) -> str:
        """Return what tells this study from the one recorded; empty where nothing does, or nothing is recorded."""
        if not record:
            return ""
        other, mine = self.results / record["study_file"], self.study_file
        if other.is_file() and not (other.samefile(mine) or other.read_bytes() == mine.read_bytes()):
            return f"declared in {os.path.relpath(other.resolve())}"
        if not (self.cohort and record["cohort"]):
            return ""
        if self.cohort != record["cohort"]:
            return "of a cohort that is declared otherwise"
        before = set(record["cases"])
        if len(before & set(self.cases)) < SAME_COHORT * len(before):
            return f"of other cases: {len(before & set(self.cases))} of its {len(before)} are in this one"
        return ""


def claim_folder(
    where: Destination, place: Path, study_file: Path, cohorts: Mapping[str, Cohort], force: bool
) -> Claim:
    """Return a study's claim to its folder, tried before the work: free or the study's own, and open to writing.

    Raises `UserError` where it is not, or a cohort cannot be listed. Says on standard error why MLflow is out of reach.
    """
    results = where.results
    declared = {name: [type(item).__qualname__, item.parameters()] for name, item in cohorts.items()}
    cases = [f"{name}:{case.case_id}" for name, item in cohorts.items() for case in item.cases()]
    claim = Claim(results, study_file, place, digest_of(declared), tuple(cases), force, where)
    claim.require()
    require_writable(results)
    if why := why_unusable(where):
        print(why, file=sys.stderr)
    if (results / place).exists():
        require_writable(results / place)
    return claim


def study_file_of(folder: Path) -> Path | None:
    """Return the study file that a study's folder was made from; None where that is not recorded."""
    record = _record(folder.parent, Path(folder.name))
    return folder.parent / record["study_file"] if record else None


def _file(results: Path, folder: Path) -> Path:
    return results / RECORDS / folder.parent / f"{folder.name}.json"


def _record(results: Path, folder: Path) -> dict[str, Any]:
    """Return what is recorded of a folder; nothing of one that is not there (any more) or never was recorded.

    A damaged record says nothing either: of what it says of its study a digit may be another.
    """
    if not (results / folder).exists():
        return {}
    try:
        record = dict(json.loads(_file(results, folder).read_text()))
    except (FileNotFoundError, TypeError, ValueError):
        return {}
    seal = record.pop("sha256", None)  # records of before have none
    return record if seal in (None, _seal(folder, record)) else {}


def _seal(folder: Path, content: Mapping[str, Any]) -> str:
    """Return what a record is known by as whole and as that folder's."""
    return digest_of([folder.as_posix(), dict(content)])


def _remove_study(results: Path, place: Path, study_file: str, keep: Collection[Path]) -> None:
    """Remove what one study wrote into its folder and those below; what another file declared stays."""
    records = results / RECORDS
    for file in [_file(results, place), *sorted((records / place).rglob("*.json"))]:
        folder = file.relative_to(records).with_suffix("")
        held = _record(results, folder)
        if held.get("study_file") == study_file:
            _remove(results / folder, [name for name in held["files"] if results / folder / name not in keep])
            file.unlink()


def _remove(folder: Path, names: Sequence[str]) -> None:
    """Remove files that a report wrote, and the folders that are empty then."""
    for path in map(PurePosixPath, names):
        if path.is_absolute() or ".." in path.parts:
            continue  # no report wrote that
        (folder / path).unlink(missing_ok=True)
        for parent in path.parents:
            if (folder / parent).is_dir() and not any((folder / parent).iterdir()):
                (folder / parent).rmdir()
