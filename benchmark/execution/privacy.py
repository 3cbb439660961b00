"""Who may read what is written: its owner alone, unless somebody decided otherwise by the umask."""

from __future__ import annotations

import os

UNDECIDED = (0o000, 0o022)
"""What a system sets where nobody thought of it: everybody may read."""


def keep_private() -> None:
    """Have this process, and those it starts, write files for their owner, and a group that the umask lets write."""
    os.umask(_private())


def private_mode() -> int:
    """Return the mode of a folder of results that is made new."""
    return 0o777 & ~_private()


def _private() -> int:
    mask = os.umask(0o077)  # it can only be read by being set
    os.umask(mask)
    return 0o077 if mask in UNDECIDED else mask | 0o007
