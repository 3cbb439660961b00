"""Metrics of weighted cases, many weightings at once.

A bootstrap replicate, a jackknife replicate and a fold are each a row of case weights: how often every case counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]


def weighted_metrics(
    metrics: Sequence[str], label: Labels, predicted: Labels, score: Floats, weights: Floats
) -> Floats:
    """Return each metric under each row of `weights`, shape (replicates, metrics).

    `label`, `predicted` (codes 0, 1, …) and `score` (probability of label 1; read by ``roc_auc`` alone) have shape
    (cases,), `weights` (replicates, cases). Raises `ValueError` for an unknown metric, one that the labels do not
    allow, and rows of weights that leave a metric undefined.
    """
    check_metrics(metrics, label)
    columns: dict[str, Floats] = {}
    if any(name in _OF_CONFUSION for name in metrics):
        codes = np.union1d(np.union1d(label, predicted), [0, 1])
        confusion = confusion_matrices(label, predicted, weights, codes)
        columns = {name: _OF_CONFUSION[name](confusion, codes) for name in metrics if name in _OF_CONFUSION}
    if "roc_auc" in metrics:
        columns["roc_auc"] = weighted_auc(label, score, weights)
    return np.stack([_defined(columns[name], name) for name in metrics], axis=-1)


def check_metrics(metrics: Sequence[str], label: Labels) -> None:
    """Raise `ValueError` for a metric that is unknown or undefined for a target with these labels."""
    known = (*_OF_CONFUSION, "roc_auc")
    for name in metrics:
        if name not in known:
            raise ValueError(f"{name} is not a metric: choose from {', '.join(known)}")
        if name in BINARY_METRICS and not np.isin(label, (0, 1)).all():
            labels = ", ".join(str(code) for code in np.unique(label))
            allowed = [metric for metric in known if metric not in BINARY_METRICS]
            raise ValueError(
                f"{name} is a metric of the labels 0 and 1, this target has {labels}: "
                f"choose from {', '.join(allowed)}"
            )


def confusion_matrices(label: Labels, predicted: Labels, weights: Floats, codes: Labels) -> Floats:
    """Return the weighted counts, shape (replicates, codes, codes), true label by predicted label."""
    size = len(codes)
    cell = np.searchsorted(codes, label) * size + np.searchsorted(codes, predicted)
    indicator = np.zeros((len(label), size * size))
    indicator[np.arange(len(label)), cell] = 1
    return np.asarray(weights @ indicator).reshape(-1, size, size)


def weighted_auc(label: Labels, score: Floats, weights: Floats) -> Floats:
    """Return the weighted Mann-Whitney estimate of the AUC, ties counted half, shape (replicates,)."""
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] > ranked[:-1]])
    sorted_weights, positive = weights[:, order], label[order] == 1
    sick = np.add.reduceat(sorted_weights * positive, starts, axis=1)
    well = np.add.reduceat(sorted_weights * ~positive, starts, axis=1)
    below = np.cumsum(well, axis=1) - well / 2
    return _ratio((sick * below).sum(axis=1), sick.sum(axis=1) * well.sum(axis=1))


def _accuracy(confusion: Floats, codes: Labels) -> Floats:
    return _ratio(_hits(confusion).sum(axis=1), confusion.sum(axis=(1, 2)))


def _sensitivity(confusion: Floats, codes: Labels) -> Floats:
    return _ratio(confusion[:, 1, 1], confusion[:, 1].sum(axis=1))


def _specificity(confusion: Floats, codes: Labels) -> Floats:
    return _ratio(confusion[:, 0, 0], confusion[:, 0].sum(axis=1))


def _f1(confusion: Floats, codes: Labels) -> Floats:
    """F1 of label 1; undefined without a positive case, 0 when positives are there and none is found."""
    return np.asarray(np.where(confusion[:, 1].sum(axis=1) > 0, _class_f1(confusion)[:, 1], np.nan))


def _balanced_accuracy(confusion: Floats, codes: Labels) -> Floats:
    """Mean recall of the classes that occur."""
    return np.asarray(np.nanmean(_ratio(_hits(confusion), confusion.sum(axis=2)), axis=1))


def _macro_f1(confusion: Floats, codes: Labels) -> Floats:
    """Mean F1 of the classes that occur among labels or predictions, as in scikit-learn."""
    return np.asarray(np.nanmean(_class_f1(confusion), axis=1))


def _quadratic_kappa(confusion: Floats, codes: Labels) -> Floats:
    """Cohen 1968, doi:10.1037/h0026256, with disagreement (code - code)²; undefined if only one class occurs."""
    disagreement = (codes[:, None] - codes[None, :]) ** 2
    chance = confusion.sum(axis=2)[:, :, None] * confusion.sum(axis=1)[:, None, :]
    observed = (confusion * disagreement).sum(axis=(1, 2)) * confusion.sum(axis=(1, 2))
    return 1 - _ratio(observed, (chance * disagreement).sum(axis=(1, 2)))


_OF_CONFUSION: dict[str, Callable[[Floats, Labels], Floats]] = {
    "accuracy": _accuracy,
    "sensitivity": _sensitivity,
    "specificity": _specificity,
    "f1": _f1,
    "balanced_accuracy": _balanced_accuracy,
    "macro_f1": _macro_f1,
    "quadratic_kappa": _quadratic_kappa,
}
BINARY_METRICS = ("sensitivity", "specificity", "f1", "roc_auc")
NEED_BOTH_LABELS = (*BINARY_METRICS, "balanced_accuracy")


def _class_f1(confusion: Floats) -> Floats:
    return _ratio(2 * _hits(confusion), confusion.sum(axis=1) + confusion.sum(axis=2))


def _hits(confusion: Floats) -> Floats:
    return np.diagonal(confusion, axis1=1, axis2=2)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Return the ratio, NaN where the denominator is 0; NaN never leaves this module."""
    undefined = np.full(denominator.shape, np.nan)
    return np.asarray(np.divide(numerator, denominator, out=undefined, where=denominator > 0))


def _defined(values: Floats, name: str) -> Floats:
    if np.isnan(values).any():
        raise ValueError(f"{name} is undefined for some of these cases: not every label it needs is there")
    return values
