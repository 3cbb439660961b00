"""The figures of robustness: stable features by family, metrics by condition, ranks of the runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from benchmark.analyses.robustness.stability import EXCELLENT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def stability_figure(stability: pd.DataFrame, title: str) -> Figure:
    """Draw the share of features with an excellent ICC, extractors and families down, conditions across."""
    from matplotlib.figure import Figure

    names = stability["extractor"] + " " + stability["family"]
    table = stability.assign(row=names).pivot_table(
        index="row", columns="condition", values="share_excellent", sort=False, dropna=False
    )
    size = (2.6 + 0.9 * len(table.columns), 1.3 + 0.32 * len(table))
    figure = Figure(figsize=size, layout="constrained")
    axis = figure.subplots()
    axis.imshow(table.to_numpy(dtype=float), vmin=0, vmax=1, cmap="viridis", aspect="auto")
    for row, shares in enumerate(table.to_numpy(dtype=float)):
        for column, share in enumerate(shares):
            text = f"{share:.2f}" if share == share else "–"
            colour = "white" if not share > 0.6 else "black"
            axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    axis.set_xticks(range(len(table.columns)), list(table.columns), rotation=20)
    axis.set_yticks(range(len(table)), list(table.index))
    figure.suptitle(
        f"{title}: share of features with ICC(2,1) ≥ {EXCELLENT} against the base scans", fontsize=9
    )
    return figure


def performance_figure(performance: pd.DataFrame, metrics: Sequence[str], title: str) -> Figure:
    """Draw one panel per metric: each run's value with its 95 % interval under every condition."""
    from matplotlib.figure import Figure

    runs = list(dict.fromkeys(performance["run"]))
    conditions = list(dict.fromkeys(performance["condition"]))
    height = 1.4 + (0.16 * len(conditions) + 0.15) * len(runs)
    figure = Figure(figsize=(3.2 + 3.0 * len(metrics), height), layout="constrained")
    axes = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axis, metric in zip(axes, metrics, strict=True):
        rows = performance[performance["metric"] == metric].set_index(["run", "condition"])
        _draw(axis, rows, runs, conditions)
        axis.set_xlabel(metric.replace("_", " "))
    axes[0].set_yticks(range(len(runs)), runs)
    axes[0].invert_yaxis()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(conditions), fontsize=8, frameon=False
    )
    figure.suptitle(
        f"{title}: trained on the base scans, tested on each condition's; 95 % intervals", fontsize=9
    )
    return figure


def _draw(axis: Axes, rows: pd.DataFrame, runs: list[str], conditions: list[str]) -> None:
    step = 0.8 / len(conditions)
    for place, condition in enumerate(conditions):
        estimates = rows.xs(condition, level="condition").loc[runs]
        height = [run - 0.4 + step * (place + 0.5) for run in range(len(runs))]
        axis.hlines(
            height,
            estimates["low"].astype(float),
            estimates["high"].astype(float),
            color=f"C{place}",
            linewidth=1.5,
        )
        axis.plot(
            estimates["value"].astype(float), height, "D", color=f"C{place}", markersize=4, label=condition
        )
    axis.grid(axis="x", color="0.9")
    axis.spines[["top", "right"]].set_visible(False)
