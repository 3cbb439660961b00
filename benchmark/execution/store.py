"""Content-addressed results on disk: a key is the hash of what made the result, never a path, a name or a time."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.execution.privacy import private_mode


@dataclass(frozen=True)
class Codec:
    """How a record becomes bytes, and what its files' names end in."""

    suffix: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


JSON = Codec("json", lambda record: json.dumps(record, allow_nan=False).encode(), json.loads)
"""JSON-able records; floats survive to the last bit."""


def as_bytes(suffix: str) -> Codec:
    """Return the codec of records that are bytes already."""
    return Codec(suffix, bytes, bytes)


class Store:
    """A folder of finished results. Writing is atomic: a result is there whole or not at all.

    The folder holds no absolute path, so it can be copied to another machine and still hits. Each file begins with a
    line of what it is, its key and the SHA-256 of the rest: one that was damaged, cut, swapped or changed by hand is
    told from a result, and made again. So is one whose bytes a power loss kept from the disk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, kind: str, key: str, codec: Codec = JSON) -> Any | None:
        """Return the stored record; None if there is none, or one that is damaged, of which a warning tells."""
        file = self._file(kind, key, codec.suffix)
        try:
            head, _, content = file.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        if head == _head(kind, key, content):
            return codec.decode(content)
        print(f"cacbench: {file}: damaged, or not what was stored; it is made again", file=sys.stderr)
        return None

    def holds(self, kind: str, key: str, codec: Codec = JSON) -> bool:
        """Return whether there is a record, which may yet be damaged: its file is not read."""
        return self._file(kind, key, codec.suffix).is_file()

    def put(self, kind: str, key: str, record: Any, codec: Codec = JSON) -> None:
        """Store a record."""
        content = codec.encode(record)
        write_atomically(self._file(kind, key, codec.suffix), _head(kind, key, content) + b"\n" + content)

    def _file(self, kind: str, key: str, suffix: str) -> Path:
        return self.folder / kind / key[:2] / f"{key}.{suffix}"


def _head(kind: str, key: str, content: bytes) -> bytes:
    return f"cacbench {kind} {key} {hashlib.sha256(content).hexdigest()}".encode()


def json_text(content: Any, *, sort_keys: bool = False) -> str:
    """Return JSON as people and other programs read it; null for a number that is not finite, which JSON lacks."""
    return json.dumps(_finite(content), indent=1, sort_keys=sort_keys, allow_nan=False) + "\n"


def _finite(content: Any) -> Any:
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    return [_finite(value) for value in content] if isinstance(content, list | tuple) else content


def require_writable(folder: Path) -> None:
    """Make `folder` if it is not there and try to write into it. Raises `UserError` where that cannot be done."""
    probe = folder / f".cacbench.{os.getpid()}"
    try:
        if not folder.exists():
            folder.mkdir(private_mode(), parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"{folder}: nothing can be written there ({reason}); name a folder that can be written to"
        ) from None


def write_atomically(file: Path, content: bytes) -> None:
    """Write `file` through a temporary one beside it, so that no reader ever sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Beside the file, not in the system's folder for such: a rename is atomic within one file system alone.
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
