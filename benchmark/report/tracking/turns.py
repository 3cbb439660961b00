"""One process at a time, where several would undo each other's work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.errors import UserError


@contextmanager
def turn(lock_file: Path, what: str, patience_s: float) -> Iterator[None]:
    """Hold `lock_file`, which nobody holds any more once the process that did has ended, however it did.

    Raises `UserError` where another process holds it, and so `what`, for longer than `patience_s` seconds.
    """
    from filelock import FileLock, Timeout

    lock_file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock_file, timeout=patience_s):
            yield
    except Timeout:
        raise UserError(
            f"{lock_file}: another cacbench has held {what} for {patience_s:g} s; end it, or name another --results"
        ) from None
