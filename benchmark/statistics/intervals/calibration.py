"""Whether probabilities mean what they say: Brier score and calibration curve."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from benchmark.statistics.intervals.bootstrap import STANDARD, Predicted, Resampling, bca_interval, resample
from benchmark.statistics.intervals.proportions import wilson_of_cases
from benchmark.statistics.metrics.weighted import check_metrics, squared_errors


def brier_score(label: ArrayLike, score: ArrayLike) -> float:
    """Return the mean squared error of probabilities `score` for `label` in {0, 1}; shapes broadcast."""
    label = np.asarray(label)
    check_metrics(["brier"], label)
    return float(np.mean(squared_errors(label, np.asarray(score, dtype=float))))


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
    scores = np.asarray(scores, dtype=float)
    method = Predicted(np.zeros(scores.shape, np.intp), scores)
    found = resample([method], label, ["brier"], resampling, patient)[0]
    value, drawn, without = float(found.value[0]), found.replicates[:, 0], found.jackknife[:, 0]
    return value, *bca_interval(value, drawn, without, found.stratum, resampling.level)


def calibration_curve(
    label: ArrayLike, score: ArrayLike, *, bins: int = 10, patient: ArrayLike | None = None
) -> pd.DataFrame:
    """Return observed against predicted frequency in `bins` groups of equal size by predicted probability.

    Equal probabilities stay in one group, so there can be fewer. Columns cases, predicted (mean probability),
    observed (share of label 1), low, high (its 95 % Wilson interval; of as many as there are patients).
    """
    table = pd.DataFrame({"label": np.asarray(label), "score": np.asarray(score, dtype=float)})
    whose = pd.Series(np.arange(len(table)) if patient is None else np.asarray(patient))
    squared_errors(table["label"].to_numpy(), table["score"].to_numpy())  # refuses what is no probability
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
