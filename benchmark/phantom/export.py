"""Writes phantoms as files: NIfTI images and masks, a record per case, and the manifest that reads them back."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from benchmark.case import Case, Scan
from benchmark.errors import UserError
from benchmark.execution.store import json_text, write_atomically
from benchmark.execution.workers import workers
from benchmark.images.writing import write_nifti
from benchmark.plugins import Cohort

MANIFEST = "manifest.csv"
RECORD = "record.json"


class RecordedSource(Protocol):
    """The source of a phantom: it can say what it is made from and what is true of it."""

    def load(self) -> Scan:
        """Render the scan."""

    def digest(self) -> str:
        """Return the SHA-256 of what it is made from."""

    def record(self) -> dict[str, Any]:
        """Return all parameters and the truth that follows from them, as JSON values."""


@dataclass(frozen=True)
class Task:
    """One case to be written; small, as it travels to a worker."""

    case: Case
    source: RecordedSource


def write_cohort(
    cohort: Cohort, out: Path, jobs: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write every case of a cohort of phantoms and return the manifest's path.

    `out` gets ``manifest.csv`` and per case a folder ``cases/<case_id>`` with ``image.nii.gz``, a mask per
    structure and ``record.json``. A case is there whole or not at all; what an earlier run has written is kept if
    it is made from the same parameters by the same code. `progress` is told (done, all). Raises `UserError`.
    """
    tasks = [Task(case, _recorded(case)) for case in cohort.cases()]
    try:
        (out / "cases").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{out}: cannot be written ({error.strerror}); name a folder you may write to"
        ) from None
    with workers(jobs) as pool:
        for done, (_, result) in enumerate(pool.map(partial(_write_case, out), tasks), start=1):
            if isinstance(result, BaseException):
                raise result
            if progress is not None:
                progress(done, len(tasks))
    write_atomically(out / MANIFEST, _manifest(out, tasks).encode())
    return out / MANIFEST


def _recorded(case: Case) -> RecordedSource:
    if not hasattr(case.source, "record"):
        raise UserError(f"case {case.case_id}: is no phantom; write a cohort of phantoms")
    return case.source  # type: ignore[return-value]


def _folder(out: Path, case_id: str) -> Path:
    return out / "cases" / case_id


def _write_case(out: Path, task: Task) -> None:
    """Render a case into a folder beside its place and move it there, unless it is there already."""
    folder, digest = _folder(out, task.case.case_id), task.source.digest()
    if _written_digest(folder) == digest:
        return
    partial_folder = folder.with_name(f".{folder.name}.partial")
    for stale in (partial_folder, folder):
        shutil.rmtree(stale, ignore_errors=True)
    partial_folder.mkdir()
    scan = task.source.load()
    for name, image in {"image": scan.image, **scan.masks}.items():
        write_nifti(image, partial_folder / f"{name}.nii.gz")
    record = {
        "case_id": task.case.case_id,
        "digest": digest,
        "label": task.case.label,
        "masks": sorted(scan.masks),
        **task.source.record(),
    }
    (partial_folder / RECORD).write_text(json_text(record))
    partial_folder.rename(folder)


def _written_digest(folder: Path) -> str | None:
    """Return the digest of a case written earlier; None where there is none."""
    try:
        record = json.loads((folder / RECORD).read_text())
    except (OSError, ValueError):
        return None
    return str(record.get("digest"))


def _manifest(out: Path, tasks: Sequence[Task]) -> str:
    """Return the manifest in the cohort's order, paths relative to it."""
    names = json.loads((_folder(out, tasks[0].case.case_id) / RECORD).read_text())["masks"] if tasks else []
    others = [name for name in names if name != "coronary"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = ["case_id", "image", "mask", "cac_score", "label", "group", "protocol", "contrast"]
    writer.writerow([*header, *(f"mask_{name}" for name in others)])
    for case in (task.case for task in tasks):
        folder = f"cases/{case.case_id}"
        files = [f"{folder}/{name}.nii.gz" for name in ("image", "coronary", *others)]
        known = ["" if value is None else value for value in (case.cac_score, case.label)]
        contrast = {True: "yes", False: "no", None: ""}[case.contrast]
        writer.writerow([case.case_id, *files[:2], *known, case.group, case.protocol, contrast, *files[2:]])
    return text.getvalue()
