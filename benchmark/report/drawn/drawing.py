"""A figure as files: drawn where the store has none of the same code and tables, else those."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmark.execution.store import Store, as_bytes, write_atomically
from benchmark.plugins.fingerprint import code_digest, digest_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KIND = "figures"
_DRAWN_BY = ("matplotlib", "numpy", "pandas", "scikit-learn", "pillow", "kiwisolver")
"""Distributions whose version may change a figure's bytes."""
_FORMATS: Mapping[str, dict[str, None]] = {"svg": {"Date": None}, "png": {"Software": None}}
"""Without a date, so that the same results give the same bytes."""


@dataclass(frozen=True)
class Drawing:
    """A figure that is drawn when its files are needed, in matplotlib's own style whatever the user's settings."""

    draw: Callable[..., Figure]
    """A function of a module, which looks at nothing but what it is given."""
    shown: Sequence[Any]
    """What it is given: tables, texts, numbers, dataclasses of them."""

    def key(self, name: str, suffix: str) -> str:
        """Return the SHA-256 of all that decides the file: what is shown, and the code that draws and writes it."""
        what = [name, suffix, self.draw.__qualname__, [_plain(item) for item in self.shown]]
        return digest_of([what, code_digest(self.draw.__module__), code_digest(__name__), _versions()])

    def figure(self) -> Figure:
        """Draw it."""
        return self.draw(*self.shown)


def write_figure(figure: Figure | Drawing, folder: Path, name: str, store: Store) -> list[Path]:
    """Write a figure as SVG and PNG; of a `Drawing`, the files that the store holds of the same."""
    contents = _kept(figure, name, store) if isinstance(figure, Drawing) else _rendered(figure, name)
    files = []
    for suffix, content in contents.items():
        files.append(folder / f"{name}.{suffix}")
        write_atomically(files[-1], content)
    return files


def _kept(drawing: Drawing, name: str, store: Store) -> dict[str, bytes]:
    keys = {suffix: drawing.key(name, suffix) for suffix in _FORMATS}
    found = {
        suffix: content
        for suffix, key in keys.items()
        if (content := store.get(KIND, key, as_bytes(suffix))) is not None
    }
    if len(found) == len(keys):
        return found
    drawn = _rendered_in_own_style(drawing, name)
    for suffix, content in drawn.items():
        store.put(KIND, keys[suffix], content, as_bytes(suffix))
    return drawn


def _rendered_in_own_style(drawing: Drawing, name: str) -> dict[str, bytes]:
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        return _rendered(drawing.figure(), name)


def _rendered(figure: Figure, name: str) -> dict[str, bytes]:
    import matplotlib as mpl

    contents = {}
    with mpl.rc_context({"svg.hashsalt": name}):  # without a salt the ids in an SVG are random
        for suffix, metadata in _FORMATS.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, dpi=150, metadata=metadata)
            contents[suffix] = buffer.getvalue()
    return contents


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in _DRAWN_BY}


def _plain(value: Any) -> Any:
    """Return what a figure shows as JSON values, equal for equal ones to the last bit."""
    if isinstance(value, pd.DataFrame):
        columns = [[str(name), str(column.dtype), column.tolist()] for name, column in value.items()]
        return [value.index.tolist(), columns]
    if isinstance(value, pd.Series):
        return [value.index.tolist(), value.tolist()]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
