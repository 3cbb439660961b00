"""Metrics of all cases but those of each patient in turn, from what every patient adds to counts and pairs: linear."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.statistics.metrics.weighted import (
    check_metrics,
    codes_of_both,
    metrics_of_confusion,
    squared_errors,
)

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]


def metrics_without_each(
    metrics: Sequence[str], label: Labels, predicted: Labels, score: Floats, patient: Labels
) -> Floats:
    """Return each metric without each patient, (patients, metrics); NaN where that leaves it undefined.

    Arguments as of `weighted_metrics`; `patient` (cases,) holds codes 0, 1, … of whose each case is.
    """
    check_metrics(metrics, label)
    codes = codes_of_both(label, predicted)
    columns = metrics_of_confusion(metrics, _confusion(label, predicted, patient, codes), codes)
    if "roc_auc" in metrics:
        columns["roc_auc"] = _auc(label, score, patient)
    if "brier" in metrics:
        errors = squared_errors(label, score)
        left = len(label) - np.bincount(patient)
        columns["brier"] = (errors.sum() - np.bincount(patient, errors)) / np.where(left > 0, left, np.nan)
    return np.stack([columns[name] for name in metrics], axis=-1)


def _confusion(label: Labels, predicted: Labels, patient: Labels, codes: Labels) -> Floats:
    """Return the counts without each patient, (patients, codes, codes)."""
    size, patients = len(codes), int(patient.max()) + 1
    cell = np.searchsorted(codes, label) * size + np.searchsorted(codes, predicted)
    own = np.bincount(patient * size**2 + cell, minlength=patients * size**2).reshape(patients, size, size)
    return np.asarray(own.sum(axis=0) - own, float)


def _auc(label: Labels, score: Floats, patient: Labels) -> Floats:
    """Return the AUC without each patient: their pairs with others go, those between two scans of theirs once."""
    sick = label == 1
    pairs = np.empty(len(label))  # how many pairs each case wins, ties half
    pairs[sick] = _below(score[~sick], score[sick])
    pairs[~sick] = sick.sum() - _below(score[sick], score[~sick])
    without = pairs[sick].sum() - np.bincount(patient, pairs)
    own_sick, own_well = np.bincount(patient, sick), np.bincount(patient, ~sick)
    for both in np.flatnonzero((own_sick > 0) & (own_well > 0)):
        mine = patient == both
        without[both] += _below(score[mine & ~sick], score[mine & sick]).sum()
    left = (sick.sum() - own_sick) * ((~sick).sum() - own_well)
    return np.asarray(without / np.where(left > 0, left, np.nan))


def _below(others: Floats, scores: Floats) -> Floats:
    """Return how many of `others` lie below each of `scores`, ties half."""
    ranked = np.sort(others)
    return np.asarray(
        (np.searchsorted(ranked, scores, "left") + np.searchsorted(ranked, scores, "right")) / 2
    )
