"""The figure of the comparison: for each run its folds, its mean and its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def comparison_figure(
    summary: pd.DataFrame, folds: pd.DataFrame, metrics: Sequence[str], title: str
) -> Figure:
    """Draw one panel per metric: a grey dot per fold, the pooled value with its 95 % bootstrap interval in colour."""
    from matplotlib.figure import Figure

    runs = list(dict.fromkeys(summary["run"]))
    extractors = list(dict.fromkeys(summary["extractor"]))
    figure = Figure(figsize=(3.2 + 3.0 * len(metrics), 1.2 + 0.34 * len(runs)), layout="constrained")
    axes = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axis, metric in zip(axes, metrics, strict=True):
        rows = summary[summary["metric"] == metric].set_index("run")
        for place, run in enumerate(runs):
            scores = folds.loc[folds["run"] == run, metric]
            axis.plot(scores, [place + 0.18] * len(scores), "o", color="0.65", markersize=3, zorder=1)
            row = rows.loc[run]
            colour = f"C{extractors.index(row['extractor'])}"
            axis.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2, zorder=2)
            axis.plot(row["value"], place, "D", color=colour, markersize=5, zorder=3)
        axis.set_xlabel(metric.replace("_", " "))
        axis.grid(axis="x", color="0.9")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(runs)), runs)
    axes[0].invert_yaxis()
    figure.suptitle(f"{title}: pooled value, 95 % interval, folds in grey", fontsize=10)
    return figure
