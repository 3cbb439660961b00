"""What acting on probabilities is worth: the decision curve."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from benchmark.statistics.intervals.bootstrap import STANDARD, Resampling, resampled_counts
from benchmark.statistics.intervals.degenerate import ZERO_WIDTH

THRESHOLDS = np.arange(1, 100) / 100


def decision_curve(
    label: ArrayLike,
    score: ArrayLike,
    thresholds: ArrayLike = THRESHOLDS,
    resampling: Resampling = STANDARD,
    patient: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return the net benefit of treating whoever has a probability above each threshold.

    True positives less false ones weighted by the threshold's odds, per case (Vickers and Elkin, Med Decis Making
    2006;26:565). `label` in {0, 1} and `score` have shape (cases,), `thresholds` lie between 0 and 1. Columns
    threshold, net_benefit, low, high (percentiles; patients resampled within labels, so at this prevalence),
    treat_all; to treat nobody is worth 0. Where no case is above a threshold there is nothing to resample: no interval.
    """
    truth, at = np.asarray(label, dtype=np.intp), np.asarray(thresholds, dtype=float)
    gain = np.where(truth == 1, 1.0, -(at / (1 - at))[:, None])
    worth = gain * (np.asarray(score, dtype=float) > at[:, None])
    blocks = resampled_counts(truth, resampling, patient)
    replicates = np.concatenate([counts @ worth.T / counts.sum(axis=1, keepdims=True) for counts in blocks])
    tail = (1 - resampling.level) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail], axis=0)
    varies = high - low > ZERO_WIDTH
    return pd.DataFrame(
        {
            "threshold": at,
            "net_benefit": worth.mean(axis=1),
            "low": np.where(varies, low, np.nan),
            "high": np.where(varies, high, np.nan),
            "treat_all": gain.mean(axis=1),
        }
    )
