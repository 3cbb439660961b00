"""The critical-difference diagram: mean ranks on a line, methods that cannot be told apart joined by a bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmark.statistics.comparison.ranks import Ranking


def critical_difference_figure(ranking: Ranking, title: str = "", over: str = "cohorts") -> Figure:
    """Draw the diagram of Demšar 2006, JMLR 7:1-30, figure 1: best rank at the left, its half of the names there.

    `over` says what the methods were ranked in.
    """
    from matplotlib.figure import Figure

    ranks = ranking.mean_ranks.sort_values(kind="stable")
    groups, half = ranking.groups(), (len(ranks) + 1) // 2
    depth = 0.7 + 0.35 * len(groups)
    figure = Figure(figsize=(7.5, 1.3 + 0.28 * (half + depth)), layout="constrained")
    axis = figure.subplots()
    axis.axis("off")
    axis.set(xlim=(-0.6, len(ranks) + 1.6), ylim=(depth + half, -2.2), title=title)
    _scale(axis, ranking, over)
    for place, (method, rank) in enumerate(ranks.items()):
        left = place < half
        level = depth + (place if left else len(ranks) - 1 - place)
        end = 0.6 if left else len(ranks) + 0.4
        axis.plot([rank, rank, end], [0, level, level], color="0.3", linewidth=0.8)
        side, shift = ("right", -0.05) if left else ("left", 0.05)
        axis.text(end + shift, level, f"{method}  {rank:.2f}", ha=side, va="center", fontsize=9)
    for place, members in enumerate(groups):
        level = 0.45 + 0.35 * place
        ends = [ranks[members[0]] - 0.04, ranks[members[-1]] + 0.04]
        axis.plot(ends, [level, level], color="C0", linewidth=4, solid_capstyle="butt")
    return figure


def _scale(axis: Axes, ranking: Ranking, over: str) -> None:
    methods = len(ranking.mean_ranks)
    axis.plot([1, methods], [0, 0], color="black", linewidth=1)
    for rank in range(1, methods + 1, 1 + methods // 12):
        axis.plot([rank, rank], [-0.2, 0], color="black", linewidth=1)
        axis.text(rank, -0.3, str(rank), ha="center", va="bottom", fontsize=9)
    end = 1 + ranking.critical_difference
    axis.plot([1, end], [-1.3, -1.3], color="C0", linewidth=2, clip_on=False)
    text = f"critical difference {ranking.critical_difference:.2f} ({ranking.cohorts} {over}, α = {ranking.alpha:g})"
    axis.text(1, -1.5, text, ha="left", va="bottom", fontsize=8)
