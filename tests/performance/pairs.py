"""What two ways of the same work cost, side by side: CPU seconds of this process, in turn, so that load meets both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

Work = Callable[[], object]


@dataclass
class Row:
    """A row of the table: what was compared with what, its seconds on both sides, and what it should reach."""

    what: str
    against: str
    goal: str
    ours: list[float]
    theirs: list[float] = field(default_factory=list)
    equal: str = ""
    """How the results agree."""

    @property
    def ratios(self) -> list[float]:
        """How many times as long the other way took, pair by pair."""
        return [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=False)]

    def cells(self) -> list[str]:
        """The row as people read it."""
        theirs = f"{median(self.theirs):.2f}" if self.theirs else "–"
        ours, agree = f"{median(self.ours):.2f}", self.equal or "–"
        return [self.what, self.against, ours, theirs, self._compared(), self.goal, agree]

    def _compared(self) -> str:
        """How many times as fast it is, or, where the goal is said so, how many times as long it takes; all pairs."""
        if not self.ratios:
            return "–"
        if "times as long" not in self.goal:
            return f"{median(self.ratios):.1f} × [{min(self.ratios):.1f}, {max(self.ratios):.1f}]"
        longer = [1 / ratio for ratio in self.ratios]
        return f"takes {median(longer):.3g} times as long [{min(longer):.3g}, {max(longer):.3g}]"

    def record(self) -> dict[str, object]:
        """The row as JSON, every measurement in it."""
        return {
            "what": self.what,
            "against": self.against,
            "goal": self.goal,
            "seconds": self.ours,
            "seconds_against": self.theirs,
            "equal": self.equal,
        }


def seconds(work: Work) -> float:
    """Return the CPU seconds of this process that the work takes."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def paired(ours: Work, theirs: Work, repeats: int) -> tuple[list[float], list[float]]:
    """Do both in turn, after one turn of ours that loads what is needed."""
    ours()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]
