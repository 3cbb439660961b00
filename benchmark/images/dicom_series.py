"""Reads one DICOM CT series of a folder, compressed transfer syntaxes included: geometry and HU from its headers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.case import Anomaly
from benchmark.errors import CaseError
from benchmark.images.dicom_grid import OrderedSlices, order_slices
from benchmark.images.dicom_headers import decimal, read_headers
from benchmark.images.dicom_pixels import read_hu
from benchmark.images.dicom_selection import ANY, Series, SeriesChoice, choose
from benchmark.images.files import by_place
from benchmark.images.geometry import SLICE_THICKNESS, TUBE_KV, Grid
from benchmark.images.volume_files.streams import refuse_large

if TYPE_CHECKING:
    import SimpleITK as sitk
    from pydicom import Dataset

HU_TYPES = ("", "HU", "US")
"""Rescale types of values in HU: most scanners write HU, unspecified or nothing; others are of electron densities,
materials, and HU that were modified."""


@dataclass(frozen=True)
class SeriesVolume:
    """A series as one volume in HU, z ascending along the slice normal, and what was met while reading it."""

    image: sitk.Image
    series: Series
    anomalies: tuple[Anomaly, ...]


def read_series(folder: Path, choice: SeriesChoice = ANY) -> SeriesVolume:
    """Read the DICOM series in `folder` (not in folders below it) that `choice` means.

    Raises `CaseError` when the folder holds no series or several are meant, when the modality is not CT, when its
    slices do not make a regular volume (see `order_slices`), or when one of them is damaged.
    """
    import SimpleITK as sitk

    series, slices, anomalies = _meant(folder, choice)
    try:
        image = sitk.GetImageFromArray(
            read_hu(((file, series.headers[file]) for file in slices.files), len(slices.files))
        )
    except CaseError as error:
        raise CaseError(f"{folder.name}: {error}") from error
    image.SetSpacing(slices.grid.spacing)
    image.SetOrigin(slices.grid.origin)
    image.SetDirection(slices.grid.direction)
    for key, value in ((SLICE_THICKNESS, series.thickness_mm), (TUBE_KV, series.number("KVP"))):
        if value is not None and value > 0:
            image.SetMetaData(key, str(value))
    return SeriesVolume(image, series, (*anomalies, *_tilt(folder, series)))


def read_series_grid(folder: Path, choice: SeriesChoice | None = None) -> Grid:
    """Return the grid of the volume that `read_series` would read, from the headers alone. Raises `CaseError`, too."""
    return _meant(folder, choice or ANY)[1].grid


def describe_series(folder: Path, choice: SeriesChoice = ANY) -> Series:
    """Return the series that `choice` means from its headers alone. Raises `CaseError` as `read_series` does."""
    return choose(folder.name, read_headers(folder), choice)[0]


def _meant(folder: Path, choice: SeriesChoice) -> tuple[Series, OrderedSlices, tuple[Anomaly, ...]]:
    series, anomalies = choose(folder.name, read_headers(folder), choice)
    _refuse_unfit(folder, series.headers)
    slices = order_slices(folder.name, series.headers)
    slices.grid.refuse_implausible(folder.name)
    refuse_large(folder.name, math.prod(slices.grid.size) * np.dtype(np.int16).itemsize)
    return series, slices, anomalies


def _refuse_unfit(folder: Path, slices: Mapping[Path, Dataset]) -> None:
    for file, header in slices.items():
        if str(header.get("NumberOfFrames") or 1) != "1":
            raise CaseError(f"{folder.name}: enhanced (multi-frame) DICOM is not read; convert it to NIfTI")
        if str(header.get("RescaleType") or "").strip().upper() not in HU_TYPES:
            raise CaseError(
                f"{folder.name}: the values of {by_place(file)} are not in HU, as RescaleType says"
            )


def _tilt(folder: Path, series: Series) -> tuple[Anomaly, ...]:
    """Note a tilt that the header states of slices that are not sheared: somebody has straightened them."""
    try:
        tilt = decimal(series.first, "GantryDetectorTilt") or 0.0
    except CaseError as error:
        return (Anomaly("unreadable gantry tilt", str(error)),)
    if abs(tilt) < 0.1:
        return ()
    return (Anomaly("straightened gantry tilt", f"{tilt:g}° in the header, yet the slices are not sheared"),)
