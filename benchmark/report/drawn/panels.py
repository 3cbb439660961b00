"""Figures with a panel for each run: calibration and confusions."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def calibration_figure(calibration: pd.DataFrame) -> Figure:
    """Draw observed against predicted frequency, a panel per run, with Wilson intervals."""
    figure, panels = _panels(list(dict.fromkeys(calibration["run"])))
    for run, axis in panels.items():
        rows_of_run = calibration[calibration["run"] == run]
        axis.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        errors = np.abs(rows_of_run[["low", "high"]].to_numpy().T - rows_of_run["observed"].to_numpy())
        axis.errorbar(
            rows_of_run["predicted"], rows_of_run["observed"], errors, fmt="o-", markersize=4, capsize=2
        )
        axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    figure.supxlabel("predicted probability", fontsize=9)
    figure.supylabel("observed share of label 1, 95 % interval", fontsize=9)
    return figure


def confusion_figure(confusion: pd.DataFrame, classes: tuple[str, ...]) -> Figure:
    """Draw each run's counts, true class by predicted class; shade is the share of the true class."""
    figure, panels = _panels(list(dict.fromkeys(confusion["run"])))
    for run, axis in panels.items():
        rows_of_run = confusion[confusion["run"] == run]
        table = rows_of_run.pivot(index="true", columns="predicted", values="cases")
        counts = table.loc[list(classes), list(classes)].to_numpy()
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts):
            ink = "white" if share[row, column] > 0.6 else "black"
            axis.text(column, row, str(count), color=ink, ha="center", va="center", fontsize=8)
        axis.set_xticks(range(len(classes)), classes, fontsize=7, rotation=30)
        axis.set_yticks(range(len(classes)), classes, fontsize=7)
    figure.supxlabel("predicted", fontsize=9)
    figure.supylabel("true", fontsize=9)
    return figure


def _panels(runs: list[str]) -> tuple[Figure, dict[str, Axes]]:
    from matplotlib.figure import Figure

    columns = min(4, len(runs))
    rows = ceil(len(runs) / columns)
    figure = Figure(figsize=(2.6 * columns + 0.4, 2.5 * rows + 0.4), layout="constrained")
    axes: Any = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(runs) :]:
        axis.axis("off")
    panels = dict(zip(runs, axes.flat, strict=False))
    for run, axis in panels.items():
        axis.set_title(run.replace("/", "\n"), fontsize=8)
        axis.tick_params(labelsize=7)
    return figure, panels
