"""The voxels of DICOM slices in HU: each slice's stored values, its slope and its intercept, before any cast.

GDCM's readers apply slope and intercept by the SOP class and take the type of a series from its first slice, so stored
values are decoded here and rescaled as the headers say: DICOM PS3.3 C.7.6.3 (Image Pixel), C.8.2.1 (CT Image, rescale).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import CaseError
from benchmark.images.dicom_headers import DAMAGED, decimal

if TYPE_CHECKING:
    from pydicom import Dataset

TAGS = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "PixelData",
)

INTEGERS = (np.int16, np.int32, np.int64)


def read_hu(files: Sequence[Path]) -> NDArray[Any]:
    """Return the slices' HU, shape (slices, rows, columns).

    Whole HU are 16-bit integers, or 32-bit ones where these do not hold them; others are 64-bit floats. Raises
    `CaseError` that names a slice whose values cannot be decoded or are no HU.
    """
    volume: NDArray[Any] | None = None
    for place, file in enumerate(files):
        hu = _slice_hu(file)
        if volume is None:
            volume = np.empty((len(files), *hu.shape), hu.dtype)
        if hu.shape != volume.shape[1:]:
            raise CaseError(f"slice {file.name} {DAMAGED}")
        volume = volume.astype(np.promote_types(volume.dtype, hu.dtype), copy=False)
        volume[place] = hu
    return np.empty((0, 0, 0), np.int16) if volume is None else volume


def _slice_hu(file: Path) -> NDArray[Any]:
    """Return one slice in HU, shape (rows, columns)."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of padding bytes and odd values; those that are used are checked
        try:
            header = pydicom.dcmread(file, specific_tags=list(TAGS), force=True)
            stored = _stored(header)
        except Exception as error:  # decoders raise a dozen kinds on damaged bytes
            raise CaseError(f"slice {file.name} {DAMAGED}") from error
    if "ModalityLUTSequence" in header:
        raise CaseError(
            f"slice {file.name}: its values become HU by a table (Modality LUT); convert it to plain CT"
        )
    try:
        slope, intercept = decimal(header, "RescaleSlope"), decimal(header, "RescaleIntercept")
    except CaseError as error:
        raise CaseError(f"slice {file.name}: {error}") from error
    slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
    if slope <= 0:
        raise CaseError(
            f"slice {file.name}: its RescaleSlope is {slope:g}, which makes no HU; correct the header"
        )
    return _rescaled(stored, slope, intercept)


def _rescaled(stored: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    if not (slope.is_integer() and intercept.is_integer()):
        return stored * slope + intercept
    low, high = (int(end) * int(slope) + int(intercept) for end in (stored.min(), stored.max()))
    kind = next(kind for kind in INTEGERS if np.iinfo(kind).min <= low <= high <= np.iinfo(kind).max)
    wide = stored.astype(np.promote_types(kind, stored.dtype)) * int(slope) + int(intercept)
    return wide.astype(kind)


def _stored(header: Dataset) -> NDArray[Any]:
    """Return the stored values, shape (rows, columns); pydicom decodes what is compressed."""
    syntax = header.file_meta.get("TransferSyntaxUID")
    if int(header.SamplesPerPixel) != 1:
        raise ValueError("colour")
    if syntax is not None and syntax.is_compressed and not syntax.is_deflated:
        return np.asarray(header.pixel_array)
    allocated, shape = int(header.BitsAllocated), (int(header.Rows), int(header.Columns))
    little = header.original_encoding[1] is not False
    expected = math.prod(shape) * allocated // 8
    if len(header.PixelData) not in (expected, expected + expected % 2):
        raise ValueError("another number of bytes than the header says")
    words = np.frombuffer(header.PixelData, f"{'<' if little else '>'}u{allocated // 8}", math.prod(shape))
    return _used_bits(words.reshape(shape), header)


def _used_bits(words: NDArray[Any], header: Dataset) -> NDArray[Any]:
    """Return the values without the bits beside them that the header calls unused, with their sign if they have one."""
    allocated, stored = int(header.BitsAllocated), int(header.BitsStored)
    unused = allocated - stored
    shift = allocated - 1 - int(header.HighBit)
    if not 0 <= shift <= unused:
        raise ValueError("bits beyond those allocated")
    signed = words.astype(
        f"i{allocated // 8}" if header.PixelRepresentation else f"u{allocated // 8}", copy=False
    )
    return (signed << shift) >> unused if unused else signed
