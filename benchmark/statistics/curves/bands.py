"""Bands of ROC and precision–recall curves: what the curves of other patients would lie between, point by point."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from benchmark.statistics.intervals.bootstrap import STANDARD, Resampling, resampled_counts

PLACES = np.arange(1, 50) / 50
_AT_ONCE = 1_000_000
"""Numbers of cases drawn that are looked at together: of each, curves take some ten copies."""
Floats = NDArray[np.float64]


def curve_bands(
    label: ArrayLike,
    score: ArrayLike,
    places: ArrayLike = PLACES,
    resampling: Resampling = STANDARD,
    patient: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return the percentiles of sensitivity at each 1 − specificity, and of precision at each sensitivity.

    `label` in {0, 1} and `score` have shape (cases,), `places` lie between 0 and 1. Patients are resampled within
    labels, so the prevalence is this one. Between thresholds the ROC curve is straight, and precision that of the next
    higher sensitivity, as scikit-learn draws them. Columns curve (``roc``, ``precision_recall``), place, low, high.
    """
    truth, at = np.asarray(label, dtype=np.intp), np.asarray(places, dtype=float)
    order, last = _ranked(np.asarray(score, dtype=float))
    rows = max(1, _AT_ONCE // len(truth))
    curves = [
        _curves(counts[first : first + rows, order], truth[order], last, at)
        for counts in resampled_counts(truth, resampling, patient)
        for first in range(0, len(counts), rows)
    ]
    tail = (1 - resampling.level) / 2
    parts = []
    for name, replicates in zip(("roc", "precision_recall"), zip(*curves, strict=True), strict=True):
        low, high = np.quantile(np.concatenate(replicates), [tail, 1 - tail], axis=0)
        parts.append(pd.DataFrame({"curve": name, "place": at, "low": low, "high": high}))
    return pd.concat(parts, ignore_index=True)


def _ranked(score: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the cases' order, highest score first, and in it the last place of each score."""
    order = np.argsort(-score, kind="stable")
    return order, np.flatnonzero(np.append(np.diff(score[order]) != 0, True))


def _curves(
    counts: Floats, truth: NDArray[np.intp], last: NDArray[np.intp], at: Floats
) -> tuple[Floats, Floats]:
    """Return both curves of each replicate at the places, (replicates, places)."""
    true = np.cumsum(counts * truth, axis=1)[:, last]
    false = np.cumsum(counts * (1 - truth), axis=1)[:, last]
    sensitivity = np.pad(true / true[:, -1:], ((0, 0), (1, 0)))
    alarms = np.pad(false / false[:, -1:], ((0, 0), (1, 0)))
    roc = np.stack([np.interp(at, *pair) for pair in zip(alarms, sensitivity, strict=True)])
    precision = np.empty_like(roc)
    for row, (found, wrong) in enumerate(zip(true, false, strict=True)):
        place = np.searchsorted(found, at * found[-1] * (1 - 1e-12))
        precision[row] = found[place] / (found[place] + wrong[place])
    return roc, precision
