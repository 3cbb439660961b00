"""The voxels of DICOM slices in HU: each slice's stored values, its slope and its intercept, before any cast.

GDCM's readers apply slope and intercept by the SOP class and take the type of a series from its first slice, so stored
values are decoded here and rescaled as the headers say: DICOM PS3.3 C.7.6.3 (Image Pixel), C.8.2.1 (CT Image, rescale).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import CaseError
from benchmark.images.dicom_headers import DAMAGED, decimal, quiet
from benchmark.images.files import by_place
from benchmark.images.volume_files.codestreams import stated_size

if TYPE_CHECKING:
    from pydicom import Dataset

INTEGERS = (np.int16, np.int32, np.int64)


def read_hu(slices: Iterable[tuple[Path, Dataset]], count: int) -> NDArray[Any]:
    """Return the HU of `count` slices, given as files and headers in their order, shape (slices, rows, columns).

    Whole HU are 16-bit integers, or 32-bit ones where these do not hold them; others are 64-bit floats. Raises
    `CaseError` that names a slice whose values cannot be decoded or are no HU.
    """
    volume: NDArray[Any] = np.empty((0, 0, 0), np.int16)
    for place, (file, header) in enumerate(slices):
        try:
            stored, rescale = _decoded(header), _rescale(header)
            possible = _possible(header, stored)
        except CaseError as error:
            raise CaseError(f"{by_place(file)}: {error}") from error
        except Exception as error:  # decoders raise a dozen kinds on damaged bytes
            raise CaseError(f"{by_place(file)} {DAMAGED}") from error
        kind = _type_of(stored, possible, *rescale)
        if place == 0:
            volume = np.empty((count, *stored.shape), kind)
        elif stored.shape != volume.shape[1:]:
            raise CaseError(f"{by_place(file)} {DAMAGED}")
        volume = volume.astype(np.promote_types(volume.dtype, kind), copy=False)
        _rescale_into(volume[place], stored, *rescale)
    return volume


def _rescale(header: Dataset) -> tuple[float, float]:
    """Return slope and intercept; 1 and 0 where they are absent, and the values then tell. Raises `CaseError`."""
    if "ModalityLUTSequence" in header:
        raise CaseError("its values become HU by a table (Modality LUT); convert it to plain CT")
    slope, intercept = decimal(header, "RescaleSlope"), decimal(header, "RescaleIntercept")
    slope = 1.0 if slope is None else slope
    if slope <= 0:
        raise CaseError(f"its RescaleSlope is {slope:g}, which makes no HU; correct the header")
    return slope, intercept or 0.0


def _type_of(stored: NDArray[Any], possible: tuple[int, int], slope: float, intercept: float) -> Any:
    """Return the narrowest type that holds the HU of a slice without rounding."""
    if not (slope.is_integer() and intercept.is_integer()):
        return np.float64
    if _fits(np.int16, possible, slope, intercept):
        return np.int16  # nearly always: 12 bits, or 16 signed ones; the values need not be looked at
    ends = int(stored.min()), int(stored.max())
    return next(kind for kind in INTEGERS if _fits(kind, ends, slope, intercept))


def _fits(kind: type[np.signedinteger[Any]], ends: tuple[int, int], slope: float, intercept: float) -> bool:
    low, high = (end * int(slope) + int(intercept) for end in ends)
    return bool(np.iinfo(kind).min <= low <= high <= np.iinfo(kind).max)


def _possible(header: Dataset, stored: NDArray[Any]) -> tuple[int, int]:
    """Return the lowest and the highest value that the stored bits can hold, or what a decoder made of them does."""
    bits = int(header.BitsStored)
    if _compressed(header):
        return int(stored.min()), int(stored.max())
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if header.PixelRepresentation else (0, (1 << bits) - 1)


def _rescale_into(hu: NDArray[Any], stored: NDArray[Any], slope: float, intercept: float) -> None:
    """Write the HU of stored values. Integers may wrap on the way: the result fits, `_type_of` has made sure of it."""
    if slope == 1 and hu.dtype.kind == "i" and abs(intercept) <= np.iinfo(np.int16).max:
        np.add(stored, hu.dtype.type(intercept), out=hu, dtype=hu.dtype, casting="unsafe")
    else:
        hu[:] = stored * slope + intercept


def _decoded(header: Dataset) -> NDArray[Any]:
    """Return the stored values of a slice and let go of the bytes they came from."""
    with quiet():  # of padding bytes and odd values; those that are used are checked
        stored = _stored(header)
    del header.PixelData
    return stored


def _stored(header: Dataset) -> NDArray[Any]:
    """Return the stored values, shape (rows, columns); pydicom decodes what is compressed."""
    if int(header.SamplesPerPixel) != 1:
        raise ValueError("colour")
    if _compressed(header):
        if stated_size(header.PixelData) not in (None, (header.Rows, header.Columns)):
            raise ValueError("a picture of another size than the header says")
        return np.asarray(header.pixel_array)
    allocated, shape = int(header.BitsAllocated), (int(header.Rows), int(header.Columns))
    little = header.original_encoding[1] is not False
    expected = math.prod(shape) * allocated // 8
    if len(header.PixelData) not in (expected, expected + expected % 2):
        raise ValueError("another number of bytes than the header says")
    words = np.frombuffer(header.PixelData, f"{'<' if little else '>'}u{allocated // 8}", math.prod(shape))
    return _used_bits(words.reshape(shape), header)


def _compressed(header: Dataset) -> bool:
    """Say whether the voxels are; a deflated file is unpacked when it is read."""
    syntax = header.file_meta.get("TransferSyntaxUID")
    return bool(syntax is not None and syntax.is_compressed and not syntax.is_deflated)


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
