"""Metrics of a classification: of decisions, and of probabilities where label 1 is disease."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics

_ON_DECISIONS: dict[str, Callable[[ArrayLike, ArrayLike], float]] = {
    # scikit-learn's to the last bit; a grid search asks for it of every point and fold.
    "accuracy": lambda label, predicted: float(np.mean(np.asarray(label) == np.asarray(predicted))),
    "sensitivity": lambda label, predicted: metrics.recall_score(label, predicted, zero_division=0),
    "specificity": lambda label, predicted: metrics.recall_score(
        label, predicted, pos_label=0, zero_division=0
    ),
    "f1": lambda label, predicted: metrics.f1_score(label, predicted, zero_division=0),
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "macro_f1": lambda label, predicted: metrics.f1_score(label, predicted, average="macro", zero_division=0),
    "quadratic_kappa": lambda label, predicted: metrics.cohen_kappa_score(
        label, predicted, labels=range(int(max(np.max(label), np.max(predicted))) + 1), weights="quadratic"
    ),
}
METRICS: tuple[str, ...] = ("accuracy", "sensitivity", "specificity", "f1", "balanced_accuracy", "roc_auc")
"""Of a target with the labels 0 and 1; `classes.CLASS_METRICS` are those of any other."""


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
    """Return one metric of probabilities `score` (cases,) of label 1 for `label` (cases,), decided at 0.5."""
    return decided_metric(name, label, decide(score), score)


def decided_metric(name: str, label: ArrayLike, predicted: ArrayLike, score: ArrayLike) -> float:
    """Return one metric of decisions `predicted` (cases,), or for ``roc_auc`` of probabilities `score` (cases,)."""
    if name == "roc_auc":
        return float(metrics.roc_auc_score(label, score))
    return float(_ON_DECISIONS[name](label, predicted))


def decided_metrics(
    names: Sequence[str], label: NDArray[np.intp], predicted: NDArray[np.intp], score: NDArray[np.float64]
) -> dict[str, float]:
    """Return several metrics of decisions and probabilities (cases,), as `decided_metric` gives them one by one.

    Counted at once where every label is there; a label that is not leaves some of them to scikit-learn's conventions.
    """
    from benchmark.statistics.metrics.weighted import weighted_metrics

    if np.isin((0, 1), label).all():
        values = weighted_metrics(names, label, predicted, score, np.ones((1, len(label))))[0]
        return dict(zip(names, values.tolist(), strict=True))
    return {name: decided_metric(name, label, predicted, score) for name in names}


def decide(score: ArrayLike, threshold: float = 0.5) -> NDArray[np.intp]:
    """Return 1 where the probability exceeds the threshold; at 0.5, as the classifiers' own `predict` does."""
    return np.where(np.asarray(score, dtype=float) > threshold, 1, 0)


def most_probable(probabilities: NDArray[np.float64], threshold: float = 0.5) -> NDArray[np.intp]:
    """Return the class of each row of `probabilities` (cases, classes); of two classes, 1 above the threshold."""
    if probabilities.shape[1] == 2:
        return decide(probabilities[:, 1], threshold)
    return np.asarray(probabilities.argmax(axis=1), dtype=np.intp)
