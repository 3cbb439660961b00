"""The flowchart of a study's cases: how many there are, which dropped out and why, how many were tested."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_REASONS = 5


def flow_figure(flow: pd.DataFrame) -> Figure:
    """Draw the steps from top to bottom, what was excluded beside the way."""
    from matplotlib.figure import Figure

    counts = flow[flow["step"] != "excluded"].set_index("step")["cases"]
    excluded = flow[flow["step"] == "excluded"]
    figure = Figure(figsize=(7.0, 3.4), layout="constrained")
    axis: Any = figure.subplots()
    axis.set(xlim=(0, 1), ylim=(0, 1))
    axis.axis("off")
    for height, step, said in (
        (0.88, "cohort", "cases in the cohort"),
        (0.40, "compared", "cases that every method has"),
        (0.08, "tested", "cases tested"),
    ):
        _box(axis, 0.22, height, f"{counts[step]} {said}")
    for top, bottom in ((0.81, 0.47), (0.33, 0.15)):
        axis.annotate("", (0.22, bottom), (0.22, top), arrowprops={"arrowstyle": "->", "color": "0.3"})
    if len(excluded):
        axis.annotate("", (0.5, 0.64), (0.22, 0.64), arrowprops={"arrowstyle": "->", "color": "0.3"})
        _box(axis, 0.75, 0.64, _reasons(excluded))
    return figure


def _reasons(excluded: pd.DataFrame) -> str:
    shown = [f"{row['cases']}: {row['reason']}" for row in excluded[:MOST_REASONS].to_dict("records")]
    rest = int(excluded["cases"][MOST_REASONS:].sum())
    lines = [
        f"{excluded['cases'].sum()} cases excluded",
        *shown,
        *([f"{rest}: other reasons"] if rest else []),
    ]
    return "\n".join(textwrap.shorten(line, 96, placeholder=" …") for line in lines)


def _box(axis: Any, x: float, y: float, text: str) -> None:
    lines = "\n".join(textwrap.fill(line, 48, subsequent_indent="  ") for line in text.split("\n"))
    frame = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": "0.4"}
    axis.text(x, y, lines, ha="center", va="center", fontsize=8, bbox=frame)
