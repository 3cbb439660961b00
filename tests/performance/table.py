"""The table of what costs what, measured here: ``python -m tests.performance.table [DATA [RESULTS]]``.

DATA are the real scans, RESULTS those of the finished default study. Prints the table and writes
``results/performance.json``: every measurement, and how a study and its steps grow.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import json
import sys
from itertools import chain
from pathlib import Path

import SimpleITK as sitk

from benchmark.execution.environment import machine
from tests.performance import commands, default_study, features, grid, growth, intervals, reading, steps

HEAD = ("what", "against", "s of CPU", "s of the other", "ratio", "goal", "results")


def main() -> None:
    """Print a row as soon as it is measured."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    data = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data")
    results = Path(sys.argv[2] if len(sys.argv) > 2 else "results")
    print(f"{machine()['processor']}, one thread\n")
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    records = []
    of_study = default_study.rows(results), commands.rows(results)
    for row in chain(features.rows(data), grid.rows(), intervals.rows(), reading.rows(data), *of_study):
        print(f"| {' | '.join(row.cells())} |", flush=True)
        records.append(row.record())
    grown = [growth.in_own_process(cases) for cases in growth.SIZES]
    print("\n| cases | planned, s | MB | reported, s | MB |\n|---|---|---|---|---|")
    for size in grown:
        numbers = (f"{size[name]:.1f}" for name in ("plan_s", "plan_mb", "report_s", "report_mb"))
        print(f"| {size['cases']:,} | {' | '.join(numbers)} |")
    grown_steps = steps.growths()
    for name, points in grown_steps.items():
        sizes = ", ".join(f"{point['size']:,.0f}: {point['seconds']:.2f} s" for point in points)
        print(f"\n{name}: {sizes}; at the end with the power {steps.exponent(points):.2f}")
    content = {"machine": machine(), "rows": records, "growth": grown, "steps": grown_steps}
    Path("results/performance.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
