"""Large arrays that many tasks hold, as a table of features: each travels once, and the tasks carry its name."""

from __future__ import annotations

import io
import pickle
import shutil
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

LARGE_BYTES = 1_000_000
"""From this size on an array is named; a smaller one is as soon sent as looked up."""
_MAPPED = 8
"""Arrays that a process keeps mapped: about as many as a study's extractors have tables."""

Array = NDArray[Any]


class Harbour(Protocol):
    """Where arrays lie for whoever unpacks a message."""

    def ship(self, array: Array) -> str:
        """Lay an array there and return its name. Whatever this raises, the array goes with each message instead."""

    def holds(self, name: str) -> bool:
        """Say whether it still lies there."""

    def drop(self, name: str) -> None:
        """Take it away: nothing will name it any more."""


class ArrayNames:
    """Names arrays for as long as they live; each is shipped when it is first met, and again where it was lost."""

    def __init__(self, harbour: Harbour) -> None:
        self._harbour = harbour
        self._names: dict[int, str] = {}
        self._shipping = threading.Lock()

    def of(self, array: Array) -> str | None:
        """Return the name of an array; None if it could not be shipped."""
        with self._shipping:
            known = self._names.get(id(array))
            if known is not None and self._harbour.holds(known):
                return known
            try:
                name = self._harbour.ship(array)
            except Exception:  # no space, no worker yet
                return None
            self._names[id(array)] = name
            if known is None:
                weakref.finalize(array, self._gone, id(array)).atexit = False
            return name

    def _gone(self, identity: int) -> None:
        self._harbour.drop(self._names.pop(identity))


class NamesArrays:
    """What makes a pickler leave large arrays out; it stands before it among the bases."""

    name_of: Callable[[Array], str | None]

    def persistent_id(self, obj: Any) -> str | None:
        """Return the name of a large array, None for all else."""
        large = type(obj) is np.ndarray and obj.nbytes >= LARGE_BYTES and not obj.dtype.hasobject
        return self.name_of(obj) if large else None


class ArrayPickler(NamesArrays, ForkingPickler):
    """Pickles for a process of this machine."""


def pack(
    message: object,
    name_of: Callable[[Array], str | None],
    pickler: Callable[[io.BytesIO], Any] = ArrayPickler,
) -> bytes:
    """Pickle a message in which large arrays are but named; one that has no name goes with it."""
    packed = io.BytesIO()
    writer = pickler(packed)
    writer.name_of = name_of
    writer.dump(message)
    return packed.getvalue()


def unpack(packed: bytes, array_of: Callable[[str], Array]) -> Any:
    """Return a message that a process of this study packed; large arrays in it may not be written to."""
    return _Unpacker(packed, array_of).load()


class _Unpacker(pickle.Unpickler):
    def __init__(self, packed: bytes, array_of: Callable[[str], Array]) -> None:
        super().__init__(io.BytesIO(packed))
        self._array_of = array_of

    def persistent_load(self, pid: str) -> Array:
        """Return what was left out."""
        return self._array_of(pid)


class ArrayFiles:
    """Arrays as files of this machine, which its processes map into memory and share; they go with their folder."""

    def __init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None
        self._count = 0

    def ship(self, array: Array) -> str:
        """Write its file and return its path."""
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="cacbench-", ignore_cleanup_errors=True)
        self._count += 1
        file = Path(self._folder.name, f"{self._count}.npy")
        np.save(file, array, allow_pickle=False)
        return str(file)

    def holds(self, name: str) -> bool:
        """Say whether its file is there."""
        return Path(name).exists()

    def drop(self, name: str) -> None:
        """Remove its file; who has mapped it keeps it."""
        with suppress(OSError):
            Path(name).unlink()

    def close(self) -> None:
        """Remove all."""
        if self._folder is not None:
            self._folder.cleanup()


_folders: set[Path] = set()
"""Where what was mapped here lies."""


@lru_cache(maxsize=_MAPPED)
def mapped(file: str) -> Array:
    """Return what `ArrayFiles` wrote to a file, read as it is looked at."""
    _folders.add(Path(file).parent)
    return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))


def clear_up() -> None:
    """Remove what was mapped, at the end: whoever wrote it may have been killed and cannot."""
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)
