"""Which of the DICOM series in a folder is meant: what each one is, what is passed over, how one is chosen.

Localisers and secondary captures are passed over, and derived series where an original one is beside them
(DICOM PS3.3 C.7.6.1.1.2, Image Type; C.8.2.1.1.1 for CT). Whatever is passed over becomes an `Anomaly`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from benchmark.case import Anomaly
from benchmark.errors import CaseError
from benchmark.images.dicom_headers import decimal, texts_of
from benchmark.images.disclosure import terms
from benchmark.plugins.declaration import Declaration

if TYPE_CHECKING:
    from pydicom import Dataset

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""SOP classes; the second begins those of single and multi-frame captures alike (DICOM PS3.6, table A-1)."""
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
        """What may be written of the series description."""
        return terms.acquisition_terms(self._text("SeriesDescription"))

    def is_described_by(self, text: str) -> bool:
        """Say whether the description, all of it, holds a text, in any case of letters."""
        return text.casefold() in self._text("SeriesDescription").casefold()

    @property
    def thickness_mm(self) -> float | None:
        """The nominal slice thickness."""
        return self.number("SliceThickness")

    def number(self, keyword: str) -> float | None:
        """Return a decimal number that describes the series, None where it is absent or none: nothing hangs on it."""
        try:
            return decimal(self.first, keyword)
        except CaseError:
            return None

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
        """What may be written of the protocol name."""
        return terms.acquisition_terms(self._text("ProtocolName"))

    @property
    def manufacturer(self) -> str:
        """Who made the scanner, empty where that is nobody known."""
        return terms.manufacturer(self._text("Manufacturer"))

    @property
    def kernel(self) -> str:
        """The convolution kernel, empty where it is none that scanners have."""
        return terms.kernel(texts_of(self.first, "ConvolutionKernel"))

    @property
    def modality(self) -> str:
        """The modality; CT where it is not said, and the values then tell."""
        return terms.modality(str(self.first.get("Modality") or "CT"))

    @property
    def derived(self) -> bool:
        """Whether the images were made from other images."""
        return _image_type(self.first)[:1] == ["DERIVED"]

    def __str__(self) -> str:
        """Say in words which series this is."""
        parts = [f"a series of {len(self.headers)} images"]
        parts += [] if self.thickness_mm is None else [f"{self.thickness_mm:g} mm"]
        parts += [repr(self.description)] if self.description else []
        return ", ".join(parts)

    def _text(self, keyword: str) -> str:
        return str(self.first.get(keyword) or "")


def choose(
    folder: str, headers: Mapping[Path, Dataset], choice: SeriesChoice = ANY
) -> tuple[Series, tuple[Anomaly, ...]]:
    """Return the series that is meant, and what was passed over. Raises `CaseError` that lists the series."""
    volumes, others = _of_ct(folder, _grouped(headers))
    volumes, captures = _without_captures(folder, volumes)
    volumes, derived = _without_derived(volumes)
    notes = [Anomaly("localiser skipped", f"{captures} localisers or secondary captures")] if captures else []
    notes += [Anomaly("other modality skipped", str(series)) for series in others]
    notes += [Anomaly("derived series skipped", str(series)) for series in derived]
    meant = _meant(volumes, choice)
    if len(meant) != 1:
        listed = "; ".join(str(series) for series in volumes)
        raise CaseError(
            f"{folder}: the folder holds {len(volumes)} DICOM series and {len(meant)} are meant ({listed}); "
            "choose by description, thickness or number of slices, or give each a folder of its own"
        )
    if meant[0].derived:
        notes.append(Anomaly("derived series read", f"no original one is there: {meant[0]}"))
    if meant[0].first.get("SOPClassUID", CT_IMAGE) != CT_IMAGE:
        notes.append(Anomaly("unusual SOP class", "not CT Image Storage, with the modality CT"))
    return meant[0], tuple(notes)


def _grouped(headers: Mapping[Path, Dataset]) -> list[Series]:
    groups: dict[tuple[str, str], dict[Path, Dataset]] = {}
    for file, header in headers.items():
        key = (str(header.get("SeriesInstanceUID", "")), str(header.get("SeriesNumber")))
        groups.setdefault(key, {})[file] = header
    return [Series(groups[key]) for key in sorted(groups)]


def _of_ct(folder: str, series: list[Series]) -> tuple[list[Series], list[Series]]:
    """Return the series of CT and the others. Raises `CaseError` if there is none of CT."""
    ct = [one for one in series if one.modality == "CT"]
    if not ct:
        modalities = ", ".join(sorted({one.modality for one in series}))
        raise CaseError(f"{folder}: the modality is {modalities}, and only CT is in HU")
    return ct, [one for one in series if one not in ct]


def _without_captures(folder: str, series: list[Series]) -> tuple[list[Series], int]:
    """Return the series without localisers and secondary captures, and the number of these.

    A volume that was reformatted is SECONDARY, too, in its image type: what has several slices with positions is one.
    """
    slices = [
        {file: header for file, header in one.headers.items() if not _is_capture(header)} for one in series
    ]
    volumes = [
        Series(kept) for kept in slices if len(kept) > 1 or (kept and not _is_secondary(Series(kept).first))
    ]
    images = sum(len(one.headers) for one in series)
    if not volumes:
        raise CaseError(
            f"{folder}: all {images} images are localisers or secondary captures; give the CT series"
        )
    return volumes, images - sum(len(one.headers) for one in volumes)


def _without_derived(series: list[Series]) -> tuple[list[Series], list[Series]]:
    original = [one for one in series if not one.derived]
    return (original, [one for one in series if one.derived]) if original else (series, [])


def _meant(series: list[Series], choice: SeriesChoice) -> list[Series]:
    meant = series
    if choice.description is not None:
        meant = [one for one in meant if one.is_described_by(choice.description)]
    if (wanted := choice.thickness_mm) is not None:
        meant = [one for one in meant if abs((one.thickness_mm or 0) - wanted) <= 0.01]
    if choice.slices is not None and meant:
        most = max(len(one.headers) for one in meant)
        count = most if choice.slices == "most" else choice.slices
        meant = [one for one in meant if len(one.headers) == count]
    return meant


def _is_capture(header: Dataset) -> bool:
    """Say whether an image is a localiser, a picture of a screen or in colour."""
    return (
        "LOCALIZER" in _image_type(header)[2:]
        or str(header.get("SOPClassUID", "")).startswith(SECONDARY_CAPTURE)
        or header.get("SamplesPerPixel") == 3
        or (_is_secondary(header) and "ImagePositionPatient" not in header)
    )


def _is_secondary(header: Dataset) -> bool:
    return _image_type(header)[1:2] == ["SECONDARY"]


def _image_type(header: Dataset) -> list[str]:
    value = header.get("ImageType") or []
    return [value.upper()] if isinstance(value, str) else [str(part).upper() for part in value]
