"""The figure of paired folds: each method's accuracy less the reference's, on the same fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def paired_folds_figure(folds: pd.DataFrame, claims: pd.DataFrame, metric: str) -> Figure:
    """Draw a row per claim against the reference: a grey dot per fold, their mean with its 95 % interval in colour.

    `folds` has columns run, repeat, fold and the metric; `claims` those of `claim_all`, all with one reference.
    """
    from matplotlib.figure import Figure

    scores = folds.set_index(["run", "repeat", "fold"])[metric]
    figure = Figure(figsize=(6.4, 1.2 + 0.4 * len(claims)), layout="constrained")
    axis = figure.subplots()
    axis.axvline(0, color="0.4", linewidth=1)
    for place, claim in enumerate(claims.to_dict("records")):
        apart = 100 * (scores[claim["run"]] - scores[claim["reference"]])
        axis.plot(apart, [place + 0.2] * len(apart), "o", color="0.55", markersize=3.5, zorder=1)
        axis.plot(
            [100 * claim["low"], 100 * claim["high"]], [place, place], color="C0", linewidth=2, zorder=2
        )
        axis.plot(100 * claim["difference"], place, "D", color="C0", markersize=5, zorder=3)
    axis.set_yticks(range(len(claims)), claims["run"])
    axis.invert_yaxis()
    axis.set_xlabel(f"{metric} less that of {claims['reference'].iloc[0]} on the same fold, points")
    axis.grid(axis="x", color="0.9")
    axis.spines[["top", "right"]].set_visible(False)
    return figure
