"""Tests of the difference between two methods scored on the same folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


@dataclass(frozen=True)
class PairedTest:
    """A test's statistic, degrees of freedom and two-sided p-value; `note` says what a number cannot.

    `statistic` is None where the differences do not vary: p is then 1 when they are all zero (the methods agree in
    every fold), and None when they are all the same but not zero (no variance to test against).
    """

    statistic: float | None
    df: int
    p: float | None
    note: str = ""


def paired_t(a: ArrayLike, b: ArrayLike) -> PairedTest:
    """Test the mean of ``a - b`` by the paired t-test over folds, as arXiv 2510.25347 does.

    Fold scores share training cases, so their variance is underestimated and p is too small (Dietterich 1998,
    doi:10.1162/089976698300017197): reported as the published comparison, not as the one to rely on.
    """
    difference = _difference(a, b)
    return _t_test(difference, variance_factor=1 / len(difference))


def nadeau_bengio(a: ArrayLike, b: ArrayLike, test_to_train: float) -> PairedTest:
    """Test the mean of ``a - b`` with the corrected resampled t-test.

    Nadeau and Bengio 2003, doi:10.1023/A:1024068626366: the variance of the mean is s²·(1/J + n_test/n_train) with
    J fold scores, J - 1 degrees of freedom. `test_to_train` is n_test/n_train, 1/(k-1) for k-fold.
    """
    difference = _difference(a, b)
    return _t_test(difference, variance_factor=1 / len(difference) + test_to_train)


def _difference(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if first.shape != second.shape or first.size == 0:
        raise ValueError(
            f"{first.size} and {second.size} fold scores: both methods need the same, at least one, fold"
        )
    return first - second


def _t_test(difference: NDArray[np.float64], variance_factor: float) -> PairedTest:
    folds = len(difference)
    if folds < 2:
        return PairedTest(None, 0, None, "one fold: nothing to estimate a variance from")
    mean, spread = difference.mean(), difference.std(ddof=1)
    if spread <= 1e-12:
        if abs(mean) <= 1e-12:
            return PairedTest(None, folds - 1, 1.0, "equal in every fold")
        return PairedTest(
            None, folds - 1, None, "the same difference in every fold: no variance to test against"
        )
    t = float(mean / (spread * np.sqrt(variance_factor)))
    return PairedTest(t, folds - 1, float(2 * stats.t.sf(abs(t), folds - 1)))
