"""Confidence intervals of pooled out-of-fold metrics, by resampling patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.statistics.metrics import METRICS, all_metrics, decide


def bootstrap_metrics(
    label: NDArray[np.intp], score: NDArray[np.float64], *, replicates: int, seed: int
) -> pd.DataFrame:
    """Return every metric on `replicates` resamples of the cases, one row each.

    `label` in {0, 1} and `score` (probabilities) have shape (cases,). Labels are resampled within each class, so
    that every replicate has both. The AUC of a replicate is the weighted Mann-Whitney statistic.
    """
    order = np.argsort(-label, kind="stable")
    label, score = label[order], score[order]
    positives = int(label.sum())
    weights = _resampled_counts(positives, len(label) - positives, replicates, np.random.default_rng(seed))
    sick, well = weights[:, :positives], weights[:, positives:]
    called = decide(score).astype(float)
    sensitivity = sick @ called[:positives] / positives
    specificity = well @ (1 - called[positives:]) / (len(label) - positives)
    return _from_rates(sensitivity, specificity, positives, len(label)).assign(
        roc_auc=_weighted_auc(sick, well, score[:positives], score[positives:])
    )[list(METRICS)]


def interval_table(
    label: NDArray[np.intp],
    scores: NDArray[np.float64],
    *,
    replicates: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return each metric of the pooled out-of-fold predictions with its percentile bootstrap interval.

    `label` has shape (cases,), `scores` (repeats, cases): a metric is the mean over the repeats, and a replicate
    resamples the cases for all repeats at once. Columns metric, value, low, high.
    """
    value = pd.DataFrame([all_metrics(label, score) for score in scores]).mean()
    drawn = np.mean(
        [
            bootstrap_metrics(label, score, replicates=replicates, seed=seed)[list(METRICS)]
            for score in scores
        ],
        axis=0,
    )
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail], axis=0)
    return pd.DataFrame(
        {"metric": METRICS, "value": value[list(METRICS)].to_numpy(), "low": low, "high": high}
    )


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson interval of a proportion."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    return float(low), float(high)


def _resampled_counts(
    positives: int, negatives: int, replicates: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Return how often each case is drawn in each replicate, (replicates, cases), positives first."""
    sick = random.multinomial(positives, np.full(positives, 1 / positives), size=replicates)
    well = random.multinomial(negatives, np.full(negatives, 1 / negatives), size=replicates)
    return np.hstack([sick, well]).astype(float)


def _from_rates(
    sensitivity: NDArray[np.float64], specificity: NDArray[np.float64], positives: int, n: int
) -> pd.DataFrame:
    true_positive, true_negative = sensitivity * positives, specificity * (n - positives)
    false_positive = (n - positives) - true_negative
    return pd.DataFrame(
        {
            "accuracy": (true_positive + true_negative) / n,
            "sensitivity": sensitivity,
            "specificity": specificity,
            "f1": 2 * true_positive / (positives + true_positive + false_positive),
            "balanced_accuracy": (sensitivity + specificity) / 2,
        }
    )


def _weighted_auc(
    sick: NDArray[np.float64], well: NDArray[np.float64], high: NDArray[np.float64], low: NDArray[np.float64]
) -> NDArray[np.float64]:
    above = (high[:, None] > low[None, :]) + 0.5 * (high[:, None] == low[None, :])
    return np.asarray(((sick @ above) * well).sum(axis=1) / (len(high) * len(low)))
