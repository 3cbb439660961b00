"""Whether work may end the process that asked for it, where one process is enough for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_APART = ContextVar("apart", default=False)


@contextmanager
def apart() -> Iterator[None]:
    """Within, have a single process be one of its own, too: an item that kills it is left out, and ends nothing else.

    For a command, whose process holds nothing but it. In a script or a notebook whoever starts processes must see to
    it that they do not run the script again.
    """
    before = _APART.set(True)
    try:
        yield
    finally:
        _APART.reset(before)


@contextmanager
def here(wanted: bool) -> Iterator[None]:
    """Within, if wanted, have a single process be this one, for work that is done sooner than a process starts."""
    before = _APART.set(is_apart() and not wanted)
    try:
        yield
    finally:
        _APART.reset(before)


def is_apart() -> bool:
    """Return whether a single process is to be one of its own."""
    return _APART.get()
