"""Tasks on feature tables, done once: what the store has is not computed again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol, TypeVar

from benchmark.execution.progress import Progress, silent
from benchmark.execution.store import Store
from benchmark.execution.workers import Workers

Name = TypeVar("Name", bound=Hashable)


class Keyed(Protocol):
    """A picklable task that knows what decides its result."""

    def key(self) -> str:
        """Return the SHA-256 of all that decides the result."""


Task = TypeVar("Task", bound=Keyed)


def run_stored(
    kind: str, tasks: Mapping[Name, Task], function: Callable[[Task], dict[str, Any]],
    store: Store, workers: Workers, progress: Progress = silent,
) -> tuple[dict[Name, dict[str, Any]], dict[Name, str]]:  # fmt: skip
    """Return each task's record, from the store's `kind` or computed now, and the reasons of those that failed.

    A record that was computed now has ``computed: True``.
    """
    keys = {name: task.key() for name, task in tasks.items()}
    records = {name: record for name, key in keys.items() if (record := store.get(kind, key)) is not None}
    lacking = [name for name in tasks if name not in records]
    errors: dict[Name, str] = {}
    with progress(kind, len(lacking)) as advance:
        for position, result in workers.map(function, [tasks[name] for name in lacking]):
            name = lacking[position]
            if isinstance(result, BaseException):
                errors[name] = " ".join(f"{type(result).__name__}: {result}".split())
            else:
                store.put(kind, keys[name], result)
                records[name] = {**result, "computed": True}
            advance()
    return records, errors
