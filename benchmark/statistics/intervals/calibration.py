"""Whether probabilities mean what they say: Brier score and calibration curve."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from benchmark.statistics.intervals.bootstrap import STANDARD, Resampling, bca_interval, resampled_counts
from benchmark.statistics.intervals.patients import patients_of
from benchmark.statistics.intervals.proportions import wilson_of_cases


def brier_score(label: ArrayLike, score: ArrayLike) -> float:
    """Return the mean squared error of probabilities `score` for `label` in {0, 1}; shapes broadcast."""
    return float(np.mean(_squared_errors(label, score)))


def brier_interval(
    label: NDArray[np.intp],
    scores: NDArray[np.float64],
    resampling: Resampling = STANDARD,
    patient: ArrayLike | None = None,
) -> tuple[float, float, float]:
    """Return the Brier score and its BCa interval.

    `label` has shape (cases,), `scores` (repeats, cases): the score is the mean over the repeats. `patient` (cases,)
    says whose each case is; they are resampled with all their cases.
    """
    errors, patients = _squared_errors(label, scores).mean(axis=0), patients_of(label, patient)
    blocks = resampled_counts(label, resampling, patient)
    replicates = np.concatenate([counts @ errors / counts.sum(axis=1) for counts in blocks])
    left = len(errors) - patients.sums(np.ones(len(errors)))
    value, without = errors.mean(), (errors.sum() - patients.sums(errors)) / left
    low, high = bca_interval(float(value), replicates, without, patients.stratum, resampling.level)
    return float(value), low, high


def calibration_curve(
    label: ArrayLike, score: ArrayLike, *, bins: int = 10, patient: ArrayLike | None = None
) -> pd.DataFrame:
    """Return observed against predicted frequency in `bins` groups of equal size by predicted probability.

    Equal probabilities stay in one group, so there can be fewer. Columns cases, predicted (mean probability),
    observed (share of label 1), low, high (its 95 % Wilson interval; of as many as there are patients).
    """
    table = pd.DataFrame({"label": np.asarray(label), "score": np.asarray(score, dtype=float)})
    whose = pd.Series(np.arange(len(table)) if patient is None else np.asarray(patient))
    _check_probabilities(table["score"].to_numpy())
    edges = np.unique(np.quantile(table["score"], np.linspace(0, 1, bins + 1)))
    group = np.clip(np.searchsorted(edges, table["score"], side="left") - 1, 0, None)
    rows = [
        (
            len(part),
            part["score"].mean(),
            part["label"].mean(),
            *wilson_of_cases(part["label"] == 1, whose[part.index]),
        )
        for _, part in table.groupby(group)
    ]
    return pd.DataFrame(rows, columns=["cases", "predicted", "observed", "low", "high"])


def _squared_errors(label: ArrayLike, score: ArrayLike) -> NDArray[np.float64]:
    label, score = np.asarray(label), np.asarray(score, dtype=float)
    if not np.isin(label, (0, 1)).all():
        raise ValueError("the Brier score is a metric of the labels 0 and 1; this target has others")
    _check_probabilities(score)
    return np.asarray((score - label) ** 2)


def _check_probabilities(score: NDArray[np.float64]) -> None:
    if not ((score >= 0) & (score <= 1)).all():
        raise ValueError("scores below 0, above 1 or missing are no probabilities: calibration needs those")
