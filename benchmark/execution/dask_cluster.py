"""A Dask cluster: how work gets there, and whether it still does anything, or one would wait for it for ever."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from typing import Any

import cloudpickle

from benchmark.execution.large_arrays import Array, ArrayNames, NamesArrays, pack, unpack

PATIENCE_S = 40.0
"""How long no worker may be there, in seconds: one that is started again is back by then."""
_KEPT = "what was finished is kept: start {} again and run again"


class ClusterWatch:
    """Watches a scheduler and its workers through a `distributed.Client`."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address
        self._seen: float | None = None
        if not self.workers():
            print(f"cacbench: --dask {address}: no worker yet; waiting for one", file=sys.stderr)

    def workers(self) -> int:
        """Return how many workers there are."""
        count = len(self._client.nthreads())
        if count:
            self._seen = time.monotonic()
        return count

    def lost(self) -> str:
        """Return why nothing will be done any more; empty while something may be."""
        if self._client.status != "running":
            return f"--dask {self._address}: the scheduler is gone; {_KEPT.format('it')}"
        try:
            there = self.workers()
        except Exception:  # a connection can break in as many ways as there are kinds of it
            return f"--dask {self._address}: the scheduler is gone; {_KEPT.format('it')}"
        if there or self._seen is None or time.monotonic() - self._seen < PATIENCE_S:
            return ""
        return f"--dask {self._address}: no worker is left for {PATIENCE_S:.0f} s; {_KEPT.format('one')}"


class ClusterExecutor(Executor):
    """Has a cluster call functions; a large array travels to each worker that needs it once, and not with each call."""

    def __init__(self, client: Any) -> None:
        # Not `pure`: an item that is tried again would be answered by the loss that the cluster remembers.
        self._executor = client.get_executor(pure=False)
        self._scattered = _Scattered(client)
        self._arrays = ArrayNames(self._scattered)

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a worker call `function`."""
        named: dict[str, Any] = {}

        def name_of(array: Array) -> str | None:
            name = self._arrays.of(array)
            if name is not None:
                named[name] = self._scattered.arrays[name]
            return name

        packed = pack((function, args, kwargs), name_of, _CloudPickler)
        future: Future[Any] = self._executor.submit(_call, packed, named)
        return future


class _CloudPickler(NamesArrays, cloudpickle.Pickler):
    """Pickles as Dask does, what a script defines included."""


class _Scattered:
    """Arrays as data of the cluster. It loses what lay on a worker that died alone."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.arrays: dict[str, Any] = {}
        """Dask's futures by name; it forgets what no future stands for."""

    def ship(self, array: Array) -> str:
        name = uuid.uuid4().hex
        self.arrays[name] = self._client.scatter(array, hash=False)
        return name

    def holds(self, name: str) -> bool:
        return bool(self.arrays[name].status == "finished")

    def drop(self, name: str) -> None:
        del self.arrays[name]


def _call(packed: bytes, arrays: Mapping[str, Array]) -> Any:
    function, args, kwargs = unpack(packed, arrays.__getitem__)
    return function(*args, **kwargs)
