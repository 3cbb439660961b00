"""Compressed voxels: how many bytes a stream holds, whether it is whole, and how many are too many."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from benchmark.errors import CaseError

DAMAGED = "damaged or truncated; fetch or write it again"
ZERO_SPACING = "a voxel spacing in its header is zero"
LARGEST = 1 << 31
"""Bytes of voxels, as they are stored, above which nothing is unpacked: 1024 × 1024 × 1024 of 16 bits."""
_BLOCK = 1 << 20


def refuse_large(name: str, size: int) -> None:
    """Raise `CaseError` if a header means more bytes of voxels than are read: they may come from a small file."""
    if size > LARGEST:
        raise CaseError(
            f"{name}: its header means more than {LARGEST >> 30} GiB of voxels, and is damaged; or crop or resample it"
        )


def unpacked_size(path: Path, begin: int, wbits: int, expected: int, name: str = "") -> int:
    """Return the number of bytes that the compressed stream from byte `begin` on holds, its checksum being right.

    `wbits` is zlib's: which header and checksum the stream has. Raises `CaseError` for a damaged or cut stream, for
    bytes behind it, and, as soon as that is seen, for one that holds more than is `expected`; it calls the file by
    `name`, if that is given.
    """
    name = name or path.name
    size, stream = 0, zlib.decompressobj(wbits)
    try:
        for length in _unpacked(path, begin, stream):
            size += length
            if size > expected:
                raise CaseError(f"{name}: its compressed voxels are more than its header means; {DAMAGED}")
    except zlib.error as error:
        raise CaseError(f"{name}: its compressed voxels are damaged; fetch or write it again") from error
    if not stream.eof or stream.unused_data:
        raise CaseError(
            f"{name}: its compressed voxels are cut or followed by other bytes; fetch or write it again"
        )
    return size


def holds_more(path: Path, begin: int, wbits: int, limit: int) -> bool:
    """Say whether a stream holds more bytes than `limit`; one that is damaged holds what comes before that."""
    size = 0
    try:
        for length in _unpacked(path, begin, zlib.decompressobj(wbits)):
            size += length
            if size > limit:
                return True
    except zlib.error:
        return False
    return False


def _unpacked(path: Path, begin: int, stream: zlib._Decompress) -> Iterator[int]:
    """Yield how many bytes come out of a stream, never many at once: of zeros a thousandfold does."""
    with path.open("rb") as file:
        file.seek(begin)
        while block := file.read(_BLOCK):
            while block:
                yield len(stream.decompress(block, _BLOCK))
                block = stream.unconsumed_tail
    yield len(stream.flush())
