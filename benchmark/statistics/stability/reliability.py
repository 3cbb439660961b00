"""Whether a feature measures the same when the same patient is scanned again: intraclass correlation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import f as f_distribution


@dataclass(frozen=True)
class IntraclassCorrelation:
    """An ICC and the ends of its 95 % interval; None where it is undefined, and `note` says why."""

    value: float | None
    low: float | None
    high: float | None
    note: str = ""


def icc_agreement(ratings: ArrayLike, level: float = 0.95) -> IntraclassCorrelation:
    """Return ICC(2,1): absolute agreement of single scans, scanners drawn from many.

    `ratings` has shape (patients, scanners). Shrout and Fleiss 1979, doi:10.1037/0033-2909.86.2.420; interval by
    McGraw and Wong 1996, doi:10.1037/1082-989X.1.1.30, table 7.
    """
    squares = _mean_squares(ratings)
    if isinstance(squares, str):
        return IntraclassCorrelation(None, None, None, squares)
    patients, scanners, between, within, error = squares
    value = (between - error) / (between + (scanners - 1) * error + scanners * (within - error) / patients)
    # What is left is rounding: the degrees of freedom below would divide by 1 - value, which is 0.
    if error <= 1e-14 * between and within <= 1e-14 * between:
        return IntraclassCorrelation(1.0, 1.0, 1.0, "every scanner gives the same values")
    a = scanners * value / (patients * (1 - value))
    b = 1 + scanners * value * (patients - 1) / (patients * (1 - value))
    df = (a * within + b * error) ** 2 / (
        (a * within) ** 2 / (scanners - 1) + (b * error) ** 2 / ((patients - 1) * (scanners - 1))
    )
    tail, rest = (1 + level) / 2, scanners * patients - scanners - patients
    upper = f_distribution.ppf(tail, patients - 1, df)
    lower = f_distribution.ppf(tail, df, patients - 1)
    low = (
        patients
        * (between - upper * error)
        / (upper * (scanners * within + rest * error) + patients * between)
    )
    high = (
        patients * (lower * between - error) / (scanners * within + rest * error + patients * lower * between)
    )
    if not np.isfinite([low, high]).all():
        return IntraclassCorrelation(
            float(value), None, None, "no interval: its degrees of freedom are undefined"
        )
    return IntraclassCorrelation(float(value), float(low), float(high))


def icc_consistency(ratings: ArrayLike, level: float = 0.95) -> IntraclassCorrelation:
    """Return ICC(3,1): consistency of single scans, up to a shift of each scanner.

    Arguments and source as in `icc_agreement`.
    """
    squares = _mean_squares(ratings)
    if isinstance(squares, str):
        return IntraclassCorrelation(None, None, None, squares)
    patients, scanners, between, _, error = squares
    if error <= 1e-14 * between:
        return IntraclassCorrelation(1.0, 1.0, 1.0, "every scanner gives the same values up to a shift")
    ratio, df = between / error, (patients - 1) * (scanners - 1)
    lower = ratio / f_distribution.ppf((1 + level) / 2, patients - 1, df)
    upper = ratio * f_distribution.ppf((1 + level) / 2, df, patients - 1)
    value, low, high = ((part - 1) / (part + scanners - 1) for part in (ratio, lower, upper))
    return IntraclassCorrelation(float(value), float(low), float(high))


def feature_reliability(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row per feature: feature, icc_2_1, low_2_1, high_2_1, icc_3_1, low_3_1, high_3_1, note.

    `tables` maps a scanner (or noise level, or dilation) to its features, (patients, features), with the same
    patients and features. Raises `ValueError` where they differ.
    """
    names, parts = list(tables), list(tables.values())
    for name, part in zip(names, parts, strict=True):
        if not (
            part.index.sort_values().equals(parts[0].index.sort_values())
            and set(part.columns) == set(parts[0].columns)
        ):
            raise ValueError(
                f"{name} and {names[0]} have other patients or features: give the ones all share"
            )
    values = np.stack([part.loc[parts[0].index, parts[0].columns].to_numpy(dtype=float) for part in parts], 1)
    rows = []
    for place, feature in enumerate(parts[0].columns):
        both = (icc_agreement(values[:, :, place]), icc_consistency(values[:, :, place]))
        numbers = [number for icc in both for number in (icc.value, icc.low, icc.high)]
        rows.append((feature, *numbers, "; ".join(dict.fromkeys(icc.note for icc in both if icc.note))))
    table = pd.DataFrame(rows, columns=["feature", *_NUMBERS, "note"])
    return table.astype(dict.fromkeys(_NUMBERS, "Float64"))


_NUMBERS = ("icc_2_1", "low_2_1", "high_2_1", "icc_3_1", "low_3_1", "high_3_1")


def _mean_squares(ratings: ArrayLike) -> tuple[int, int, float, float, float] | str:
    """Return patients, scanners and the mean squares of patients, scanners and residual; or why there are none."""
    values = np.asarray(ratings, dtype=float)
    if values.ndim != 2 or min(values.shape) < 2:
        raise ValueError(
            "an intraclass correlation needs at least two patients, each on at least two scanners"
        )
    if not np.isfinite(values).all():
        raise ValueError("a value is missing: every patient needs one from every scanner")
    patients, scanners = values.shape
    scale = np.abs(values).max() or 1.0
    values = (values - values.mean()) / scale
    rows, columns = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True)
    between = scanners * float((rows**2).sum()) / (patients - 1)
    within = patients * float((columns**2).sum()) / (scanners - 1)
    error = float(((values - rows - columns) ** 2).sum()) / ((patients - 1) * (scanners - 1))
    if between + error <= 1e-26:
        return "the feature is the same in every patient: nothing to agree about"
    return patients, scanners, between, within, error
