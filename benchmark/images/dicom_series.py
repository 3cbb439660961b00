"""Reads one DICOM CT series of a folder, compressed transfer syntaxes included.

Slices are ordered by their position along the slice normal, never by name or instance number.
DICOM PS3.3 C.7.6.2: Image Plane Module.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.case import Anomaly
from benchmark.errors import CaseError
from benchmark.images.dicom_selection import ANY, IDENTIFYING, Series, SeriesChoice, choose

if TYPE_CHECKING:
    import SimpleITK as sitk
    from pydicom import Dataset

TAGS = [
    "SeriesInstanceUID",
    "SeriesNumber",
    "Modality",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SOPInstanceUID",
    "ImageType",
    "SeriesDescription",
    "SliceThickness",
    "GantryDetectorTilt",
    "ContrastBolusAgent",
    "ProtocolName",
    "KVP",
    "ConvolutionKernel",
    "Manufacturer",
    *IDENTIFYING,  # read only so that they can be kept out of what is written
]
DAMAGED = (
    "cannot be decoded: it is damaged, truncated or compressed in an unknown way; fetch the series again"
)
STEP_TOLERANCE = 0.02
"""How far a step between slices may differ from the mean step, as a fraction of it.

Positions are decimal strings, at times rounded to 0.1 mm by the scanner; a missing slice differs by 1.
"""


@dataclass(frozen=True)
class SeriesVolume:
    """A series as one volume in HU, z ascending along the slice normal, and what was met while reading it."""

    image: sitk.Image
    series: Series
    anomalies: tuple[Anomaly, ...]


def read_series(folder: Path, choice: SeriesChoice = ANY) -> SeriesVolume:
    """Read the DICOM series in `folder` (not in folders below it) that `choice` means.

    Raises `CaseError` when the folder holds no series or several are meant, when the modality is not CT, or when
    its slices do not make a regular volume (missing, repeated, of several sizes or orientations, sheared by a
    gantry tilt).
    """
    import SimpleITK as sitk

    series, anomalies = choose(folder.name, read_headers(folder), choice)
    slices = series.headers
    _refuse_unfit(folder, slices.values())
    files = list(slices)
    positions, normal = _positions(folder, slices.values())
    order = np.argsort(positions @ normal, kind="stable")
    step = _regular_step(folder, [files[index] for index in order], positions[order], normal)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(files[index]) for index in order])
    try:
        image = reader.Execute()
    except RuntimeError as error:
        broken = next((file for file in files if not _decodable(file)), folder)
        raise CaseError(f"{folder.name}: slice {broken.name} {DAMAGED}") from error
    image.SetSpacing((*image.GetSpacing()[:2], step))
    return SeriesVolume(image, series, (*anomalies, *_tilt(series)))


def describe_series(folder: Path, choice: SeriesChoice = ANY) -> Series:
    """Return the series that `choice` means from its headers alone. Raises `CaseError` as `read_series` does."""
    return choose(folder.name, read_headers(folder), choice)[0]


def _tilt(series: Series) -> tuple[Anomaly, ...]:
    """Note a tilt that the header states of slices that are not sheared: somebody has straightened them."""
    tilt = float(series.first.get("GantryDetectorTilt") or 0)
    if abs(tilt) < 0.1:
        return ()
    return (Anomaly("straightened gantry tilt", f"{tilt:g}° in the header, yet the slices are not sheared"),)


def read_headers(folder: Path) -> dict[Path, Dataset]:
    """Return the headers of the folder's DICOM images; other files beside them are passed over."""
    import pydicom

    from benchmark.images.files import files_of

    headers: dict[Path, Dataset] = {}
    files = files_of(folder)
    for file in files:
        if file.stat().st_size == 0:
            raise CaseError(f"{folder.name}: file {file.name} is empty; fetch the series again")
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=TAGS)
        except pydicom.errors.InvalidDicomError:
            continue
        if "Rows" in header:
            headers[file] = header
        elif header.file_meta.get("MediaStorageSOPClassUID") == pydicom.uid.CTImageStorage:
            raise CaseError(f"{folder.name}: slice {file.name} {DAMAGED}")
    if not files:
        raise CaseError(
            f"{folder.name}: the folder is empty; give one that holds the slices of a DICOM series"
        )
    if not headers:
        raise CaseError(f"{folder.name}: none of the {len(files)} files in the folder is a DICOM image")
    return headers


def _decodable(file: Path) -> bool:
    import SimpleITK as sitk

    try:
        sitk.ReadImage(str(file))
    except RuntimeError:
        return False
    return True


def _refuse_unfit(folder: Path, slices: Iterable[Dataset]) -> None:
    modalities = {str(item.get("Modality", "CT")) for item in slices}
    if modalities != {"CT"}:
        raise CaseError(
            f"{folder.name}: the modality is {', '.join(sorted(modalities))}, and only CT is in HU"
        )
    if any(int(item.get("NumberOfFrames", 1) or 1) > 1 for item in slices):
        raise CaseError(f"{folder.name}: enhanced (multi-frame) DICOM is not read; convert it to NIfTI")
    if len({(item.Rows, item.Columns, *map(float, item.get("PixelSpacing", ()))) for item in slices}) > 1:
        raise CaseError(
            f"{folder.name}: the slices differ in size or pixel spacing; keep those of one volume"
        )


def _positions(folder: Path, slices: Iterable[Dataset]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the slices' positions, shape (n, 3) in mm, and their common unit normal."""
    try:
        positions = np.array([item.ImagePositionPatient for item in slices], float).reshape(-1, 3)
        orientations = np.array([item.ImageOrientationPatient for item in slices], float).reshape(-1, 6)
    except (AttributeError, ValueError) as error:
        raise CaseError(f"{folder.name}: a slice has no position or orientation in its header") from error
    if np.abs(orientations - orientations[0]).max() > 1e-3:
        raise CaseError(f"{folder.name}: the slices differ in orientation; keep those of one volume")
    return positions, np.cross(orientations[0, :3], orientations[0, 3:])


def _regular_step(
    folder: Path, files: list[Path], positions: NDArray[np.float64], normal: NDArray[np.float64]
) -> float:
    """Return the slice increment in mm of sorted positions, which must be evenly spaced along the normal."""
    if len(positions) < 2:
        raise CaseError(f"{folder.name}: one slice only, so its increment is unknown")
    along = positions @ normal
    steps = np.diff(along)
    step = float(np.median(steps))
    if steps.min() < 1e-3:
        where = int(steps.argmin())
        raise CaseError(
            f"{folder.name}: several slices lie at {along[where]:g} mm ({files[where].name} and "
            f"{files[where + 1].name}); keep those of one volume"
        )
    worst = int(np.abs(steps - step).argmax())
    if abs(steps[worst] - step) > STEP_TOLERANCE * step + 0.01:
        raise CaseError(
            f"{folder.name}: slices are missing or unevenly spaced, {steps[worst]:g} mm after the one at "
            f"{along[worst]:g} mm where the others are {step:g} mm apart"
        )
    offset = positions[-1] - positions[0]
    if np.linalg.norm(offset - (offset @ normal) * normal) > 0.01 * np.linalg.norm(offset) + 0.01:
        raise CaseError(
            f"{folder.name}: the volume is sheared (gantry tilt); resample it to a rectangular grid first"
        )
    return float(along[-1] - along[0]) / (len(positions) - 1)
