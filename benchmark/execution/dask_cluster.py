"""A Dask cluster: how work gets there, and whether it still does anything, or one would wait for it for ever."""

from __future__ import annotations

import importlib
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import cloudpickle
from distributed import Client

from benchmark.errors import UserError
from benchmark.execution.large_arrays import Array, ArrayNames, NamesArrays, pack, unpack

if TYPE_CHECKING:
    from benchmark.execution.workers import Cluster

PATIENCE_S, QUEUE_PATIENCE_S = 40.0, 1800.0
"""How long no worker may be there, in seconds: one that is started again is back by then; in a queue it waits."""
_KEPT = "what was finished is kept: start {} again and run again"
KINDS = {
    "local": ("distributed", "LocalCluster"),
    "slurm": ("dask_jobqueue", "SLURMCluster"),
    "pbs": ("dask_jobqueue", "PBSCluster"),
    "lsf": ("dask_jobqueue", "LSFCluster"),
    "sge": ("dask_jobqueue", "SGECluster"),
    "oar": ("dask_jobqueue", "OARCluster"),
    "moab": ("dask_jobqueue", "MoabCluster"),
    "htcondor": ("dask_jobqueue", "HTCondorCluster"),
    "kubernetes": ("dask_kubernetes.operator", "KubeCluster"),
}
"""The module and the class that start a kind of cluster. Nothing else is looked up by a name of a study file's."""
_ON_THIS_MACHINE = {"threads_per_worker": 1, "dashboard_address": None}


@contextmanager
def connected(dask: str | Cluster) -> Iterator[tuple[Any, int, ClusterWatch]]:
    """Yield a client of the scheduler at an address, or of a cluster that is started; its workers; who watches it.

    Raises `UserError` where no scheduler answers, or the cluster cannot be started.
    """
    if isinstance(dask, str):
        try:
            client = Client(dask, timeout=10)
        except (OSError, ValueError) as error:
            message = f"--dask {dask}: no scheduler answers ({error}); start one or correct it"
            raise UserError(message) from None
        with client:
            watch = ClusterWatch(client, f"--dask {dask}")
            yield client, max(2, watch.workers()), watch  # two before any worker is there
        return
    with _started(dask) as cluster, Client(cluster) as client:
        patience = PATIENCE_S if dask.kind == "local" else QUEUE_PATIENCE_S
        yield client, dask.workers[1], ClusterWatch(client, f"execution: {dask.kind}", patience)


@contextmanager
def _started(cluster: Cluster) -> Iterator[Any]:
    """Start a cluster with its first workers asked for; what it started ends with it."""
    module, name = KINDS[cluster.kind]
    where = f"execution: cluster {cluster.kind}"
    package = module.split(".")[0].replace("_", "-")
    try:
        start = getattr(importlib.import_module(module), name)
    except ImportError:
        raise UserError(f"{where}: {package} is not installed; pip install {package}") from None
    fewest, most = cluster.workers
    own = {**_ON_THIS_MACHINE, "n_workers": fewest} if cluster.kind == "local" else {}
    try:
        started = start(**{**own, **cluster.settings})
    except Exception as error:  # each kind of cluster has its own
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        reason = " ".join(str(root).split())[:300]
        raise UserError(f"{where}: {package} cannot start it ({reason}); correct `settings`") from error
    with started:
        if fewest == most:
            started.scale(most)
        else:
            started.adapt(minimum=fewest, maximum=most)
        yield started


class ClusterWatch:
    """Watches a scheduler and its workers through a `distributed.Client`; `name` is how the user called it."""

    def __init__(self, client: Any, name: str, patience_s: float = PATIENCE_S) -> None:
        self._client, self._name, self._patience_s = client, name, patience_s
        self._seen: float | None = None
        if not self.workers():
            print(f"cacbench: {name}: no worker yet; waiting for one", file=sys.stderr)

    def workers(self) -> int:
        """Return how many workers there are."""
        count = len(self._client.nthreads())
        if count:
            self._seen = time.monotonic()
        return count

    def lost(self) -> str:
        """Return why nothing will be done any more; empty while something may be."""
        if self._client.status != "running":
            return f"{self._name}: the scheduler is gone; {_KEPT.format('it')}"
        try:
            there = self.workers()
        except Exception:  # a connection can break in as many ways as there are kinds of it
            return f"{self._name}: the scheduler is gone; {_KEPT.format('it')}"
        if there or self._seen is None or time.monotonic() - self._seen < self._patience_s:
            return ""
        return f"{self._name}: no worker is left for {self._patience_s:.0f} s; {_KEPT.format('one')}"


class ClusterExecutor(Executor):
    """Has a cluster call functions; a large array travels to each worker that needs it once, and not with each call."""

    def __init__(self, client: Any) -> None:
        self._client = client
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
        # Not `pure`: an item that is tried again would be answered by the loss that the cluster remembers.
        theirs = self._client.submit(_call, packed, named, pure=False)
        future: Future[Any] = Future()
        self._client.loop.add_callback(_hand_over, theirs, future)
        return future


async def _hand_over(theirs: Any, future: Future[Any]) -> None:
    """Give what becomes of a Dask future to another.

    Dask's own executor drops what is raised while it fetches a result, as where its worker died just then: whoever
    waited for that would wait for ever.
    """
    try:
        result = await theirs
    except CancelledError:
        future.cancel()
        future.set_running_or_notify_cancel()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


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
