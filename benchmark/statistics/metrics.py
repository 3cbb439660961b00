"""Metrics of a binary classification: label 1 is disease, a case counts as positive above probability 0.5."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics

_ON_DECISIONS: dict[str, Callable[[ArrayLike, ArrayLike], float]] = {
    "accuracy": metrics.accuracy_score,
    "sensitivity": lambda label, predicted: metrics.recall_score(label, predicted, zero_division=0),
    "specificity": lambda label, predicted: metrics.recall_score(
        label, predicted, pos_label=0, zero_division=0
    ),
    "f1": lambda label, predicted: metrics.f1_score(label, predicted, zero_division=0),
    "balanced_accuracy": metrics.balanced_accuracy_score,
}
METRICS: tuple[str, ...] = (*_ON_DECISIONS, "roc_auc")


def all_metrics(label: ArrayLike, score: ArrayLike) -> dict[str, float]:
    """Return every metric of probabilities `score` (cases,) for `label` (cases,) in {0, 1}.

    Raises `ValueError` when only one class is there: sensitivity, specificity and AUC are then undefined.
    """
    if len(np.unique(label)) < 2:
        raise ValueError(
            f"all {np.size(label)} cases have one label: sensitivity, specificity and AUC are undefined"
        )
    return {name: metric_value(name, label, score) for name in METRICS}


def metric_value(name: str, label: ArrayLike, score: ArrayLike) -> float:
    """Return one metric of probabilities `score` (cases,) for `label` (cases,)."""
    if name == "roc_auc":
        return float(metrics.roc_auc_score(label, score))
    return float(_ON_DECISIONS[name](label, decide(score)))


def decide(score: ArrayLike) -> NDArray[np.intp]:
    """Return 1 where the probability exceeds 0.5, as the classifiers' own `predict` does."""
    return np.where(np.asarray(score, dtype=float) > 0.5, 1, 0)
