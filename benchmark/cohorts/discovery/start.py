"""Writes the manifest and the commented study file that a folder of scans begins with."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.cohorts.discovery.folder import FoundFolder, look
from benchmark.cohorts.discovery.volumes import FoundScan, safe
from benchmark.cohorts.discovery.yaml_text import study_text
from benchmark.errors import UserError
from benchmark.table_file import csv_of_rows, number, read_table

MANIFEST = "scans.csv"
KNOWN = ("label", "cac_score", "patient", "group", "protocol", "contrast")
"""What a table of labels may bring."""


@dataclass(frozen=True)
class Started:
    """What was written, and what people should know of it."""

    study: Path
    manifest: Path | None
    cases: int
    unlabelled: int
    """Cases without label and score."""
    notes: Sequence[str] = ()


def start_study(folder: Path, out: Path, labels: Path | None = None) -> Started:
    """Write `out`/<folder's name>.yaml and, unless it is a public data set, scans.csv beside it.

    `labels` is a table with ``case_id`` and ``label`` or ``cac_score``. Nothing that is there is overwritten. Raises
    `UserError` for that, for a folder without scans, and where nothing can be written.
    """
    found = _look(folder, labels)
    study = out / f"{safe(Path(os.path.abspath(folder)).name)}.yaml"
    manifest = out / MANIFEST if found.use == "manifest" else None
    for file in filter(None, (study, manifest)):
        if file.exists():
            raise UserError(
                f"{file}: exists already and is not overwritten; move it away, or name another --out"
            )
    if manifest is None:
        return _start_public(found, study, labels)
    known, notes = _known(labels, found.scans)
    rows = [_row(scan, out, known.get(scan.case_id, {})) for scan in found.scans]
    notes += [f"{os.path.relpath(path)}: belongs to no one scan and is not listed" for path in found.lonely]
    masks = Counter(column for scan in found.scans for column in scan.masks)
    text = study_text(
        study,
        {"use": "manifest", "path": MANIFEST},
        _counts(rows),
        masks["mask"] == len(rows),
        "mask_lesions" in masks,
    )
    _write({manifest: _csv(rows), study: text})
    unlabelled = sum(not (row["label"] or row["cac_score"]) for row in rows)
    return Started(study, manifest, len(rows), unlabelled, notes)


def _look(folder: Path, labels: Path | None) -> FoundFolder:
    """Look at a folder; DICOM folders, often called after patients, name cases only where the labels do so."""
    if labels is not None:
        found = look(folder, named=True)
        if {row.cells.get("case_id") for row in read_table(labels, "labels").rows} & {
            scan.case_id for scan in found.scans
        }:
            return found
    return look(folder)


def _start_public(found: FoundFolder, study: Path, labels: Path | None) -> Started:
    from benchmark.plugins.base import Cohort
    from benchmark.plugins.registry import build

    if labels is not None:
        raise UserError(
            f"--labels {labels}: {found.place} is {found.use}, which has its own; leave --labels out"
        )
    cohort = build("cohort", {"use": found.use, "path": str(found.place.resolve())})
    assert isinstance(cohort, Cohort)  # noqa: S101
    cases = cohort.cases()
    place = Path(os.path.relpath(found.place.resolve(), study.parent.resolve())).as_posix()
    counts = Counter(str(case.label) for case in cases if case.label is not None)
    _write({study: study_text(study, {"use": found.use, "path": place}, counts, False, False)})
    return Started(study, None, len(cases), sum(case.label is None for case in cases))


def _known(labels: Path | None, scans: Sequence[FoundScan]) -> tuple[dict[str, Mapping[str, str]], list[str]]:
    """Return what a table says of each case, by case id, and what people should know of it."""
    if labels is None:
        return {}, []
    table = read_table(labels, "labels", ("case_id",))
    if not {"label", "cac_score"} & set(table.columns):
        raise UserError(f"{labels}: has neither a column `label` (0 or 1) nor `cac_score`; add one")
    known = {row.cells["case_id"]: row.cells for row in table.rows}
    names = [scan.case_id for scan in scans]
    strange = [name for name in known if name not in names]
    if len(strange) == len(known):
        raise UserError(
            f"{labels}: none of its case_ids is that of a scan; the scans are called {', '.join(names[:5])} …"
        )
    return dict(known), [f"{labels}: {name} is no scan here and is left out" for name in strange]


def _row(scan: FoundScan, out: Path, known: Mapping[str, str]) -> dict[str, str]:
    """Return a line of the manifest; paths start from its folder, so that both can be moved together."""
    places = {"image": scan.image, **scan.masks}
    relative = {
        name: Path(os.path.relpath(path.resolve(), out.resolve())).as_posix() for name, path in places.items()
    }
    return {"case_id": scan.case_id, **relative, **{name: known.get(name, "") for name in KNOWN}}


def _counts(rows: Sequence[Mapping[str, str]]) -> Counter[str]:
    """Return how many cases have each label, those counted by their scores included."""
    scored = {row["case_id"]: row["cac_score"] for row in rows if row["cac_score"]}
    counts = Counter("0" if number(score) == 0 else "1" for score in scored.values())
    return counts + Counter(row["label"] for row in rows if row["label"] and row["case_id"] not in scored)


def _csv(rows: Sequence[Mapping[str, str]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    columns.sort(key=lambda name: (name in KNOWN, name != "case_id", name != "image"))
    return csv_of_rows(columns, rows)


def _write(files: Mapping[Path, str]) -> None:
    for file, text in files.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as stream:  # somebody may have written it in between
                stream.write(text)
        except OSError as error:
            raise UserError(f"{file}: cannot be written ({error.strerror}); name another --out") from None
