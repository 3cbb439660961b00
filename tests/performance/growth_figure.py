"""Draws how a study grows, from ``results/performance.json``: ``python -m tests.performance.growth_figure FILE``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot


def draw(content: dict[str, Any], file: Path) -> None:
    """Write the figure: a study's time and memory against its cases, and the time of each step against its size."""
    cases = [size["cases"] for size in content["growth"]]
    figure, axes = pyplot.subplots(1, 2 + len(content["steps"]), figsize=(16, 3), layout="constrained")
    for name, step in (("planned", "plan"), ("reported", "report")):
        axes[0].loglog(cases, [size[f"{step}_s"] for size in content["growth"]], "o-", label=name)
        axes[1].semilogx(cases, [size[f"{step}_mb"] for size in content["growth"]], "o-", label=name)
    _linear(axes[0], cases, content["growth"][-1]["report_s"])
    axes[0].set(xlabel="cases", ylabel="s")
    axes[1].set(xlabel="cases", ylabel="MB at most", ylim=(0, None))
    for axis, (name, points) in zip(axes[2:], content["steps"].items(), strict=True):
        sizes, times = ([point[key] for point in points] for key in ("size", "seconds"))
        axis.loglog(sizes, times, "o-")
        _linear(axis, sizes, times[-1])
        axis.set(xlabel=name, ylabel="s of CPU")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False)
    figure.savefig(file, dpi=100)


def _linear(axis: Any, sizes: Sequence[float], last: float) -> None:
    axis.loglog(sizes, [last * size / sizes[-1] for size in sizes], "k:", linewidth=1, label="linear")


if __name__ == "__main__":
    draw(json.loads(Path("results/performance.json").read_text()), Path(sys.argv[1]))
