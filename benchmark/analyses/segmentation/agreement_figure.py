"""Bland and Altman's picture of scores, as ratios: scores are skewed, and their differences grow with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmark.statistics.agreement.limits import ratio_limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_INCHES = 3.2


def agreement_figure(scans: pd.DataFrame, title: str) -> Figure:
    """Draw, a panel per segmenter, (found + 1) / (true + 1) against their geometric mean, with bias and limits.

    `scans` has segmenter, agatston and reference_agatston of the scans of one cohort and one kind of reference.
    """
    from matplotlib.figure import Figure

    segmenters = list(dict.fromkeys(scans["segmenter"]))
    figure = Figure(figsize=(PANEL_INCHES * len(segmenters), PANEL_INCHES), layout="constrained")
    panels = figure.subplots(1, len(segmenters), sharex=True, sharey=True, squeeze=False)[0]
    for segmenter, axes in zip(segmenters, panels, strict=True):
        _panel(axes, scans[scans["segmenter"] == segmenter])
        axes.set_title(segmenter, fontsize=8)
    figure.suptitle(title, fontsize=9)
    figure.supxlabel("geometric mean of both scores + 1", fontsize=8)
    figure.supylabel("(segmenter + 1) / (reference + 1)", fontsize=8)
    return figure


def _panel(axes: Axes, scans: pd.DataFrame) -> None:
    found, true = (scans[name].to_numpy(float) for name in ("agatston", "reference_agatston"))
    axes.set(xscale="log", yscale="log")
    axes.axhline(1, color="0.8", linewidth=1)
    axes.scatter(np.sqrt((found + 1) * (true + 1)), (found + 1) / (true + 1), s=9, alpha=0.6)
    for place, (value, _) in enumerate(ratio_limits(found, true).values()):
        if np.isfinite(value):
            axes.axhline(value, color="tab:red", linewidth=1, linestyle="--" if place else "-")
    axes.tick_params(labelsize=7)
