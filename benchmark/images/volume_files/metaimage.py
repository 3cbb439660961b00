"""MetaImage (MHD, MHA), orCaScore's format: a header with a spacing, and whole voxels where it says they are.

MetaIO takes a missing spacing for 1 mm, returns what it has of a damaged, cut or incomplete stream, and whatever was in
memory for the rest. The format: https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

import math
import re
import zlib
from pathlib import Path

from benchmark.errors import CaseError
from benchmark.images.decimal_text import number_in
from benchmark.images.volume_files.streams import DAMAGED, ZERO_SPACING, refuse_large, unpacked_size

SUFFIXES = (".mhd", ".mha")
SIZE = re.compile("[0-9]{1,9}")
HEADER_LIMIT = 1 << 20
ITEM_BYTES = {
    **dict.fromkeys(("MET_CHAR", "MET_UCHAR"), 1),
    **dict.fromkeys(("MET_SHORT", "MET_USHORT"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_FLOAT"), 4),
    **dict.fromkeys(("MET_LONG_LONG", "MET_ULONG_LONG", "MET_DOUBLE"), 8),
}
DATA = "ElementDataFile"


def data_files(path: Path) -> list[Path]:
    """Return the files beside the header that hold its voxels, in order; none where the header's own file does.

    Raises `CaseError` where one is missing or lies elsewhere, or where the header does not say.
    """
    fields, listed, _ = _header(path)
    names = listed if fields.get(DATA) == "LIST" else [fields.get(DATA, "")]
    if names == ["LOCAL"]:
        return []
    if any("%" in name for name in names):
        raise CaseError(
            f"{path.name}: a pattern for its data files is not read; write the volume as one file"
        )
    files = [path.parent / name for name in names]
    try:
        there = all(name and file.is_file() for name, file in zip(names, files, strict=True))
    except OSError:  # a name longer than any
        there = False
    if not names or not there:
        raise CaseError(f"{path.name}: its header must name its data files, and these must be there ({DATA})")
    return files


def check(path: Path) -> None:
    """Raise `CaseError` unless the header is one of a 3-D volume with a spacing in mm, from the header alone."""
    fields, _, _ = _header(path)
    if fields.get("NDims") != "3" or fields.get("ElementNumberOfChannels", "1") != "1":
        raise CaseError(
            f"{path.name}: not a 3-D image of one value per voxel (NDims, ElementNumberOfChannels)"
        )
    if fields.get("DistanceUnits", "mm") not in ("mm", "?"):
        raise CaseError(f"{path.name}: its spacings are in another unit than mm; convert them to mm")
    for key, plain in (("ElementToIntensityFunctionSlope", 1.0), ("ElementToIntensityFunctionOffset", 0.0)):
        if _numbers(path, fields, key, [plain]) != [plain]:
            raise CaseError(f"{path.name}: {key} is not {plain:g}; write the voxels in HU")
    spacing = _numbers(path, fields, "ElementSpacing") or _numbers(path, fields, "ElementSize")
    if len(spacing) != 3:
        raise CaseError(
            f"{path.name}: its header gives no voxel spacing along three axes; write ElementSpacing in mm"
        )
    if 0 in spacing:
        raise CaseError(f"{path.name}: {ZERO_SPACING}")
    if min(spacing) < 0:
        raise CaseError(f"{path.name}: a voxel spacing in its header is negative; correct the header")
    data_files(path)
    refuse_large(path.name, math.prod(_sizes(path, fields)) * ITEM_BYTES[fields["ElementType"]])


def check_bytes(path: Path) -> None:
    """Raise `CaseError` unless the voxels are all there: sizes, number of files, and checksums if compressed."""
    fields, _, end = _header(path)
    sizes, item = _sizes(path, fields), ITEM_BYTES[fields["ElementType"]]
    files = data_files(path)
    if fields.get(DATA) == "LIST" and len(set(files)) != sizes[2]:
        raise CaseError(
            f"{path.name}: it names {len(set(files))} files for {sizes[2]} slices; give all of them"
        )
    slices = sizes[2] // len(files) if files else sizes[2]
    expected = sizes[0] * sizes[1] * slices * item
    for file in files or [path]:
        size = _size(path, file, fields, 0 if files else end, expected)
        if size != expected:
            raise CaseError(
                f"{_called(path, file)}: {size} bytes of voxels, where the header means {expected}; {DAMAGED}"
            )


def _sizes(path: Path, fields: dict[str, str]) -> list[int]:
    """Return the numbers of columns, rows and slices. Raises `CaseError` where the header does not say."""
    sizes = [int(size) for size in fields.get("DimSize", "").split() if SIZE.fullmatch(size)]
    binary = fields.get("BinaryData", "True").lower() == "true"
    if len(sizes) != 3 or fields.get("ElementType") not in ITEM_BYTES or not binary:
        raise CaseError(
            f"{path.name}: DimSize and ElementType are not those of a binary volume; write it again"
        )
    return sizes


def _size(header: Path, file: Path, fields: dict[str, str], begin: int, expected: int) -> int:
    """Return the number of bytes of voxels that a file holds from byte `begin` on."""
    skipped = int(fields.get("HeaderSize", "0")) if fields.get("HeaderSize", "0").isdigit() else -1
    if skipped:
        raise CaseError(f"{header.name}: HeaderSize is not 0; write the voxels without a header")
    if fields.get("CompressedData", "False").lower() != "true":
        return file.stat().st_size - begin
    packed = fields.get("CompressedDataSize", str(file.stat().st_size - begin))
    if packed != str(file.stat().st_size - begin):
        raise CaseError(f"{_called(header, file)}: CompressedDataSize is not what the file holds; {DAMAGED}")
    return unpacked_size(file, begin, zlib.MAX_WBITS, expected, _called(header, file))


def _called(header: Path, file: Path) -> str:
    return header.name if file == header else f"{header.name}, a data file of it"


def _header(path: Path) -> tuple[dict[str, str], list[str], int]:
    """Return the header's fields, the lines behind them (of a LIST), and where voxels in the same file begin."""
    fields: dict[str, str] = {}
    with path.open("rb") as stream:
        while DATA not in fields:
            line = stream.readline(HEADER_LIMIT).decode("latin-1")
            key, equals, value = line.partition("=")
            if not equals or stream.tell() > HEADER_LIMIT:
                raise CaseError(f"{path.name}: {DAMAGED}")
            if key.strip() in fields:
                raise CaseError(f"{path.name}: its header says something twice; remove one")
            fields[key.strip()] = value.strip()
        end = stream.tell()
        listed = stream.read(HEADER_LIMIT).decode("latin-1").split("\n") if fields[DATA] == "LIST" else []
    return fields, [name.strip() for name in listed if name.strip()], end


def _numbers(path: Path, fields: dict[str, str], key: str, default: list[float] | None = None) -> list[float]:
    numbers = [number_in(text) for text in fields[key].split()] if key in fields else default or []
    if any(map(math.isnan, numbers)):
        raise CaseError(f"{path.name}: {key} holds what is no number; correct the header")
    return numbers
