"""NRRD: a header with a spacing in mm, and as many voxels behind it as it says.

teem, which ITK reads with, takes a missing spacing for 1 mm and disregards units. The format:
https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmark.errors import CaseError
from benchmark.images.decimal_text import number_in
from benchmark.images.volume_files.streams import DAMAGED, refuse_large, unpacked_size

SUFFIXES = (".nrrd",)
LONGEST_LINE = 400
"""Characters of a field: of a longer one that it cannot read teem writes its complaint past its buffer."""
SIZE = re.compile("[0-9]{1,9}")
HEADER_LIMIT = 1 << 20
"""A header names every segment of a segmentation in full: a hundred of them take 70 kB."""
ITEM_BYTES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(
        ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t"), 4
    ),
    **dict.fromkeys(("longlong", "long long", "int64", "int64_t", "ulonglong", "uint64", "uint64_t"), 8),
    "float": 4,
    "double": 8,
}
MILLIMETRES = ("mm", "millimeter", "millimeters", "millimetre", "millimetres", "")


def check(path: Path, layered: bool = False) -> None:
    """Raise `CaseError` unless the header is that of a 3-D volume whose spacing is given, in mm.

    `layered`: there may be a list of such volumes on one grid, as Slicer writes segments that overlap.
    """
    fields, _ = _header(path)
    if "data file" in fields or "datafile" in fields:
        # the digest of the header would not cover the voxels
        raise CaseError(f"{path.name}: its voxels are in another file; save it as one NRRD file")
    list_first = layered and fields.get("kinds", "").split()[:1] in (["list"], ["vector"])
    if fields.get("dimension") != ("4" if list_first else "3"):
        raise CaseError(f"{path.name}: not a 3-D image, as its `dimension` says; save it as one volume")
    for key in ("line skip", "lineskip", "byte skip", "byteskip"):
        if fields.get(key, "0") != "0":
            raise CaseError(f"{path.name}: its header skips bytes ({key}); save it again without")
    units = re.findall(r'"([^"]*)"', fields.get("space units", "") + fields.get("units", ""))
    foreign = [unit for unit in units if unit.strip().lower() not in MILLIMETRES]
    if foreign:
        raise CaseError(f"{path.name}: its spacings are in another unit than mm; convert them to mm")
    _refuse_spacing(path, fields)
    refuse_large(path.name, _bytes_meant(path, fields))


def check_bytes(path: Path) -> None:
    """Raise `CaseError` unless the file holds as many bytes of voxels as its header says, intact if compressed."""
    fields, data = _header(path)
    raw, expected = fields["encoding"].lower() == "raw", _bytes_meant(path, fields)
    packed = zlib.MAX_WBITS | 16
    size = path.stat().st_size - data if raw else unpacked_size(path, data, packed, expected)
    if size != expected:
        raise CaseError(f"{path.name}: {size} bytes of voxels, where its header means {expected}; {DAMAGED}")


def _bytes_meant(path: Path, fields: dict[str, str]) -> int:
    """Return how many bytes the voxels take. Raises `CaseError` where the header does not say."""
    sizes = [int(size) for size in fields.get("sizes", "").split() if SIZE.fullmatch(size)]
    item = ITEM_BYTES.get(fields.get("type", "").lower())
    encoding = fields.get("encoding", "").lower()
    if str(len(sizes)) != fields.get("dimension") or item is None or encoding not in ("raw", "gzip", "gz"):
        raise CaseError(
            f"{path.name}: sizes, type and encoding of its header are not those of a volume; "
            "save it raw or gzip-compressed"
        )
    return math.prod(sizes) * item


def key_values(path: Path) -> Iterator[tuple[str, str]]:
    """Yield what the header says by ``key:=value``, which the format leaves to whoever writes it; texts are UTF-8."""
    with path.open("rb") as stream:
        head = re.split(rb"\r?\n\r?\n", stream.read(HEADER_LIMIT), maxsplit=1)[0]
    for line in re.split(r"\r?\n", head.decode("utf-8", errors="replace")):
        key, sign, value = line.partition(":=")
        if sign and not line.startswith("#") and ": " not in key:
            yield key, value.replace("\\n", "\n").replace("\\\\", "\\").strip()


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Return the header's fields, keys in lower case, and where the voxels begin."""
    with path.open("rb") as stream:
        head = stream.read(HEADER_LIMIT)
    blank = re.search(rb"\r?\n\r?\n", head)
    if not head.startswith(b"NRRD000"):
        raise CaseError(f"{path.name}: {DAMAGED}")
    text = head[: blank.start()] if blank else head  # a header whose voxels are elsewhere need not end
    fields: dict[str, str] = {}
    for line in text.decode("latin-1").splitlines()[1:]:
        key, colon, value = line.partition(": ")
        if line.startswith("#") or ":=" in key:
            continue
        if len(line) > LONGEST_LINE:
            raise CaseError(f"{path.name}: a line of its header is longer than any; {DAMAGED}")
        if not colon:
            continue
        if key.strip().lower() in fields:
            raise CaseError(f"{path.name}: its header says something twice; remove one")
        fields[key.strip().lower()] = value.strip()
    return fields, blank.end() if blank else len(head)


def _refuse_spacing(path: Path, fields: dict[str, str]) -> None:
    named = [name for name in ("spacings", "space directions") if name in fields]
    if len(named) != 1:
        raise CaseError(
            f"{path.name}: its header gives {'no voxel spacing' if not named else 'its spacing twice'}; write one of "
            "`spacings` and `space directions`"
        )
    try:
        if named == ["spacings"]:
            steps = np.array([number_in(text) for text in fields["spacings"].split()])
        else:
            vectors = re.findall(r"\(([^)]*)\)", fields["space directions"])
            steps = np.linalg.norm(
                [[number_in(text) for text in vector.split(",")] for vector in vectors], axis=1
            )
    except ValueError:
        steps = np.array([])
    if steps.shape != (3,) or not (np.isfinite(steps).all() and (steps > 0).all()):
        raise CaseError(
            f"{path.name}: {named[0]} in its header give no length along three axes; correct the header"
        )
