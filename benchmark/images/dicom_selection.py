"""Which of the DICOM series in a folder is meant: what each one is, what is passed over, how one is chosen.

Localisers and secondary captures are passed over, and derived series where an original one is beside them
(DICOM PS3.3 C.7.6.1.1.2, Image Type; C.8.2.1.1.1 for CT). Whatever is passed over becomes an `Anomaly`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from benchmark.case import Anomaly
from benchmark.errors import CaseError
from benchmark.plugins.declaration import Declaration

if TYPE_CHECKING:
    from pydicom import Dataset

IDENTIFYING = ("PatientName", "PatientID", "PatientBirthDate", "OtherPatientIDs", "AccessionNumber")
NO_CONTRAST = {"NO", "NONE", "OFF", "WITHOUT", "NATIVE"}
"""What some scanners write into Contrast/Bolus Agent where there was none."""


class SeriesChoice(Declaration):
    """How to choose where a folder holds several CT series; all conditions given must hold for exactly one."""

    description: str | None = Field(
        None, description="text that its series description holds, in any case of letters"
    )
    thickness_mm: float | None = Field(None, gt=0, description="its slice thickness, to 0.01 mm")
    slices: Literal["most"] | int | None = Field(
        None, description="how many slices it has, or `most`: the series with the most of those left"
    )


ANY = SeriesChoice()


@dataclass(frozen=True)
class Series:
    """One DICOM series of a folder: its images' headers by file."""

    headers: Mapping[Path, Dataset]

    @property
    def first(self) -> Dataset:
        """One header, for what all slices share."""
        return next(iter(self.headers.values()))

    @property
    def description(self) -> str:
        """The series description, withheld where it holds something of the patient."""
        return shareable(self.first, "SeriesDescription")

    @property
    def thickness_mm(self) -> float | None:
        """The nominal slice thickness."""
        value = self.first.get("SliceThickness")
        return None if value in (None, "") else float(value)

    @property
    def contrast(self) -> bool | None:
        """Whether contrast medium was given (DICOM PS3.3 C.7.6.4: the tag is there if it was).

        None where the tag is there without a value: then contrast is likely, but not said.
        """
        if "ContrastBolusAgent" not in self.first:
            return False
        agent = str(self.first.ContrastBolusAgent or "").strip().upper()
        return agent not in NO_CONTRAST if agent else None

    @property
    def protocol(self) -> str:
        """The protocol name, withheld where it holds something of the patient."""
        return shareable(self.first, "ProtocolName")

    @property
    def derived(self) -> bool:
        """Whether the images were made from other images."""
        return _image_type(self.first)[:1] == ["DERIVED"]

    def __str__(self) -> str:
        """Say in words which series this is."""
        number = self.first.get("SeriesNumber")
        parts = [f"{len(self.headers)} images"]
        parts += [] if self.thickness_mm is None else [f"{self.thickness_mm:g} mm"]
        parts += [f"{self.description!r}"] if self.description else []
        return f"series {'without number' if number is None else number}: {', '.join(parts)}"


def shareable(header: Dataset, tag: str) -> str:
    """Return a free-text tag, or ``withheld`` if it repeats something of what identifies the patient."""
    text = " ".join(str(header.get(tag, "") or "").split())
    return "withheld" if repeats_identity(header, text) else text


def repeats_identity(header: Dataset, text: str) -> bool:
    """Say whether a text holds a part, of three letters or more, of the patient's name, number or birth date."""
    values = " ".join(str(header.get(name, "") or "") for name in IDENTIFYING)
    parts = (part.casefold() for part in re.split(r"[\s^\\=\[\]',]+", values))
    return any(len(part) > 2 and part in text.casefold() for part in parts)


def choose(
    folder: str, headers: Mapping[Path, Dataset], choice: SeriesChoice = ANY
) -> tuple[Series, tuple[Anomaly, ...]]:
    """Return the series that is meant, and what was passed over. Raises `CaseError` that lists the series."""
    images = {file: header for file, header in headers.items() if not _is_no_slice(header)}
    if not images:
        raise CaseError(
            f"{folder}: all {len(headers)} images are localisers or secondary captures; give the CT series"
        )
    notes = []
    if len(images) < len(headers):
        skipped = len(headers) - len(images)
        notes.append(Anomaly("localiser skipped", f"{skipped} localisers or secondary captures"))
    found = _grouped(images)
    found, other = _without_other_modalities(found)
    found, derived = _without_derived(found)
    notes += [Anomaly("other modality skipped", str(series)) for series in other]
    notes += [Anomaly("derived series skipped", str(series)) for series in derived]
    meant = _meant(found, choice)
    if len(meant) != 1:
        listed = "; ".join(str(series) for series in found)
        raise CaseError(
            f"{folder}: the folder holds {len(found)} DICOM series and {len(meant)} are meant ({listed}); "
            "choose by description, thickness or number of slices, or give each a folder of its own"
        )
    if meant[0].derived:
        notes.append(Anomaly("derived series read", f"no original one is there: {meant[0]}"))
    return meant[0], tuple(notes)


def _grouped(headers: Mapping[Path, Dataset]) -> list[Series]:
    groups: dict[tuple[str, str], dict[Path, Dataset]] = {}
    for file, header in headers.items():
        key = (str(header.get("SeriesInstanceUID", "")), str(header.get("SeriesNumber")))
        groups.setdefault(key, {})[file] = header
    return [Series(groups[key]) for key in sorted(groups)]


def _without_other_modalities(found: list[Series]) -> tuple[list[Series], list[Series]]:
    ct = [series for series in found if str(series.first.get("Modality", "CT")) == "CT"]
    return (ct, [series for series in found if series not in ct]) if ct else (found, [])


def _without_derived(found: list[Series]) -> tuple[list[Series], list[Series]]:
    original = [series for series in found if not series.derived]
    return (original, [series for series in found if series.derived]) if original else (found, [])


def _meant(found: list[Series], choice: SeriesChoice) -> list[Series]:
    meant = found
    if choice.description is not None:
        text = choice.description.casefold()
        meant = [series for series in meant if text in series.description.casefold()]
    if (wanted := choice.thickness_mm) is not None:
        meant = [series for series in meant if abs((series.thickness_mm or 0) - wanted) <= 0.01]
    if choice.slices is not None and meant:
        most = max(len(series.headers) for series in meant)
        count = most if choice.slices == "most" else choice.slices
        meant = [series for series in meant if len(series.headers) == count]
    return meant


def _is_no_slice(header: Dataset) -> bool:
    kind = _image_type(header)
    return "LOCALIZER" in kind[2:] or kind[1:2] == ["SECONDARY"]


def _image_type(header: Dataset) -> list[str]:
    value = header.get("ImageType") or []
    return [value.upper()] if isinstance(value, str) else [str(part).upper() for part in value]
