"""Many light cases through a Dask cluster whose workers come and go, and on one machine: are the bytes the same?

``python -m tests.performance.soak [CASES]``, by default 20,000, on four workers. It prints how long both took and what
the memory of the command was as the study went on; only what MLflow keeps is left aside, for it has clocks in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.benchmark.execution.clusters import ENVIRONMENT, cluster, worker

WORKERS = 4
RECORDS = 2
"""Of each case: its features, and what the rules look at."""
STUDY = """
name: soak
cohort: {{use: toy_cohort, zero: {half}, nonzero: {half}, contrast: 60}}
segmenters: {{toy_centre: {{}}}}
extractors: {{moments: {{use: toy_moments, segmenter: toy_centre}}}}
classifiers: {{logistic_regression: {{grid: {{C: [0.1, 1.0]}}}}, toy_nearest: {{}}}}
protocol: {{folds: 5, inner_folds: 3}}
"""


class Watched:
    """A command that runs a study, how far it is, and its memory at every tenth of the way."""

    def __init__(self, folder: Path, name: str, cases: int, *options: str) -> None:
        """Start it; its results go to a folder of that name."""
        self.results, self.cases = folder / name, cases
        command = ["-c", "from benchmark.cli import main; main()", "run", "soak.yaml", *options]
        self.begin = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, *command, "--results", str(self.results)], cwd=folder, env=ENVIRONMENT
        )
        self.memory_mb: dict[int, float] = {}
        self._acts: list[tuple[float, Callable[[], object]]] = []

    def at(self, share: float, act: Callable[[], object]) -> None:
        """Do something when that share of the cases is stored."""
        self._acts.append((share, act))

    def finish(self) -> dict[str, object]:
        """Return what it took, once it has ended well."""
        watching = threading.Thread(target=self._watch)
        watching.start()
        _, status, used = os.wait4(
            self.process.pid, 0
        )  # of what it waited for, too; not of a cluster's workers
        code = self.process.returncode = os.waitstatus_to_exitcode(status)
        watching.join()
        if code:
            raise SystemExit(f"{self.results.name} ended with {code}")
        took = {
            "seconds": round(time.monotonic() - self.begin, 1),
            "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        }
        return took | {"memory_mb": self.memory_mb}

    def _watch(self) -> None:
        while self.process.returncode is None:
            stored = sum(1 for _ in (self.results / "store" / "features").rglob("*.json"))
            share = stored / self.cases / RECORDS
            tenth = int(10 * share)
            self.memory_mb[tenth] = max(self.memory_mb.get(tenth, 0.0), _memory_mb(self.process.pid))
            while self._acts and share >= self._acts[0][0]:
                self._acts.pop(0)[1]()
            time.sleep(0.5)


def _memory_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def differing(one: Path, other: Path) -> list[str]:
    """Return the files of two folders of results that say something else; of MLflow's nothing is compared."""
    kept = [
        {
            str(file.relative_to(folder)): file
            for part in ("store", "soak")
            for file in (folder / part).rglob("*.*")
        }
        for folder in (one, other)
    ]
    missing = kept[0].keys() ^ kept[1].keys()
    both = kept[0].keys() & kept[1].keys()
    return sorted(missing | {name for name in both if _said(kept[0][name]) != _said(kept[1][name])})


def _said(file: Path) -> object:
    """Return what a file holds, but for how long it took: extracting a case's features, or all of them on average."""
    content = file.read_bytes()
    if file.parent.parent.name == "features":
        return _without_seconds(json.loads(content.partition(b"\n")[2]))
    return _without_seconds(json.loads(content)) if file.name == "study.json" else content


def _without_seconds(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _without_seconds(value) for name, value in content.items() if "seconds" not in name}
    return content


def main(cases: int) -> None:
    """Run both and say what came of it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "soak.yaml").write_text(STUDY.format(half=cases // 2))
        alone = Watched(folder, "alone", cases, "--jobs", "2").finish()
        with cluster(folder, WORKERS) as (address, _, started):
            through = Watched(folder, "cluster", cases, "--dask", address)
            through.at(0.2, lambda: started[0].kill())
            through.at(0.4, lambda: started.append(worker(folder)))
            through.at(0.6, lambda: (started[1].kill(), started[2].kill()))
            through.at(0.8, lambda: started.append(worker(folder)))
            spread = through.finish()
        apart = differing(folder / "alone", folder / "cluster")
        print(json.dumps({"cases": cases, "alone": alone, "cluster": spread, "differing": apart}, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
