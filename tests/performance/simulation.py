"""What a large study takes on a cluster and what saturates first: ``python -m tests.performance.simulation``.

Each scan is read from one shared storage, worked on by one worker, and its records are handed to the one process that
runs the study, which keeps twice as many scans in flight as there are workers (`benchmark.execution.workers`). Costs
are those measured here: the soak's for that process, the default study's for a scan. Nothing else is modelled.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

SCANS = 100_000
WORKERS = (10, 100, 1_000)


@dataclass(frozen=True)
class Costs:
    """Of a scan: seconds of a worker's core, of the study's process, and MB to read; MB a second of the storage."""

    worker_s: float = 4.0
    parent_s: float = 0.0057
    scan_mb: float = 50.0
    storage_mb_s: float = 1_000.0
    spread: float = 0.4
    """Standard deviation of the logarithm of a worker's time."""


@dataclass(frozen=True)
class Outcome:
    """Hours that all scans take, and the share of them in which each part was busy."""

    hours: float
    workers: float
    parent: float
    storage: float

    @property
    def first(self) -> str:
        """What is busiest."""
        return max(("workers", "parent", "storage"), key=lambda part: getattr(self, part))


def simulate(workers: int, scans: int, costs: Costs, seed: int = 0) -> Outcome:
    """Send every scan through storage, a worker and the parent, each in the order of arrival."""
    mu = np.log(costs.worker_s) - costs.spread**2 / 2
    takes = np.random.default_rng(seed).lognormal(mu, costs.spread, scans)
    reading = costs.scan_mb / costs.storage_mb_s
    free, flying = [0.0] * workers, list[float]()
    storage = parent = 0.0
    for worked in takes:
        sent = 0.0
        if len(flying) == 2 * workers:  # another is sent when the parent has taken what came back first
            sent = parent = max(parent, heapq.heappop(flying)) + costs.parent_s
        storage = max(storage, heapq.heappop(free), sent) + reading
        heapq.heappush(free, storage + worked)
        heapq.heappush(flying, storage + worked)
    for done in sorted(flying):
        parent = max(parent, done) + costs.parent_s
    end = parent
    return Outcome(
        end / 3600, takes.sum() / workers / end, scans * costs.parent_s / end, scans * reading / end
    )


if __name__ == "__main__":
    for name, costs in (
        ("as the default study's", Costs()),
        ("whole chests", Costs(worker_s=30.0, scan_mb=100.0)),
    ):
        print(f"{SCANS:,} scans, {name}: {costs}")
        for count in WORKERS:
            found = simulate(count, SCANS, costs)
            shares = ", ".join(
                f"{part} {getattr(found, part):.0%}" for part in ("workers", "parent", "storage")
            )
            print(f"  {count:,} workers: {found.hours:.1f} h; busy: {shares}; {found.first} saturate first")
