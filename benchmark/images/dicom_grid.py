"""Where the slices of a DICOM series lie, from their headers alone: DICOM PS3.3 C.7.6.2, Image Plane Module.

Slices are ordered by their position along the slice normal, never by name or instance number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import CaseError
from benchmark.images.dicom_headers import decimals
from benchmark.images.files import by_place
from benchmark.images.geometry import Grid, refuse_sheared

if TYPE_CHECKING:
    from pydicom import Dataset

ROUNDED_MM = 0.051
"""Scanners write positions rounded to 0.1 mm, so each is up to half of that off the grid."""
JITTER = 0.02
"""How far a slice may be off the grid beside that, as a fraction of the increment; a missing one is 0.5 off or more."""


@dataclass(frozen=True)
class OrderedSlices:
    """The files of a series by ascending position along the normal, and the grid of the volume they make."""

    files: tuple[Path, ...]
    grid: Grid


def order_slices(folder: str, slices: Mapping[Path, Dataset]) -> OrderedSlices:
    """Order the slices of one series and return their grid.

    Raises `CaseError` when a header lacks spacing, position or orientation, and when the slices do not make a
    regular volume: missing, repeated, of several sizes or orientations, of interleaved acquisitions, or sheared by a
    gantry tilt.
    """
    rows, columns, spacing = _common_size(folder, slices)
    positions, orientation = _positions(folder, slices)
    normal = np.cross(orientation[:3], orientation[3:])
    direction = np.stack([orientation[:3], orientation[3:], normal], axis=1).ravel().tolist()
    refuse_sheared(folder, direction)
    order = np.argsort(positions @ normal, kind="stable")
    files = tuple(np.array(list(slices), object)[order].tolist())
    along, positions = (positions @ normal)[order], positions[order]
    step = _increment(folder, files, along)
    _refuse_sheared(folder, positions, normal)
    _refuse_interleaved(folder, [slices[file] for file in files])
    origin = tuple(positions[0].tolist())
    size = (columns, rows, len(files))
    return OrderedSlices(files, Grid(size, (*spacing[::-1], step), origin, tuple(direction)))


def _common_size(folder: str, slices: Mapping[Path, Dataset]) -> tuple[int, int, tuple[float, ...]]:
    """Return rows, columns and pixel spacing (rows, columns; mm), which all slices must share."""
    sizes = {
        (*_size(folder, file, header), _required(folder, file, header, "PixelSpacing", 2))
        for file, header in slices.items()
    }
    if len(sizes) > 1:
        raise CaseError(f"{folder}: the slices differ in size or pixel spacing; keep those of one volume")
    return sizes.pop()


def _size(folder: str, file: Path, header: Dataset) -> tuple[int, int]:
    rows, columns = (header.get(keyword) for keyword in ("Rows", "Columns"))
    if not (isinstance(rows, int) and isinstance(columns, int) and rows > 0 and columns > 0):
        raise CaseError(
            f"{folder}: {by_place(file)}: its Rows or Columns is no number of pixels; fetch it again"
        )
    return rows, columns


def _required(folder: str, file: Path, header: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    try:
        numbers = decimals(header, keyword, count)
    except CaseError as error:
        raise CaseError(f"{folder}: {by_place(file)}: {error}") from error
    if numbers is None:
        detector = " (ImagerPixelSpacing is that of the detector)" if "ImagerPixelSpacing" in header else ""
        raise CaseError(
            f"{folder}: {by_place(file)} has no {keyword} in its header{detector}; give the original series"
        )
    return numbers


def _positions(
    folder: str, slices: Mapping[Path, Dataset]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the slices' positions, shape (n, 3) in mm, and their common orientation, shape (6,)."""
    positions = np.array([_required(folder, *item, "ImagePositionPatient", 3) for item in slices.items()])
    directions = np.array([_required(folder, *item, "ImageOrientationPatient", 6) for item in slices.items()])
    if np.abs(directions - directions[0]).max() > 1e-3:
        raise CaseError(f"{folder}: the slices differ in orientation; keep those of one volume")
    return positions, directions[0]


def _increment(folder: str, files: tuple[Path, ...], along: NDArray[np.float64]) -> float:
    """Return the slice increment in mm of sorted positions along the normal, which must lie on a regular grid."""
    if len(along) < 2:
        raise CaseError(f"{folder}: one slice only, so its increment is unknown")
    steps = np.diff(along)
    if steps.min() < 1e-3:
        where = int(steps.argmin())
        raise CaseError(
            f"{folder}: several slices lie at {along[where]:g} mm ({by_place(files[where])} and "
            f"{by_place(files[where + 1])}); keep those of one volume"
        )
    usual = float(np.median(steps))
    grid = np.polyval(np.polyfit(np.arange(len(along)), along, 1), np.arange(len(along)))
    if np.abs(along - grid).max() > ROUNDED_MM + JITTER * usual:
        worst = int(np.abs(steps - usual).argmax())
        raise CaseError(
            f"{folder}: slices are missing or unevenly spaced, {steps[worst]:g} mm after the one at "
            f"{along[worst]:g} mm where the others are {usual:g} mm apart"
        )
    return float(along[-1] - along[0]) / (len(along) - 1)


def _refuse_sheared(folder: str, positions: NDArray[np.float64], normal: NDArray[np.float64]) -> None:
    offsets = positions - positions[0]
    beside = np.linalg.norm(offsets - np.outer(offsets @ normal, normal), axis=1)
    if (beside > 0.01 * np.linalg.norm(offsets, axis=1) + ROUNDED_MM).any():
        raise CaseError(
            f"{folder}: the volume is sheared (gantry tilt); resample it to a rectangular grid first"
        )


def _refuse_interleaved(folder: str, ordered: list[Dataset]) -> None:
    """Refuse slices of several acquisitions in turn: phases or repeats of one place, not one volume.

    Acquisitions one behind the other, as of a scanner that steps, change once less often than there are.
    """
    numbers = [str(header.get("AcquisitionNumber") or "") for header in ordered]
    if sum(one != other for one, other in pairwise(numbers)) >= len(set(numbers)):
        raise CaseError(
            f"{folder}: slices of {len(set(numbers))} acquisitions alternate (AcquisitionNumber); keep those of one"
        )
