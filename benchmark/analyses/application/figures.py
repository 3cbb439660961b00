"""Whether a frozen run's probabilities hold on another cohort, and what acting on them is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def application_figure(calibration: pd.DataFrame, curve: pd.DataFrame, title: str) -> Figure:
    """Draw calibration (fifths of the cases with Wilson's interval) and the decision curve with its band."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _calibration(left, calibration)
    _decision(right, curve)
    figure.suptitle(title, fontsize=10)
    return figure


def _calibration(axis: Axes, table: pd.DataFrame) -> None:
    # Wilson's interval of none or all ends at 0 or 1 but for rounding.
    below, above = (table["observed"] - table["low"]).clip(0), (table["high"] - table["observed"]).clip(0)
    axis.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--")
    axis.errorbar(table["predicted"], table["observed"], [below, above], fmt="o-", markersize=4, capsize=2)
    axis.set(xlabel="predicted probability", ylabel="share with label 1", xlim=(0, 1), ylim=(0, 1))
    axis.spines[["top", "right"]].set_visible(False)


def _decision(axis: Axes, table: pd.DataFrame) -> None:
    axis.fill_between(table["threshold"], table["low"], table["high"], color="C0", alpha=0.2, linewidth=0)
    axis.plot(table["threshold"], table["net_benefit"], color="C0", label="as predicted")
    axis.plot(table["threshold"], table["treat_all"], color="C1", linewidth=1, label="everybody")
    axis.axhline(0, color="0.4", linewidth=1, label="nobody")
    top = float(table[["net_benefit", "high", "treat_all"]].max().max())
    axis.set(
        xlabel="threshold probability", ylabel="net benefit", xlim=(0, 1), ylim=(-0.1 * top - 0.02, 1.1 * top)
    )
    axis.legend(frameon=False, fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)
