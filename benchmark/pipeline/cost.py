"""What an extraction will cost on this machine: measured on its first cases, told before the rest of them begin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmark.execution.progress import duration
from benchmark.execution.workers import Workers
from benchmark.pipeline.extraction import Extracted, ExtractionTask, extract

TOLD_FROM = 10
"""Cases for each process; of fewer the cost is not told, since measuring it takes two of them."""


def extract_all(tasks: Sequence[ExtractionTask], workers: Workers) -> Iterator[tuple[int, Any, str]]:
    """Yield (position of the task, its `Extracted` or exception, what to tell people) in the order of completion.

    Each process begins with two cases in turn: the first loads libraries and weights, the second is measured, under
    the load that the others will have.
    """
    done: set[int] = set()
    if len(tasks) >= TOLD_FROM * workers.jobs:
        pairs = [(2 * i, 2 * i + 1) for i in range(workers.jobs)]
        measured: list[Extracted] = []
        for at, results in workers.map(_extract_in_turn, [[tasks[i] for i in pair] for pair in pairs]):
            # A process that died took both with it: they are tried again, each on its own.
            if not isinstance(results, BaseException):
                measured.append(results[-1])
                last = len(measured) == workers.jobs
                for position, result in zip(pairs[at], results, strict=True):
                    tell = last and position == pairs[at][-1]
                    yield position, result, cost(measured, tasks, workers.jobs) if tell else ""
                    done.add(position)
    rest = [position for position in range(len(tasks)) if position not in done]
    for at, result in workers.map(extract, [tasks[position] for position in rest]):
        yield rest[at], result, ""


def cost(measured: Sequence[Extracted], tasks: Sequence[ExtractionTask], jobs: int) -> str:
    """Return a sentence: the seconds a case takes, for each extraction, and about how long all of them will."""
    names = list(dict.fromkeys(name for item in measured for name in item.seconds))
    each = {name: float(np.mean([item.seconds.get(name, 0.0) for item in measured])) for name in names}
    listed = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in each.items())
    whole = duration(sum(each.values()) * len(tasks) / jobs)
    processes = "1 process" if jobs == 1 else f"{jobs} processes"
    return f"a case takes here: {listed}; {len(tasks)} cases about {whole} with {processes}"


def _extract_in_turn(tasks: Sequence[ExtractionTask]) -> list[Extracted]:
    return [extract(task) for task in tasks]
