"""Confidence intervals of pooled out-of-fold metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from benchmark.statistics.intervals.bootstrap import (
    STANDARD,
    Predicted,
    Resampled,
    Resampling,
    bca_interval,
    metrics_of,
    percentile_interval,
    resample,
    resampled_counts,
)
from benchmark.statistics.intervals.degenerate import shown_interval, without_bootstrap
from benchmark.statistics.metrics.scores import METRICS, decide

Method = Literal["percentile", "bca"]
QUICK = Resampling(replicates=2000)


def interval_table(
    label: NDArray[np.intp],
    scores: NDArray[np.float64],
    resampling: Resampling = QUICK,
    *,
    method: Method = "percentile",
    predicted: NDArray[np.intp] | None = None,
    metrics: Sequence[str] = METRICS,
    patient: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return each metric of the pooled out-of-fold predictions with its bootstrap interval.

    `label` has shape (cases,), `scores` (repeats, cases): a metric is the mean over the repeats, and a replicate
    resamples the cases for all repeats at once. `predicted` (repeats, cases) are the decisions, by default 1 above
    a probability of 0.5. ``bca`` corrects bias and skewness and takes one evaluation per case more. `patient` (cases,)
    says whose each case is; they are resampled with all their cases. Columns metric, value, low, high. Raises
    `ValueError` when only one label is there.
    """
    if method not in ("percentile", "bca"):
        raise ValueError(f"{method} is not an interval method: choose percentile or bca")
    resampled = _resample(np.asarray(label), _decided(scores, predicted), metrics, resampling, patient)
    ends = [_interval(resampled, place, method, resampling.level) for place in range(len(metrics))]
    low, high = np.transpose(ends)
    return pd.DataFrame({"metric": metrics, "value": resampled.value, "low": low, "high": high})


def headline_intervals(
    label: NDArray[np.intp],
    scores: NDArray[np.float64],
    resampling: Resampling = STANDARD,
    *,
    predicted: NDArray[np.intp] | None = None,
    metrics: Sequence[str] = METRICS,
    patient: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return each metric with the interval to show, each proportion also with Wilson's, and of labels 0, 1 the Brier.

    The interval to show is BCa, or where that has no width the one of `without_bootstrap`. Arguments as in
    `interval_table`. Wilson reads a mean over repeats as one proportion of the cases. Columns metric, value, method,
    low, high, shown; one row per metric is shown.
    """
    method = _decided(scores, predicted)
    return all_headline_intervals(np.asarray(label), [method], resampling, metrics=metrics, patient=patient)[
        0
    ]


def all_headline_intervals(
    label: NDArray[np.intp],
    methods: Sequence[Predicted],
    resampling: Resampling = STANDARD,
    *,
    metrics: Sequence[str] = METRICS,
    patient: ArrayLike | None = None,
) -> list[pd.DataFrame]:
    """Return the `headline_intervals` of each of several methods of the same cases, which are drawn once for all."""
    _refuse_one_label(label, metrics)
    names = [*metrics, *(["brier"] if "roc_auc" in metrics else [])]
    return [
        intervals_of(method, resampled, names, resampling.level)
        for method, resampled in zip(
            methods, resample(methods, label, names, resampling, patient), strict=True
        )
    ]


def intervals_of(
    method: Predicted, resampled: Resampled, names: Sequence[str], level: float = STANDARD.level
) -> pd.DataFrame:
    """Return the `headline_intervals` of a method whose metrics `names` were resampled."""
    rows: list[tuple[object, ...]] = []
    for place, metric in enumerate(names):
        value = float(resampled.value[place])
        best = shown_interval(metric, resampled, place, method, level)
        rows.append((metric, value, best.method, best.low, best.high, True))
        other = without_bootstrap(
            metric, value, resampled.label, method.predicted, level, patients=resampled.patients
        )
        if other.method == "wilson" and best.method != "wilson":
            rows.append((metric, value, other.method, other.low, other.high, False))
    return pd.DataFrame(rows, columns=["metric", "value", "method", "low", "high", "shown"])


def bootstrap_metrics(
    label: NDArray[np.intp],
    score: NDArray[np.float64],
    resampling: Resampling,
    patient: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return every metric on resamples of the cases, one row per replicate; `resampling.level` decides nothing.

    `label` in {0, 1} and `score` (probabilities) have shape (cases,). Labels are resampled within each class, so
    that every replicate has both. `patient` (cases,) says whose each case is: they are drawn with all their cases.
    """
    method = _decided(np.asarray(score)[None, :])
    replicates = [
        metrics_of([method], METRICS, np.asarray(label), weights)[0]
        for weights in resampled_counts(np.asarray(label), resampling, patient)
    ]
    return pd.DataFrame(np.concatenate(replicates), columns=list(METRICS))


def _resample(
    label: NDArray[np.intp],
    method: Predicted,
    metrics: Sequence[str],
    resampling: Resampling,
    patient: ArrayLike | None,
) -> Resampled:
    _refuse_one_label(label, metrics)
    return resample([method], label, metrics, resampling, patient)[0]


def _refuse_one_label(label: NDArray[np.intp], metrics: Sequence[str]) -> None:
    if len(np.unique(label)) < 2:
        raise ValueError(
            f"all {len(label)} cases have one label: {', '.join(metrics)} are undefined or say nothing"
        )


def _decided(scores: NDArray[np.float64], predicted: NDArray[np.intp] | None = None) -> Predicted:
    scores = np.asarray(scores)
    return Predicted(decide(scores) if predicted is None else np.asarray(predicted), scores)


def _interval(resampled: Resampled, place: int, method: Method, level: float) -> tuple[float, float]:
    replicates = resampled.replicates[:, place]
    if method == "percentile":
        return percentile_interval(replicates, level)
    return bca_interval(
        float(resampled.value[place]), replicates, resampled.jackknife[:, place], resampled.stratum, level
    )
