"""Converts a folder of hospital CTs to NIfTI with a manifest, leaving behind whatever identifies a patient.

A NIfTI file keeps voxels and grid and nothing else, the report acquisition in terms that are on a list. Cases are
numbered, for folders and files are called after patients; a key of its own, if one is asked for, says which is which.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.cohorts.scan_files import nameless
from benchmark.errors import CaseError, UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import write_atomically
from benchmark.images.dicom_selection import ANY, SeriesChoice
from benchmark.table_file import csv_of_rows

MANIFEST = "manifest.csv"
REPORT = "conversion.csv"
MANIFEST_COLUMNS = (
    "case_id",
    "image",
    "cac_score",
    "label",
    "mask",
    "patient",
    "group",
    "protocol",
    "contrast",
)
REPORT_COLUMNS = (
    "case_id",
    "state",
    "reason",
    "anomalies",
    "series",
    "slices",
    "spacing_mm",
    "thickness_mm",
    "kvp",
    "kernel",
    "manufacturer",
    "protocol",
    "contrast",
)


@dataclass(frozen=True)
class Source:
    """One folder with DICOM files, or one volume file, and the name that what is written of it gets."""

    path: Path
    case_id: str


@dataclass(frozen=True)
class Conversion:
    """What became of a source: a row of the report; `image` is the written file's name, or None."""

    row: dict[str, str]
    image: str | None


def convert(
    source: Path,
    out: Path,
    execution: Execution,
    *,
    choice: SeriesChoice = ANY,
    named: bool = False,
    key: Path | None = None,
) -> list[Conversion]:
    """Write every scan below `source` to ``out/images/<case_id>.nii.gz``, with a manifest and a report.

    The manifest lacks labels and scores, which DICOM does not hold: they are for the user to fill in. Its
    ``patient`` counts from p0001, the same for scans whose headers agree in number, or name and birth date. Cases are
    called ``case-0001`` and so on, in the order of their folders, or after their folders if `named`. `key` is a file
    to say which is which in. Raises `UserError` if there is nothing to convert, and for a key that would lie in `out`.
    """
    sources = find_sources(source, named=named)
    if not sources:
        raise UserError(f"{source}: no DICOM file and no volume below it; give the folder of the scans")
    others = _passed_over(source, sources)
    if key is not None:
        _write_key(key, out, [*sources, *others])
    (out / "images").mkdir(parents=True, exist_ok=True)
    tasks = dict(enumerate(sources))
    done = execution.results("scans", partial(convert_one, out=out, choice=choice), tasks)
    ordered = [
        done.records[place] if place in done.records else _failed(one, done.failures[place].reason)
        for place, one in tasks.items()
    ]
    ordered += [_without_scan(one) for one in others]
    whose = _patient_numbers(sources)
    rows = [_manifest_row(item, whose[item.row["case_id"]]) for item in ordered if item.image is not None]
    write_atomically(out / MANIFEST, csv_of_rows(MANIFEST_COLUMNS, rows).encode())
    write_atomically(out / REPORT, csv_of_rows(REPORT_COLUMNS, (item.row for item in ordered)).encode())
    return ordered


def find_sources(root: Path, *, named: bool = False) -> list[Source]:
    """List the folders that hold DICOM files and the volume files below `root`, sorted by path, and number them.

    They are called after their folders if `named`. Raises `UserError` where several would be called alike.
    """
    from benchmark.images.files import SUFFIXES

    if not root.is_dir():
        raise UserError(f"{root}: no such folder; give the folder of the scans")
    found = [root, *(path for path in root.rglob("*") if not _hidden(path, root))]
    scans = [
        path
        for path in sorted(found)
        if (path.is_dir() and _holds_dicom(path)) or (path.is_file() and path.name.lower().endswith(SUFFIXES))
    ]
    names = [f"case-{number:04d}" for number in range(1, len(scans) + 1)]
    if named:
        names = [_name(path, root, spare) for path, spare in zip(scans, names, strict=True)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{root}: several scans would be called {twice}; number them, without --folder-names")
    return [Source(path, name) for path, name in zip(scans, names, strict=True)]


def convert_one(source: Source, out: Path, choice: SeriesChoice = ANY) -> Conversion:
    """Write one scan as NIfTI; a scan that is refused gives a row with the reason."""
    from benchmark.images.dicom_series import describe_series
    from benchmark.images.reading import read_image_noting
    from benchmark.images.writing import write_nifti

    try:
        with nameless("the scan", source.path):
            image, anomalies = read_image_noting(source.path, choice)
            about = _about(describe_series(source.path, choice)) if source.path.is_dir() else {}
    except CaseError as error:
        return _failed(source, str(error))
    name = f"{source.case_id}.nii.gz"
    write_nifti(image, out / "images" / name)
    row = {
        "case_id": source.case_id,
        "state": "converted",
        "anomalies": "; ".join(f"{met.kind}: {met.detail}" for met in anomalies),
        "slices": str(image.GetDepth()),
        "spacing_mm": " × ".join(f"{value:.5g}" for value in image.GetSpacing()),
        **about,
    }
    return Conversion(row, f"images/{name}")


def _about(series: Any) -> dict[str, str]:
    """Return what the report says of a series: acquisition, never identity."""
    return {
        "series": series.description,
        "thickness_mm": "" if series.thickness_mm is None else f"{series.thickness_mm:g}",
        "kvp": f"{kvp:g}" if (kvp := series.number("KVP")) else "",
        "kernel": series.kernel,
        "manufacturer": series.manufacturer,
        "protocol": series.protocol,
        "contrast": {True: "yes", False: "no", None: ""}[series.contrast],
    }


def _failed(source: Source, reason: str) -> Conversion:
    return Conversion({"case_id": source.case_id, "state": "excluded", "reason": reason}, None)


def _passed_over(root: Path, sources: Sequence[Source]) -> list[Source]:
    """Return the folders from `root` down that hold files, but no scan: what is left out must be seen to be.

    Each is called by its place among all folders.
    """
    from benchmark.images.files import files_of

    with_scan = {one.path if one.path.is_dir() else one.path.parent for one in sources}
    folders = sorted([root, *(path for path in root.rglob("*") if path.is_dir() and not _hidden(path, root))])
    return [
        Source(folder, f"folder-{place:04d}")
        for place, folder in enumerate(folders, start=1)
        if folder not in with_scan and files_of(folder)
    ]


def _without_scan(source: Source) -> Conversion:
    from benchmark.images.files import files_of

    reason = f"none of its {len(files_of(source.path))} files is a DICOM image or a volume"
    return Conversion({"case_id": source.case_id, "state": "passed over", "reason": reason}, None)


def _write_key(key: Path, out: Path, sources: Iterable[Source]) -> None:
    """Write which folder or file each name stands for. Raises `UserError` for a key in `out`."""
    if key.resolve().is_relative_to(out.resolve()):
        raise UserError(
            f"--key {key}: names the patients' folders; write it elsewhere than in {out}, to be shared"
        )
    rows = ({"case_id": one.case_id, "source": str(one.path)} for one in sources)
    try:
        write_atomically(key, csv_of_rows(("case_id", "source"), rows).encode())
    except OSError as error:
        raise UserError(f"--key {key}: cannot be written ({error.strerror}); name another file") from None


def _patient_numbers(sources: Iterable[Source]) -> dict[str, str]:
    """Return ``p0001`` and so on by case id, the same for scans of one patient as far as headers tell."""
    identities = {source.case_id: _identity(source.path) or (source.case_id,) for source in sources}
    numbers = {identity: f"p{k:04d}" for k, identity in enumerate(dict.fromkeys(identities.values()), 1)}
    return {case_id: numbers[identity] for case_id, identity in identities.items()}


def _identity(path: Path) -> tuple[str, ...]:
    """Return what tells a patient from others in a folder's first header, () where it is blank. It is never written."""
    from benchmark.images.dicom_headers import read_header
    from benchmark.images.files import files_of

    names = ("PatientID", "PatientName", "PatientBirthDate")
    headers = (read_header(file, names) for file in (files_of(path) if path.is_dir() else []))
    header = next((header for header in headers if header is not None), None)
    number, name, born = (str(getattr(header, key, "") or "").strip() for key in names)
    return ("number", number) if number else ("name", name, born) if name else ()


def _manifest_row(item: Conversion, patient: str) -> dict[str, str]:
    known = {name: item.row.get(name, "") for name in ("case_id", "protocol", "contrast")}
    known["patient"] = patient
    return {**dict.fromkeys(MANIFEST_COLUMNS, ""), **known, "image": str(item.image)}


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _holds_dicom(folder: Path) -> bool:
    from benchmark.images.dicom_headers import begins_like_dicom
    from benchmark.images.files import files_of

    return any(begins_like_dicom(file) for file in files_of(folder))


def _name(path: Path, root: Path, spare: str) -> str:
    """Return a name made of the folders' names, or `spare` where these leave nothing."""
    from benchmark.images.files import SUFFIXES

    text = "_".join(path.relative_to(root).parts or (path.name,))
    for suffix in SUFFIXES if path.is_file() else ():
        text = text[: -len(suffix)] if text.lower().endswith(suffix) else text
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or spare
