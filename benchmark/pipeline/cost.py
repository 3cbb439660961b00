"""What an extraction will cost on this machine, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.execution.progress import duration
from benchmark.pipeline.extraction import Extracted


def cost(measured: Sequence[Extracted], cases: int, jobs: int) -> str:
    """Return the seconds a case takes, for each extraction, and about how long all of them will."""
    names = list(dict.fromkeys(name for item in measured for name in item.seconds))
    each = {name: float(np.mean([item.seconds.get(name, 0.0) for item in measured])) for name in names}
    listed = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in each.items())
    whole = duration(sum(each.values()) * cases / jobs)
    processes = "1 process" if jobs == 1 else f"{jobs} processes"
    return f"a case takes here: {listed}; {cases} cases about {whole} with {processes}"
