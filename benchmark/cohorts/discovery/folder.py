"""Looks at a folder of scans: one of the public data sets, or scans and masks to be listed in a manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.cohorts.conversion import Source, find_sources
from benchmark.cohorts.discovery.volumes import FoundScan, pair
from benchmark.cohorts.orcascore import IMAGE
from benchmark.errors import UserError


@dataclass(frozen=True)
class FoundFolder:
    """What is in a folder: a public data set, `use` and its place, or scans."""

    use: str
    place: Path
    scans: Sequence[FoundScan] = ()
    lonely: Sequence[Path] = ()
    """Masks that belong to no one scan."""


def look(folder: Path, *, named: bool = False) -> FoundFolder:
    """Return what is in a folder; DICOM folders give their names to cases if `named`, else numbers.

    Raises `UserError` where there is no scan.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the folder of the scans")
    for use, is_one in _PUBLIC.items():
        for place in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
            if is_one(place):
                return FoundFolder(use, place)
    sources = _sources(folder, named)
    volumes, lonely = pair((one.path for one in sources if one.path.is_file()), folder)
    dicom = [FoundScan(one.case_id, one.path) for one in sources if one.path.is_dir()]
    scans = [*volumes, *dicom]
    if not scans:
        raise UserError(
            f"{folder}: no DICOM series and no NIfTI, NRRD or MetaImage scan below it; give the folder of the scans"
        )
    return FoundFolder("manifest", folder, _distinct(scans), lonely)


def _sources(folder: Path, named: bool) -> Sequence[Source]:
    """Return the sources, called after their folders if they should be and these tell them apart."""
    try:
        return find_sources(folder, named=named)
    except UserError:  # two of them would be called alike
        return find_sources(folder)


def _distinct(scans: Sequence[FoundScan]) -> list[FoundScan]:
    """Return the scans with names of which none is there twice, numbers if need be."""
    names = [scan.case_id for scan in scans]
    if len(set(names)) == len(names):
        return list(scans)
    return [replace(scan, case_id=f"case-{number:04d}") for number, scan in enumerate(scans, start=1)]


def _is_coca_gated(folder: Path) -> bool:
    return (folder / "patient").is_dir() and (folder / "calcium_xml").is_dir()


def _is_coca_nongated(folder: Path) -> bool:
    scores = (folder / "scores.xlsx").is_file() or (folder.parent / "scores.xlsx").is_file()
    return scores and any(path.is_dir() and path.name.isdigit() for path in folder.iterdir())


def _is_orcascore(folder: Path) -> bool:
    images = folder / "Images"
    return images.is_dir() and any(IMAGE.fullmatch(file.name) for file in images.iterdir())


_PUBLIC: dict[str, Callable[[Path], bool]] = {
    "coca_gated": _is_coca_gated,
    "coca_nongated": _is_coca_nongated,
    "orcascore": _is_orcascore,
}
