"""Which files of a folder are DICOM images, and what their headers say, parsed once and strictly.

A series that ends early looks whole: the last slice may be a stub, a server's error page or a link to nowhere. So
what is named like a slice must be one. DICOM PS3.5 6.2 (decimal strings), PS3.10 7.1 (preamble).
"""

from __future__ import annotations

import logging
import math
import re
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import CaseError
from benchmark.images.decimal_text import number_in
from benchmark.images.files import by_place, files_of
from benchmark.images.volume_files.streams import holds_more

if TYPE_CHECKING:
    from pydicom import Dataset

TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "AcquisitionNumber",
    "Modality",
    "ImageType",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "SeriesDescription",
    "SliceThickness",
    "GantryDetectorTilt",
    "ContrastBolusAgent",
    "ProtocolName",
    "KVP",
    "ConvolutionKernel",
    "Manufacturer",
]
DAMAGED = (
    "cannot be decoded: it is damaged, truncated or compressed in an unknown way; fetch the series again"
)
DEFLATED = b"1.2.840.10008.1.2.1.99"
LARGEST_SLICE = 1 << 28
"""Bytes that a deflated file may hold: four of them for each of 8192 × 8192 pixels."""
PREAMBLE = b"DICM"
"""What stands behind the first 128 bytes."""
PIXELS = 0x7FE00010
LARGE = 4096
"""Bytes above which a value stays in the file until it is asked for: voxels."""
HALF_FETCHED = (".part", ".partial", ".crdownload", ".download", ".tmp")


def read_headers(folder: Path) -> dict[Path, Dataset]:
    """Return the headers of the folder's DICOM images by file, sorted by name.

    Passed over are hidden files, DICOM objects without an image, and files of another kind and name. Raises
    `CaseError` when there is no image, and for a file that is named like a slice and is none, or a link to nowhere.
    """
    headers: dict[Path, Dataset] = {}
    others: list[Path] = []
    files = files_of(folder)
    for file in files:
        header = read_header(file)
        kind = "" if header is None else _kind(header)
        if header is not None and "Rows" in header:
            headers[file] = header
        elif "Image Storage" in kind or (not kind and _start(file)[128:] == PREAMBLE):
            raise CaseError(f"{folder.name}: {by_place(file)} {DAMAGED}")
        elif not kind:
            others.append(file)
    _refuse_lost_slices(folder, headers, others)
    if not headers:
        raise CaseError(f"{folder.name}: {_nothing_in(folder, files)}")
    return headers


def read_header(file: Path, tags: Iterable[str] = TAGS) -> Dataset | None:
    """Return the header of a DICOM file, with or without preamble; None of a file that is none.

    Its voxels, if `tags` name them, are read when they are asked for.
    """
    import pydicom

    if _inflates(file):
        return None
    with quiet():
        for force in (False, True):
            try:
                return _converted(
                    pydicom.dcmread(file, specific_tags=list(tags), defer_size=LARGE, force=force)
                )
            except pydicom.errors.InvalidDicomError:
                if not begins_like_dicom(file):
                    return None
            except Exception:  # pydicom raises a dozen kinds on damaged bytes
                return None
    return None


def _inflates(file: Path) -> bool:
    """Say whether a deflated file holds, or may hold, more than any slice: pydicom unpacks all of it at once."""
    from pydicom.filereader import read_file_meta_info

    if DEFLATED not in _start(file, 1024):
        return False
    with quiet():
        try:
            begin = 144 + int(read_file_meta_info(file).FileMetaInformationGroupLength)
        except Exception:  # of damaged bytes: where the voxels would begin is not known
            return True
    return holds_more(file, begin, -zlib.MAX_WBITS, LARGEST_SLICE)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from telling what is odd about a value: it would quote it, in a warning and in a log."""
    log = logging.getLogger("pydicom")
    before, log.disabled = log.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled = before


def _converted(header: Dataset) -> Dataset:
    """Return the header without those values that pydicom cannot make anything of; decimals are read as they stand."""
    for part in (header.file_meta, header):
        for tag in [tag for tag in part.keys() if tag != PIXELS]:  # noqa: SIM118  a Dataset iterates over elements
            try:
                part[tag]
            except Exception:  # as many kinds as there are kinds of values
                if part.get_item(tag).VR != "DS":
                    del part[tag]
    return header


def decimals(header: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Return the decimal strings of an element as finite numbers; None where it is absent or empty.

    Raises `CaseError` for another number of them than `count`, and for what is no decimal number.
    """
    texts = texts_of(header, keyword)
    if not texts:
        return None
    numbers = tuple(map(number_in, texts))
    if len(numbers) != count or any(map(math.isnan, numbers)):
        raise CaseError(f"its {keyword} is not {count} decimal numbers; correct the header")
    return numbers


def decimal(header: Dataset, keyword: str) -> float | None:
    """Return an element's one decimal number, see `decimals`."""
    numbers = decimals(header, keyword, 1)
    return numbers[0] if numbers else None


def texts_of(header: Dataset, keyword: str) -> list[str]:
    """Return the values of an element as they stand in the file, before anybody converts them."""
    if keyword not in header:
        return []
    value: Any = header.get_item(keyword).value
    if isinstance(value, bytes):
        text = value.decode("latin-1").strip(" \0")
        return [part.strip() for part in text.split("\\")] if text else []
    values = [value] if isinstance(value, str | int | float) else list(value or ())
    return [str(part) for part in values if part not in (None, "")]


def begins_like_dicom(file: Path) -> bool:
    """Say whether a file has the preamble, or begins with an element of group 0002 or 0008."""
    start = _start(file)
    begins_so = start[:2] in (b"\2\0", b"\x08\0") and start[2:4] < b"\x70\0" and len(start) > 8
    return start[128:] == PREAMBLE or begins_so


def _start(file: Path, size: int = 132) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(size)
    except OSError as error:
        raise CaseError(f"{file.parent.name}: {by_place(file)} cannot be read ({error.strerror})") from error


def _kind(header: Dataset) -> str:
    """Return the name of the SOP class, which a file that is cut still says; empty where it is unknown."""
    uid = header.file_meta.get("MediaStorageSOPClassUID") if hasattr(header, "file_meta") else None
    return str(getattr(uid or header.get("SOPClassUID"), "name", ""))


def _refuse_lost_slices(folder: Path, slices: Iterable[Path], others: list[Path]) -> None:
    """Refuse what is named like the slices and is no DICOM file, and links to nowhere."""
    names = {_pattern(file.name) for file in slices}
    suffixes = {file.suffix.lower() for file in slices if re.search("[a-z]", file.suffix.lower())}
    for file in others:
        name = next(
            (file.name.removesuffix(end) for end in HALF_FETCHED if file.name.endswith(end)), file.name
        )
        if _pattern(name) in names or Path(name).suffix.lower() in suffixes:
            empty = "is empty" if file.stat().st_size == 0 else "is named like a slice and is no DICOM image"
            raise CaseError(f"{folder.name}: {by_place(file)} {empty}; fetch the series again, or remove it")
    for file in sorted(folder.iterdir()):
        if file.is_symlink() and not file.exists():
            raise CaseError(
                f"{folder.name}: it holds a link to a file that is not there; fetch it, or remove it"
            )


def _pattern(name: str) -> str:
    return re.sub(r"\d+", "#", name.lower())


def _nothing_in(folder: Path, files: list[Path]) -> str:
    if files:
        return f"none of the {len(files)} files in the folder is a DICOM image"
    below = [path for path in folder.iterdir() if path.is_dir()]
    if below:
        return f"the folder holds {len(below)} folders and no file; give the one with the slices of a DICOM series"
    return "the folder is empty; give one that holds the slices of a DICOM series"
