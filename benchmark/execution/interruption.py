"""What an interruption must not part: Ctrl-C raises `KeyboardInterrupt` between any two steps of Python."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_back() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block is done.

    A lock that is taken where the exception strikes stays taken for good, and whoever ends by that lock hangs.
    """
    if (
        threading.current_thread() is not threading.main_thread()
    ):  # Python runs handlers in the main thread alone
        yield
        return
    came: list[int] = []
    before = {
        int(number): signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not None  # one that another language's code set cannot be set again
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)
