"""Where work runs: this process, a pool of processes, or a Dask cluster. Nothing else knows which."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from benchmark.errors import UserError
from benchmark.execution.interruption import held_back
from benchmark.execution.isolation import is_apart
from benchmark.execution.process_pool import ProcessPool, WorkerDiedError

Item = TypeVar("Item")
ASKED_EVERY_S = 5.0
"""How often a cluster is asked whether it is still there, in seconds without a result."""
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)


class Workers:
    """Runs a pure function over items and hands each result to the parent as soon as it is there."""

    def __init__(self, executor: Executor | None, jobs: int, lost: Callable[[], str] | None = None) -> None:
        """Without an executor this process does the work: nothing is spawned, nothing pickled.

        `lost` says why nothing will be done any more, or nothing; it is asked while nothing comes.
        """
        self._executor = executor
        self._lost = lost
        self.jobs = jobs

    def map(self, function: Callable[[Item], Any], items: Sequence[Item]) -> Iterator[tuple[int, Any]]:
        """Yield (position of the item, its result or exception) in the order of completion.

        A worker that dies takes no other item with it: what was in flight is tried again one item at a time, and
        the one that kills its worker again comes back as `WorkerDiedError`.
        """
        if self._executor is None:
            yield from ((position, _attempt(function, item)) for position, item in enumerate(items))
            return
        suspects: list[int] = []
        # Two for each process: the next item lies ready when one is done, and an interruption loses no more than these.
        everything = range(len(items))
        for position, outcome in self._window(self._executor, function, items, everything, 2 * self.jobs):
            if isinstance(outcome, _Lost):
                suspects.append(position)
            else:
                yield position, outcome
        for position in suspects:
            outcome = next(self._window(self._executor, function, items, [position], 1))[1]
            yield position, outcome.reason() if isinstance(outcome, _Lost) else outcome

    def _window(
        self,
        executor: Executor,
        function: Callable[[Item], Any],
        items: Sequence[Item],
        order: Iterable[int],
        size: int,
    ) -> Iterator[tuple[int, Any]]:
        """Keep `size` items in flight, so that memory and what an interruption loses stay bounded."""
        waiting = iter(order)
        flying: dict[Future[Any], int] = {}
        # Not `concurrent.futures.wait`, which takes the locks of all: an interruption there would leave some taken.
        done: SimpleQueue[Future[Any]] = SimpleQueue()
        while True:
            with held_back():
                for position in islice(waiting, size - len(flying)):
                    future = executor.submit(_attempt, function, items[position])
                    flying[future] = position
                    future.add_done_callback(done.put)
            if not flying:
                return
            future_done = self._next(done)
            if future_done is not None:
                yield flying.pop(future_done), _outcome(future_done)

    def _next(self, done: SimpleQueue[Future[Any]]) -> Future[Any] | None:
        """Wait for what is done next, a while where somebody says whether anything will come. Raises `UserError`."""
        try:
            future = done.get(timeout=ASKED_EVERY_S if self._lost else None)
        except Empty:
            future = None
        if self._lost and (future is None or future.cancelled()) and (reason := self._lost()):
            raise UserError(reason)
        return future


@dataclass(frozen=True)
class Cluster:
    """A Dask cluster that is started for a command and ends with it: `kind` is one of `dask_cluster.KINDS`."""

    kind: str
    workers: tuple[int, int]
    """The fewest and the most; where they differ, as many as there is work for."""
    settings: Mapping[str, Any]
    """What Dask's class for this kind takes by name."""


@contextmanager
def workers(jobs: int | None = None, *, dask: str | Cluster | None = None) -> Iterator[Workers]:
    """Open `jobs` worker processes (default: one per core), or a Dask cluster: a scheduler's address or one to start.

    The cores are shared out: each process may use cores // jobs threads. A single process is this one, unless `apart`.
    """
    if dask is not None:
        with _dask_workers(dask) as pool:
            yield pool
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = jobs or cores
    with _environment(dict.fromkeys(_THREAD_VARIABLES, str(max(1, cores // jobs)))):
        if jobs == 1 and not is_apart():
            yield Workers(None, 1)
            return
        processes = ProcessPool(jobs)
        try:
            yield Workers(processes, jobs)
            processes.shutdown(cancel_futures=True)
        except BaseException:
            with held_back():  # who presses Ctrl-C twice
                processes.kill()  # with what is in flight: its results would not be kept
            raise


@contextmanager
def _dask_workers(dask: str | Cluster) -> Iterator[Workers]:
    try:
        from benchmark.execution.dask_cluster import ClusterExecutor, connected
    except ImportError:
        raise UserError("--dask: Dask is not installed; pip install 'cacbench[dask]'") from None
    with connected(dask) as (client, count, watch):
        yield Workers(ClusterExecutor(client), count, watch.lost)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass(frozen=True)
class _Lost:
    """An item that came back without a result: its worker, or that of a neighbour, was killed."""

    error: BaseException

    def reason(self) -> BaseException:
        """Return what is told of an item that was lost when it was alone."""
        by_dask = type(self.error).__name__ == "KilledWorker"  # of `distributed`, which may not be installed
        return WorkerDiedError() if by_dask or isinstance(self.error, CancelledError) else self.error


def _outcome(future: Future[Any]) -> Any:
    """Return a finished item's result, or `_Lost`.

    What a function raises is among the results (see `_attempt`), so an exception is of the pool or the cluster, which
    have many: Dask's executor raises a `TypeError` for a result that was lost between its announcement and its use.
    """
    error = CancelledError() if future.cancelled() else future.exception()
    if isinstance(error, UserError):  # of a pool that cannot work at all
        return error
    return future.result() if error is None else _Lost(error)


def _attempt(function: Callable[[Item], Any], item: Item) -> Any:
    try:
        return function(item)
    except Exception as error:  # the caller decides what a failed item means
        return error
