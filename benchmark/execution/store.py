"""Content-addressed results on disk: a key is the hash of what made the result, never a path, a name or a time."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Store:
    """A folder of finished results. Writing is atomic: a result is there whole or not at all.

    The folder holds no absolute path, so it can be copied to another machine and still hits.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, kind: str, key: str) -> Any | None:
        """Return the stored record, or None."""
        content = self.get_bytes(kind, key, suffix="json")
        return None if content is None else json.loads(content)

    def put(self, kind: str, key: str, record: Any) -> None:
        """Store a JSON-able record; floats survive to the last bit."""
        self.put_bytes(kind, key, json.dumps(record, allow_nan=False).encode(), suffix="json")

    def get_bytes(self, kind: str, key: str, *, suffix: str) -> bytes | None:
        """Return the stored bytes, or None."""
        try:
            return self._file(kind, key, suffix).read_bytes()
        except FileNotFoundError:
            return None

    def put_bytes(self, kind: str, key: str, content: bytes, *, suffix: str) -> None:
        """Store bytes."""
        write_atomically(self._file(kind, key, suffix), content)

    def _file(self, kind: str, key: str, suffix: str) -> Path:
        return self.folder / kind / key[:2] / f"{key}.{suffix}"


def write_atomically(file: Path, content: bytes) -> None:
    """Write `file` through a temporary one beside it, so that no reader ever sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
