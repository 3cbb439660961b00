"""ROC, precision and recall, and net benefit of each method, over all thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.execution.seeds import derive_seed
from benchmark.pipeline.results import StudyResult
from benchmark.report.verdict.methods import Methods
from benchmark.statistics.curves.bands import curve_bands
from benchmark.statistics.intervals.bootstrap import Resampling
from benchmark.statistics.intervals.decision_curve import decision_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = ("method", "threshold", "net_benefit", "low", "high", "treat_all")


def decision_table(result: StudyResult, methods: Methods) -> pd.DataFrame:
    """Return the net benefit of each method at each threshold, columns as of `decision_curve`; of repeats the first."""
    resampling = Resampling(replicates=2000, seed=derive_seed(result.study.seed, "decision"))
    parts = []
    for name, rows in _of_methods(methods):
        whose = rows["case_id"].map(result.features.cases["patient"])
        curve = decision_curve(rows["label"], rows["score"], resampling=resampling, patient=whose)
        parts.append(curve.assign(method=name))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def table_of_bands(result: StudyResult, methods: Methods) -> pd.DataFrame:
    """Return the bands of each method's curves, columns as of `curve_bands` after method; of repeats the first."""
    resampling = Resampling(replicates=2000, seed=derive_seed(result.study.seed, "bands"))
    parts = []
    for name, rows in _of_methods(methods):
        whose = rows["case_id"].map(result.features.cases["patient"])
        bands = curve_bands(rows["label"], rows["score"], resampling=resampling, patient=whose)
        bands.insert(0, "method", name)
        parts.append(bands)
    return pd.concat(parts, ignore_index=True)


def curves_figure(methods: Methods, decisions: pd.DataFrame, bands: pd.DataFrame) -> Figure:
    """Draw a row per method: ROC and precision–recall, pooled with its band and in grey of each fold; net benefit."""
    from matplotlib.figure import Figure

    rows = list(_of_methods(methods))
    figure = Figure(figsize=(8.4, 2.6 * len(rows)), layout="constrained")
    grid: Any = figure.subplots(len(rows), 3, squeeze=False)
    for (name, cases), (roc, precision, benefit) in zip(rows, grid, strict=True):
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


def _of_methods(methods: Methods) -> list[tuple[str, pd.DataFrame]]:
    """Return each method's predictions, of repeats the first."""
    first = methods.predictions[methods.predictions["repeat"] == methods.predictions["repeat"].min()]
    return [(name, first[first["run"] == name]) for name in methods.names]


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
