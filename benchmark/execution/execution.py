"""What carries a study's work, in one object: the store of what is finished, the workers, and what shows progress."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from benchmark.errors import CaseError, UserError
from benchmark.execution.process_pool import WorkerDiedError
from benchmark.execution.progress import Advance, Progress, bars, silent
from benchmark.execution.store import JSON, Codec, Store, require_writable
from benchmark.execution.workers import Cluster, Workers, workers

Name = TypeVar("Name", bound=Hashable)
Part = TypeVar("Part", bound=Hashable)

MEASURED_FROM = 10
"""Tasks for each process from which on their cost is told; measuring it takes two of them."""


@dataclass(frozen=True)
class Failure:
    """Stands for the result of a task that failed, or for the record that a task could not make."""

    reason: str
    stage: str = ""
    """At which stage of the task, where it says so."""
    foreseen: bool = field(default=True, compare=False)
    """Whether it is the case's fault, said by a `CaseError`, and not a fault of code or machine."""


class Keyed(Protocol):
    """A picklable task that knows what decides its result."""

    def key(self) -> str:
        """Return the SHA-256 of all that decides the result. Raises `CaseError` where its scan cannot be read."""


@dataclass(frozen=True)
class Bundle(Generic[Part]):
    """Work on one case that makes several records: the key of each, and the task that makes those that are lacking."""

    keys: Mapping[Part, str]
    task: Callable[[tuple[Part, ...]], Any]


@dataclass(frozen=True)
class Done(Generic[Name]):
    """What came of some work: records by name, the failures of the others, and how many were computed now."""

    records: dict[Name, Any] = field(default_factory=dict)
    failures: dict[Name, Failure] = field(default_factory=dict)
    computed: int = 0

    def left_out(self) -> dict[Name, str]:
        """Return why cases were left out, for work whose result depends on which ones were.

        Raises `UserError` for a failure that nobody foresaw: a killed worker must not decide what is learnt.
        """
        for name, failure in self.failures.items():
            if not failure.foreseen:
                raise UserError(f"{name}: {failure.reason}; it must not be left out for that: run again")
        return {name: failure.reason for name, failure in self.failures.items()}


@dataclass(frozen=True)
class Execution:
    """Does what the store lacks, on the workers, and shows how far it is. One meaning of an error, see `reason_of`."""

    store: Store
    workers: Workers
    progress: Progress = silent
    verbose: bool = False
    """Whether each task is told by its name as it is done."""

    def within(self, name: str) -> Execution:
        """Return the same with `name` before every stage that is shown."""

        def show(stage: str, total: int) -> AbstractContextManager[Advance]:
            return self.progress(f"{name}: {stage}", total)

        return replace(self, progress=show)

    def do(
        self,
        stage: str,
        function: Callable[[Any], Any],
        tasks: Mapping[Name, Any],
        tell_cost: Callable[[Sequence[Any], int, int], str] | None = None,
    ) -> Iterator[tuple[Name, Any]]:
        """Yield the result of every task, or its `Failure`, in the order of completion. Raises `UserError` of a task.

        `tell_cost`, given some results, the number of tasks and of processes, says what the others will cost.
        """
        names = list(tasks)
        with self.progress(stage, len(names)) as advance:
            for position, result, said in self._results(function, list(tasks.values()), tell_cost):
                # A mistake in what was asked for concerns every task: going on would only repeat it.
                if isinstance(result, UserError):
                    raise result
                if isinstance(result, BaseException):
                    result = Failure(reason_of(result), foreseen=isinstance(result, CaseError))
                yield names[position], result
                advance("\n".join(filter(None, [said, self._told(stage, names[position], result)])))

    def _told(self, stage: str, name: Hashable, result: Any) -> str:
        if not self.verbose:
            return ""
        shown = " ".join(map(str, name)) if isinstance(name, tuple) else str(name)
        return f"{stage}: {shown}: {result.reason if isinstance(result, Failure) else 'done'}"

    def results(self, stage: str, function: Callable[[Any], Any], tasks: Mapping[Name, Any]) -> Done[Name]:
        """Do every task, in the order given, and keep nothing. Raises `UserError` of a task."""
        outcomes = dict(self.do(stage, function, tasks))
        done = {name: outcomes[name] for name in tasks}
        return Done(
            {name: result for name, result in done.items() if not isinstance(result, Failure)},
            {name: result for name, result in done.items() if isinstance(result, Failure)},
            len(done),
        )

    def records(
        self, kind: str, function: Callable[[Any], Any], tasks: Mapping[Name, Keyed], codec: Codec = JSON
    ) -> Done[Name]:
        """Return each task's record, from the store's `kind` or computed now. Raises `UserError` of a task."""
        bundles: dict[Name, Bundle[str]] = {}
        unread: dict[Name, Failure] = {}
        for name, task in tasks.items():
            try:
                bundles[name] = _alone(task)
            except CaseError as error:
                unread[name] = Failure(str(error), "read")
        done = self.parts(kind, function, bundles, lambda _, record: {"": record}, codec=codec)
        records = {name: done.records[name, ""] for name in bundles if (name, "") in done.records}
        return Done(
            records, unread | {name: item for (name, _), item in done.failures.items()}, done.computed
        )

    def parts(
        self,
        kind: str,
        function: Callable[[Any], Any],
        bundles: Mapping[Name, Bundle[Part]],
        receive: Callable[[Name, Any], Mapping[Part, Any]],
        *,
        codec: Codec = JSON,
        tell_cost: Callable[[Sequence[Any], int, int], str] | None = None,
    ) -> Done[tuple[Name, Part]]:
        """Return the records of all bundles, from the store's `kind` or made now from what `receive` takes of a result.

        `receive` gives a record, or a `Failure`, for each lacking part. A failure is never stored, so that the next
        start tries it again. Raises `UserError` of a task.
        """
        records: dict[tuple[Name, Part], Any] = {}
        for name, bundle in bundles.items():
            for part, key in bundle.keys.items():
                if (record := self.store.get(kind, key, codec)) is not None:
                    records[name, part] = record
        lacking = {
            name: missing
            for name, bundle in bundles.items()
            if (missing := tuple(part for part in bundle.keys if (name, part) not in records))
        }
        stored, failures = len(records), {}
        # A bundle may have some of its records: its task makes the others alone, and loads the scan once.
        tasks = {name: bundles[name].task(missing) for name, missing in lacking.items()}
        for name, result in self.do(kind, function, tasks, tell_cost):
            outcomes = (
                dict.fromkeys(lacking[name], result) if isinstance(result, Failure) else receive(name, result)
            )
            for part, outcome in outcomes.items():
                if isinstance(outcome, Failure):
                    failures[name, part] = outcome
                else:
                    self.store.put(kind, bundles[name].keys[part], outcome, codec)
                    records[name, part] = outcome
        return Done(records, failures, len(records) - stored)

    def _results(
        self,
        function: Callable[[Any], Any],
        tasks: Sequence[Any],
        tell_cost: Callable[[Sequence[Any], int, int], str] | None,
    ) -> Iterator[tuple[int, Any, str]]:
        """Yield (position, result or exception, what to tell people).

        Where the cost is to be told, each process begins with two tasks in turn: the first loads libraries and
        weights, the second is measured, under the load that the others will have.
        """
        jobs, done, measured = self.workers.jobs, set[int](), []
        pairs = (
            [(2 * i, 2 * i + 1) for i in range(jobs)]
            if tell_cost and len(tasks) >= MEASURED_FROM * jobs
            else []
        )
        in_turn = [(function, [tasks[position] for position in pair]) for pair in pairs]
        for at, results in self.workers.map(_one_after_the_other, in_turn):
            # A process that died took both with it: they are tried again, each on its own.
            if not isinstance(results, BaseException):
                measured.append(results[-1])
                told = tell_cost(measured, len(tasks), jobs) if tell_cost and len(measured) == jobs else ""
                for position, result, said in zip(pairs[at], results, ("", told), strict=True):
                    done.add(position)
                    yield position, result, said
        rest = [position for position in range(len(tasks)) if position not in done]
        for at, result in self.workers.map(function, [tasks[position] for position in rest]):
            yield rest[at], result, ""


def reason_of(error: BaseException) -> str:
    """Return why a task failed: the sentence of an error that was foreseen, or type and text of one that was not."""
    text = " ".join(str(error).split())
    if isinstance(error, CaseError | UserError | WorkerDiedError):
        return text
    return f"unexpected {type(error).__name__}: {text[:300]}"


@contextmanager
def open_execution(
    results: Path,
    jobs: int | None = None,
    dask: str | Cluster | None = None,
    progress: Progress = bars,
    verbose: bool = False,
) -> Iterator[Execution]:
    """Open the store under `results`, and `jobs` processes or a Dask cluster; progress goes to standard error.

    Raises `UserError` where nothing can be written to `results`: before work begins, not after it.
    """
    require_writable(results)
    with workers(jobs, dask=dask) as pool:
        yield Execution(Store(results / "store"), pool, progress, verbose)


def _alone(task: Keyed) -> Bundle[str]:
    """Return the bundle of a task that makes one record."""
    return Bundle({"": task.key()}, lambda _: task)


def _one_after_the_other(work: tuple[Callable[[Any], Any], Sequence[Any]]) -> list[Any]:
    function, tasks = work
    return [function(task) for task in tasks]
