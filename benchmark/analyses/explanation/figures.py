"""The figures of an explanation: families alone and left out, the most important features, SHAP values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 20


def ablation_figure(table: pd.DataFrame, metric: str, title: str) -> Figure:
    """Draw a pair of bars per family, alone and left out, with 95 % intervals; a line for all features."""
    figure, axis = _axis(width=7.0, height=4.2)
    rows = table[table["metric"] == metric]
    everything = rows[rows["kept"] == "all"].iloc[0]
    families = list(dict.fromkeys(rows.loc[rows["kept"] != "all", "family"]))
    for offset, kept, colour in ((-0.2, "alone", "C0"), (0.2, "left_out", "C1")):
        kept_rows = rows[rows["kept"] == kept].set_index("family").loc[families].dropna(subset="value")
        numbers = kept_rows[["value", "low", "high"]].astype(float)
        places = [families.index(family) + offset for family in kept_rows.index]
        errors = numbers[["low", "high"]].sub(numbers["value"], axis=0).abs().to_numpy().T
        label = kept.replace("_", " ")
        axis.bar(places, numbers["value"], 0.38, yerr=errors, color=colour, label=label, capsize=2)
    axis.axhline(everything["value"], color="0.3", linewidth=1, label="all features")
    axis.axhspan(everything["low"], everything["high"], color="0.85", zorder=0)
    axis.set_xticks(range(len(families)), families)
    axis.set_ylabel(metric.replace("_", " "))
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    figure.suptitle(f"{title}: families alone and left out, 95 % intervals", fontsize=10)
    return figure


def importance_figure(table: pd.DataFrame, metric: str, title: str) -> Figure:
    """Draw the most important features and every family with their 95 % intervals over the folds."""
    from matplotlib.figure import Figure

    kept_rows = table[(table["metric"] == metric) & (table["folds_kept"] > 0)]
    parts = [kept_rows[kept_rows["kind"] == kind].head(SHOWN).iloc[::-1] for kind in ("feature", "family")]
    parts = [part for part in parts if len(part)]
    figure = Figure(figsize=(8.0, 1.4 + 0.24 * sum(map(len, parts))), layout="constrained")
    axes = figure.subplots(len(parts), 1, squeeze=False, height_ratios=[len(part) + 1 for part in parts])[
        :, 0
    ]
    for axis, part in zip(axes, parts, strict=True):
        value = part["importance"].astype(float).to_numpy()
        low, high = (part[end].astype(float).fillna(part["importance"]).to_numpy() for end in ("low", "high"))
        errors = np.abs(np.stack([value - low, high - value]))
        axis.barh(part["name"], value, xerr=errors, color="C0", ecolor="0.4", capsize=2)
        axis.axvline(0, color="0.3", linewidth=1)
        axis.tick_params(axis="y", labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
        kind = {"feature": "single features", "family": "whole families"}[part["kind"].iloc[0]]
        axis.set_xlabel(f"loss of {metric.replace('_', ' ')}, {kind}")
    figure.suptitle(f"{title}: permuted on held-out folds, 95 % intervals over the folds", fontsize=10)
    return figure


def shap_figure(table: pd.DataFrame, summary: pd.DataFrame, features: pd.DataFrame, title: str) -> Figure:
    """Draw a dot per case for the features of the largest mean |SHAP|, coloured by the feature's rank.

    `table` and `summary` are those of one explained output, `features` (index case_id) the feature values.
    """
    names = summary["feature"].head(SHOWN).tolist()
    figure, axis = _axis(width=8.0, height=1.2 + 0.3 * len(names))
    ranks = features.loc[table["case_id"], names].rank(pct=True).to_numpy()
    spread = np.random.default_rng(0).uniform(-0.3, 0.3, len(table))
    for place, name in enumerate(names):
        dots = axis.scatter(
            table[name], place + spread, c=ranks[:, place], cmap="coolwarm", vmin=0, vmax=1, s=7, linewidths=0
        )
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.invert_yaxis()
    axis.axvline(0, color="0.3", linewidth=1)
    axis.set_xlabel(f"SHAP value, {summary['explained'].iloc[0]}")
    bar = figure.colorbar(dots, ax=axis, ticks=[0, 1], aspect=40)
    bar.ax.set_yticklabels(["lowest", "highest"])
    bar.set_label("feature value, by rank")
    figure.suptitle(f"{title}: held-out cases", fontsize=10)
    return figure


def _axis(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axis = figure.subplots()
    axis.spines[["top", "right"]].set_visible(False)
    return figure, axis
