"""The figure of a row per method: ROC, precision and recall, and net benefit, over all thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def curves_figure(
    predictions: Sequence[tuple[str, pd.DataFrame]], decisions: pd.DataFrame, bands: pd.DataFrame
) -> Figure:
    """Draw a row per method: ROC and precision–recall, pooled with its band and in grey of each fold; net benefit.

    `predictions` are each method's, columns fold, label and score; the tables are those of `method_curves`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 2.6 * len(predictions)), layout="constrained")
    grid: Any = figure.subplots(len(predictions), 3, squeeze=False)
    for (name, cases), (roc, precision, benefit) in zip(predictions, grid, strict=True):
        mine = bands[bands["method"] == name]
        for axis, curve in ((roc, "roc"), (precision, "precision_recall")):
            band = mine[mine["curve"] == curve]
            axis.fill_between(band["place"], band["low"], band["high"], color="C0", alpha=0.2, linewidth=0)
        for _, fold in cases.groupby("fold"):
            _ranked(roc, precision, fold, "0.75", 0.8)
        _ranked(roc, precision, cases, "C0", 1.8)
        _net_benefit(benefit, decisions[decisions["method"] == name])
        roc.plot([0, 1], [0, 1], color="0.4", linewidth=0.8, linestyle="--")
        precision.set_ylim(-0.05, 1.05)
        precision.axhline(cases["label"].mean(), color="0.4", linewidth=0.8, linestyle="--")
        roc.set_ylabel(name, fontsize=8)
        for axis in (roc, precision, benefit):
            axis.tick_params(labelsize=7)
            axis.spines[["top", "right"]].set_visible(False)
    titles = ("sensitivity by 1 − specificity", "precision by sensitivity", "net benefit by threshold")
    for axis, title in zip(grid[0], titles, strict=True):
        axis.set_title(title, fontsize=9)
    return figure


def _ranked(roc: Axes, precision: Axes, cases: pd.DataFrame, colour: str, width: float) -> None:
    from sklearn.metrics import precision_recall_curve, roc_curve

    if cases["label"].nunique() < 2:  # a fold that tests one label alone has neither curve
        return
    false, true, _ = roc_curve(cases["label"], cases["score"])
    roc.plot(false, true, color=colour, linewidth=width)
    precise, recalled, _ = precision_recall_curve(cases["label"], cases["score"])
    precision.plot(recalled, precise, color=colour, linewidth=width, drawstyle="steps-post")


def _net_benefit(axis: Axes, curve: pd.DataFrame) -> None:
    axis.fill_between(curve["threshold"], curve["low"], curve["high"], color="C0", alpha=0.2, linewidth=0)
    axis.plot(curve["threshold"], curve["net_benefit"], color="C0", label="as predicted")
    axis.plot(curve["threshold"], curve["treat_all"], color="C1", linewidth=1, label="everybody")
    axis.axhline(0, color="0.4", linewidth=1, label="nobody")
    top = float(curve[["net_benefit", "high", "treat_all"]].max().max())
    axis.set(ylim=(-0.25 * top - 0.02, 1.1 * top))
    axis.legend(frameon=False, fontsize=6)
