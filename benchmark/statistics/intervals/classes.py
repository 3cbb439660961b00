"""Metrics of a target with several classes, e.g. Agatston bands, nominal or ordinal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from benchmark.statistics.intervals.proportions import wilson_of_cases
from benchmark.statistics.metrics.weighted import weighted_metrics

CLASS_METRICS: tuple[str, ...] = ("accuracy", "balanced_accuracy", "macro_f1", "quadratic_kappa")


def class_metrics(label: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """Return every metric of `CLASS_METRICS` for class codes 0, 1, … of shape (cases,).

    Quadratic-weighted kappa reads the codes as ranks, so a band without cases still keeps its neighbours apart.
    Balanced accuracy and macro-F1 average over the classes that occur. Raises `ValueError` when only one class is
    there.
    """
    truth, decided = _codes(label), _codes(predicted)
    if len(np.unique(truth)) < 2:
        raise ValueError(f"all {len(truth)} cases have one class: agreement beyond chance is undefined")
    everyone = np.ones((1, len(truth)))
    values = weighted_metrics(CLASS_METRICS, truth, decided, np.zeros(len(truth)), everyone)[0]
    return dict(zip(CLASS_METRICS, values.tolist(), strict=True))


def class_table(
    label: ArrayLike, predicted: ArrayLike, names: Sequence[str], patient: ArrayLike | None = None
) -> pd.DataFrame:
    """Return one row per class: class, cases, sensitivity with its 95 % Wilson interval (low, high), predicted.

    Code i has the name ``names[i]``; `predicted` counts the cases called so. The sensitivity of a class without
    cases is missing, and `note` says so. `patient` (cases,) says whose each case is, see `wilson_of_cases`.
    """
    counts = confusion_table(label, predicted, names).to_numpy()
    truth, decided = np.asarray(label), np.asarray(predicted)
    whose = np.arange(len(truth)) if patient is None else np.asarray(patient)
    rows = []
    for code, name in enumerate(names):
        cases, correct, assigned = (
            int(counts[code].sum()),
            int(counts[code, code]),
            int(counts[:, code].sum()),
        )
        known = (
            (correct / cases, *wilson_of_cases(decided[truth == code] == code, whose[truth == code]), "")
            if cases
            else (None, None, None, "no case of this class")
        )
        rows.append((name, cases, assigned, *known))
    table = pd.DataFrame(rows, columns=["class", "cases", "predicted", "sensitivity", "low", "high", "note"])
    return table.astype(dict.fromkeys(("sensitivity", "low", "high"), "Float64"))


def confusion_table(label: ArrayLike, predicted: ArrayLike, names: Sequence[str]) -> pd.DataFrame:
    """Return the counts of cases, true class by predicted class, all classes named even if empty."""
    from sklearn.metrics import confusion_matrix

    truth, decided = _codes(label), _codes(predicted)
    if max(truth.max(), decided.max()) >= len(names):
        raise ValueError(f"class code {max(truth.max(), decided.max())} has no name among {', '.join(names)}")
    counts = confusion_matrix(truth, decided, labels=range(len(names)))
    return pd.DataFrame(counts, index=pd.Index(names, name="true"), columns=pd.Index(names, name="predicted"))


def _codes(values: ArrayLike) -> NDArray[np.intp]:
    codes = np.asarray(values)
    if codes.size == 0 or not np.issubdtype(codes.dtype, np.integer) or codes.min() < 0:
        raise ValueError("classes are codes 0, 1, 2, … in their order, at least one case")
    return codes.astype(np.intp)
