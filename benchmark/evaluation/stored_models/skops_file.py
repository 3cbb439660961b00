"""A fitted estimator as the bytes of a skops file, the same in every process.

skops tells objects apart by their addresses in memory, which it also calls the archive's files by, and the archive
keeps the time of day. Here they are numbered as they come, and the time is the first that an archive knows.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any

SCHEMA = "schema.json"
IDENTITY, FILE = "__id__", "file"


@cache
def skops_io() -> Any:
    """Return `skops.io`, imported without PyTorch: half the time, and 190 MB less in each worker."""
    with _without_array_libraries():
        return import_module("skops.io")


@contextmanager
def _without_array_libraries() -> Iterator[None]:
    """Hide what scikit-learn's packages import when skops walks through all of them for the names of estimators."""
    wrappers = (f"sklearn.externals.array_api_compat.{name}" for name in ("cupy", "dask", "torch"))
    hidden = [name for name in wrappers if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes an import fail
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def skops_bytes(estimator: Any) -> bytes:
    """Return the estimator in a format that loads without executing code (https://skops.readthedocs.io)."""
    with zipfile.ZipFile(io.BytesIO(skops_io().dumps(estimator))) as written:
        schema = json.loads(written.read(SCHEMA))
        names: dict[str, str] = {}
        _number(schema, {}, names)
        parts = {names[name]: written.read(name) for name in written.namelist() if name != SCHEMA}
    return _archive({**dict(sorted(parts.items())), SCHEMA: json.dumps(schema).encode()})


def _number(node: Any, identities: dict[Any, int], names: dict[str, str]) -> None:
    """Give identities and files, in place, numbers in the order in which the schema has them."""
    if isinstance(node, list):
        for item in node:
            _number(item, identities, names)
    if not isinstance(node, dict):
        return
    if IDENTITY in node:
        # Whether two equal numbers or texts are one object differs between processes; nothing hangs on it.
        own = object() if node.get("is_json") else node[IDENTITY]
        node[IDENTITY] = identities.setdefault(own, len(identities))
    if isinstance(name := node.get(FILE), str):
        suffix = name.rpartition(".")[2]
        node[FILE] = names.setdefault(name, f"{len(names):06d}.{suffix}")
    for item in node.values():
        _number(item, identities, names)


def _archive(parts: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
