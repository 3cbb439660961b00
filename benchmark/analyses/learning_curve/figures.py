"""The figure of learning curves: each metric over the number of patients learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curve_figure(table: pd.DataFrame, metrics: Sequence[str], title: str) -> Figure:
    """Draw a panel per metric: a line per run with 95 % intervals, moved aside so that none hides another."""
    from matplotlib.figure import Figure

    runs = list(dict.fromkeys(table["run"]))
    figure = Figure(
        figsize=(1.5 + 4.2 * len(metrics), 3.8 + 0.2 * ((len(runs) + 1) // 2)), layout="constrained"
    )
    axes = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axis, metric in zip(axes, metrics, strict=True):
        for place, run in enumerate(runs):
            rows = table[(table["run"] == run) & (table["metric"] == metric)].sort_values("patients")
            aside = 1 + 0.012 * (place - (len(runs) - 1) / 2)
            # Rounding may put an end beyond its value.
            below = (rows["value"] - rows["low"]).clip(0)
            above = (rows["high"] - rows["value"]).clip(0)
            axis.errorbar(
                rows["patients"] * aside, rows["value"], [below, above], fmt="o-", color=f"C{place % 10}",
                markersize=3.5, linewidth=1.2, elinewidth=0.7, capsize=2, label=run,
            )  # fmt: skip
        axis.set(xlabel="patients learnt from", ylabel=metric.replace("_", " "), xscale="log")
        ticks = sorted({round(patients) for patients in table["patients"]})
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.minorticks_off()
        axis.grid(color="0.92")
        axis.spines[["top", "right"]].set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    figure.suptitle(f"{title}: the same tested cases at every size, 95 % intervals", fontsize=10)
    return figure
