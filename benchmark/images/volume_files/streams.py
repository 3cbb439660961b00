"""Compressed voxels: how many bytes a stream holds, and whether it is whole."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from benchmark.errors import CaseError

DAMAGED = "damaged or truncated; fetch or write it again"
ZERO_SPACING = "a voxel spacing in its header is zero"


def unpacked_size(path: Path, begin: int, wbits: int, name: str = "") -> int:
    """Return the number of bytes that the compressed stream from byte `begin` on holds, its checksum being right.

    `wbits` is zlib's: which header and checksum the stream has. Raises `CaseError` for a damaged or cut stream, and
    for bytes behind it; it calls the file by `name`, if that is given.
    """
    name = name or path.name
    size, stream = 0, zlib.decompressobj(wbits)
    try:
        for block in _blocks(path, begin):
            size += len(stream.decompress(block))
    except zlib.error as error:
        raise CaseError(f"{name}: its compressed voxels are damaged; fetch or write it again") from error
    if not stream.eof or stream.unused_data:
        raise CaseError(
            f"{name}: its compressed voxels are cut or followed by other bytes; fetch or write it again"
        )
    return size


def _blocks(path: Path, begin: int) -> Iterator[bytes]:
    with path.open("rb") as stream:
        stream.seek(begin)
        while block := stream.read(1 << 20):
            yield block
