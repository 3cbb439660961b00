"""Metrics of weighted cases, many weightings at once.

A bootstrap replicate, a jackknife replicate and a fold are each a row of case weights: how often every case counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]

_COLUMNS = 128  # of the matrix that counts decisions


def weighted_metrics(
    metrics: Sequence[str], label: Labels, predicted: Labels, score: Floats, weights: Floats
) -> Floats:
    """Return each metric under each row of `weights`, shape (replicates, metrics), as `all_weighted_metrics` of one."""
    return np.asarray(all_weighted_metrics(metrics, label, predicted[None], score[None], weights)[0])


def all_weighted_metrics(
    metrics: Sequence[str], label: Labels, predicted: Labels, score: Floats, weights: Floats
) -> Floats:
    """Return each metric of several methods under each row of `weights`, shape (methods, replicates, metrics).

    `label` has shape (cases,), `predicted` (codes 0, 1, …) and `score` (probability of label 1; read by ``roc_auc`` and
    ``brier`` alone) have (methods, cases), `weights` has (replicates, cases), read fastest in the order of columns.
    Raises `ValueError` for an unknown metric, one that the labels do not allow, and rows of weights that leave a metric
    undefined.
    """
    check_metrics(metrics, label)
    columns: dict[str, Floats] = {}
    if any(name in _OF_CONFUSION for name in metrics):
        codes = codes_of_both(label, predicted)
        counts = confusion_matrices(label, predicted, weights, codes)
        columns = metrics_of_confusion(metrics, counts.reshape(-1, *counts.shape[2:]), codes)
    if "roc_auc" in metrics:
        columns["roc_auc"] = weighted_aucs(label, score, weights).ravel()
    if "brier" in metrics:
        errors = squared_errors(label, score)
        columns["brier"] = _ratio(
            (weights @ errors.T).T, weights.sum(axis=1)[None].repeat(len(score), 0)
        ).ravel()
    found = np.stack([_defined(columns[name], name) for name in metrics], axis=-1)
    return found.reshape(len(score), len(weights), len(metrics))


def codes_of_both(label: Labels, predicted: Labels) -> Labels:
    """Return the class codes of labels and decisions, sorted; 0 and 1 are among them."""
    return np.union1d(np.union1d(label, predicted), [0, 1])


def metrics_of_confusion(metrics: Sequence[str], confusion: Floats, codes: Labels) -> dict[str, Floats]:
    """Return those of the metrics that decisions alone decide, from counts (replicates, codes, codes)."""
    return {name: _OF_CONFUSION[name](confusion, codes) for name in metrics if name in _OF_CONFUSION}


def check_metrics(metrics: Sequence[str], label: Labels) -> None:
    """Raise `ValueError` for a metric that is unknown or undefined for a target with these labels."""
    known = (*_OF_CONFUSION, "roc_auc", "brier")
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
    """Return weighted counts, (methods, replicates, codes, codes), true label by predicted label; `codes` are sorted.

    One matrix product for as many methods as `_COLUMNS` allow: the weights are read once for all of them.
    """
    size = len(codes)
    cells = np.searchsorted(codes, label) * size + np.searchsorted(codes, predicted)
    found = []
    for part in np.array_split(cells, range(at_once := max(1, _COLUMNS // size**2), len(cells), at_once)):
        indicator = (part.T[:, :, None] == np.arange(size**2)).astype(float)
        counts = weights @ indicator.reshape(len(label), -1)
        found.append(counts.reshape(len(weights), len(part), size, size).swapaxes(0, 1))
    return np.concatenate(found)


def weighted_aucs(label: Labels, score: Floats, weights: Floats) -> Floats:
    """Return the weighted Mann-Whitney estimate of each method's AUC, ties counted half, (methods, replicates)."""
    well, sick = np.flatnonzero(label != 1), np.flatnonzero(label == 1)
    of_both = weights @ np.stack([label == 1, label != 1], axis=1).astype(float)
    by_case = np.ascontiguousarray(weights.T)
    won = np.stack([_won(by_case, *_events(each, well, sick)) for each in score])
    return _ratio(won, of_both.prod(axis=1)[None].repeat(len(score), 0))


def _events(score: Floats, well: Labels, sick: Labels) -> tuple[Labels, Labels]:
    """Return cases in the order of their scores, and what each is there: well 0, sick 1, sick and tied with well 2.

    One of the last is there twice, before and after those it is tied with.
    """
    well = well[np.argsort(score[well], kind="stable")]
    first, last = (np.searchsorted(score[well], score[sick], side) for side in ("left", "right"))
    tied = first < last
    place = np.concatenate([np.arange(len(well)) + 0.5, first, last[tied]])
    kind = np.concatenate([np.zeros(len(well), int), 1 + tied, np.full(tied.sum(), 2)])
    order = np.argsort(place, kind="stable")
    return np.concatenate([well, sick, sick[tied]])[order], kind[order]


def _won(weights: Floats, cases: Labels, kinds: Labels) -> Floats:
    """Return the weight of pairs in which the sick scores higher, under each column of weights (cases, replicates)."""
    below, product = np.zeros(weights.shape[1]), np.empty(weights.shape[1])
    won, tied = np.zeros_like(below), np.zeros_like(below)
    # A row at a time: all of it stays in the processor's nearest memory.
    for case, kind in zip(cases.tolist(), kinds.tolist(), strict=True):
        if kind == 0:
            np.add(below, weights[case], out=below)
        else:
            np.multiply(below, weights[case], out=product)
            np.add(target := won if kind == 1 else tied, product, out=target)
    return won + tied / 2


def squared_errors(label: Labels, score: Floats) -> Floats:
    """Return the squared error of each probability. Raises `ValueError` where one is no probability."""
    if not ((score >= 0) & (score <= 1)).all():
        raise ValueError("scores below 0, above 1 or missing are no probabilities: calibration needs those")
    return np.asarray((score - label) ** 2)


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
BINARY_METRICS = ("sensitivity", "specificity", "f1", "roc_auc", "brier")
NEED_BOTH_LABELS = ("sensitivity", "specificity", "f1", "roc_auc", "balanced_accuracy")


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
