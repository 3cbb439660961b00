"""Whole commands: the default study once more, `explain` and `audit` of it, a new extractor in a finished study."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.performance.pairs import Row

RUN = "radiomics/random_forest"
SMALL = """
name: small
cohort: {use: phantom, zero: 12, nonzero: 12}
segmenters: {reference: {}}
extractors:
  one: {use: radiomics, segmenter: reference}
  two: {use: radiomics, segmenter: reference, bin_width: 10}
classifiers: {random_forest: {}, logistic_regression: {}}
"""


def rows(results: Path) -> Iterator[Row]:
    """Yield a row for each command on the finished default study under `results`, and one for a new extractor."""
    there = ("--results", str(results))
    yield _row("the default study again, all stored", "≤ 10 s", ("run", "runs.yaml", *there), 5)
    for command in ("explain", "audit"):
        yield _row(
            f"{command} {RUN}", "≤ 4 min on two cores", (command, "runs.yaml", "--run", RUN, *there), 1
        )
    yield _new_extractor()


def _row(what: str, goal: str, command: Sequence[str], repeats: int) -> Row:
    taken = [cost(command, Path.cwd()) for _ in range(repeats)]
    walls = sorted(wall for _, wall in taken)
    by_the_clock = f"{walls[0]:.1f} to {walls[-1]:.1f} s by the clock"
    return Row(what, "–", goal, [cpu for cpu, _ in taken], equal=by_the_clock)


def _new_extractor() -> Row:
    """A second extractor in a study that had finished with one, against a study of that one alone from nothing."""
    ours, theirs = [], []
    for _ in range(3):
        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "small.yaml").write_text(SMALL)
            run = ("run", "small.yaml", "--results")
            cost((*run, "both", "--only", "one"), folder)
            ours.append(cost((*run, "both"), folder)[0])
            theirs.append(cost((*run, "alone", "--only", "two"), folder)[0])
    return Row("a new extractor in a finished study", "that one alone", "≤ 1.1 times as long", ours, theirs)


def cost(command: Sequence[str], folder: Path) -> tuple[float, float]:
    """Return the CPU seconds of a command and of its processes, and the seconds by the clock."""
    here = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": here}
    start, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    program = [sys.executable, "-c", "from benchmark.cli import main; main()", *command]
    done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"cacbench {' '.join(command)}: {done.stderr[-2000:]}")
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime, time.monotonic() - begin
