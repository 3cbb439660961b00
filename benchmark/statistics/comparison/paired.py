"""Tests of the difference between two methods scored on the same folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

EQUAL = 1e-12  # fold scores nearer than this differ by rounding alone


@dataclass(frozen=True)
class PairedTest:
    """A test's statistic, degrees of freedom and two-sided p-value; `note` says what a number cannot.

    `statistic` is None where the differences do not vary: p is then 1 when they are all zero (the methods agree in
    every fold), and None when they are all the same but not zero (no variance to test against). `low` and `high`
    end the 95 % interval of `difference`; `effect` is the effect size called `effect_name`. `posterior` holds the
    probabilities that the first method is worse, practically equal and better, for the Bayesian test alone.
    """

    statistic: float | None
    df: int | None
    p: float | None
    note: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    effect_name: str = ""
    effect: float | None = None
    posterior: tuple[float, float, float] | None = None


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


def wilcoxon(a: ArrayLike, b: ArrayLike) -> PairedTest:
    """Test the differences ``a - b`` by the Wilcoxon signed-rank test over folds.

    Folds without a difference are dropped. Exact up to 50 folds, ties included; beyond, scipy's normal
    approximation with tie correction. Shares the flaw of `paired_t`. The statistic is the smaller rank sum, the
    effect the rank-biserial correlation.
    """
    difference = np.round(_difference(a, b), 12)  # rounding makes the ties that floating-point noise breaks
    moved = difference[difference != 0]
    if len(moved) == 0:
        return PairedTest(None, None, 1.0, "equal in every fold", 0.0)
    ranks = stats.rankdata(np.abs(moved))
    above, total = float(ranks[moved > 0].sum()), float(ranks.sum())
    p = (
        signed_sum_p(ranks, above)
        if len(moved) <= 50
        else float(stats.wilcoxon(moved, method="approx").pvalue)
    )
    notes = [f"folds without a difference dropped: {len(difference) - len(moved)}"]
    smallest = 2.0 ** (1 - len(moved))
    return PairedTest(
        min(above, total - above),
        None,
        p,
        "; ".join(
            notes * (len(moved) < len(difference))
            + [f"{len(moved)} differences cannot give p below {smallest:g}"] * (smallest > 0.05)
        ),
        float(difference.mean()),
        effect_name="rank_biserial",
        effect=2 * above / total - 1,
    )


def signed_sum_p(sizes: NDArray[np.float64], above: float) -> float:
    """Return the exact two-sided p-value of the sum `above` of positive ones, from the distribution over all signs.

    Sizes, such as midranks, are multiples of a half, so twice their sum is an integer whose distribution builds up
    size by size.
    """
    steps = np.rint(2 * sizes).astype(int)
    total = int(steps.sum())
    chances = np.zeros(total + 1)
    chances[0] = 1.0
    for step in steps:
        chances[step:] += chances[: total + 1 - step].copy()
        chances /= 2
    extreme = np.abs(2 * np.arange(total + 1) - total) >= round(abs(4 * above - total))
    return float(min(1.0, chances[extreme].sum()))


def five_by_two_f(a: ArrayLike, b: ArrayLike) -> PairedTest:
    """Test ``a - b`` by the combined 5×2cv F-test, Alpaydin 1999, doi:10.1162/089976699300016007.

    `a` and `b` have shape (5, 2): repeats, folds. F has 10 and 5 degrees of freedom. Other shapes get a note.
    """
    difference = _difference(a, b)
    mean = float(difference.mean())
    if difference.shape != (5, 2):
        return PairedTest(None, None, None, "needs 5 repeats of 2 folds; these folds are others", mean)
    variance = float(difference.var(axis=1, ddof=0).sum() * 2)
    if variance <= EQUAL**2:
        if np.abs(difference).max() <= EQUAL:
            return PairedTest(None, 5, 1.0, "equal in every fold", 0.0)
        return PairedTest(None, 5, None, "no difference between the halves of any repeat: no variance", mean)
    f = float((difference**2).sum() / (2 * variance))
    return PairedTest(f, 5, float(stats.f.sf(f, 10, 5)), difference=mean)


def bayesian_correlated_t(a: ArrayLike, b: ArrayLike, test_to_train: float, rope: float = 0.01) -> PairedTest:
    """Return the posterior of the mean of ``a - b`` under correlated folds: worse, within ±`rope`, better.

    Corani and Benavoli 2015, doi:10.1007/s10994-015-5486-z: a Student t with J - 1 degrees of freedom around the
    mean, its variance the one of `nadeau_bengio`. There is no p-value; the interval is the central 95 %.
    """
    difference = _difference(a, b)
    if len(difference) < 2:
        return PairedTest(
            None, 0, None, "one fold: nothing to estimate a variance from", float(difference.mean())
        )
    mean, df = float(difference.mean()), len(difference) - 1
    spread = float(difference.std(ddof=1) * np.sqrt(1 / len(difference) + test_to_train))
    if spread <= EQUAL:
        inside = (float(mean < -rope), float(abs(mean) <= rope), float(mean > rope))
        note = "Bayesian: no p-value; the same difference in every fold, so the posterior is a point"
        return PairedTest(None, df, None, note, mean, mean, mean, posterior=inside)
    posterior = stats.t(df, loc=mean, scale=spread)
    worse, better = float(posterior.cdf(-rope)), float(posterior.sf(rope))
    low, high = posterior.interval(0.95)
    return PairedTest(
        None,
        df,
        None,
        f"Bayesian: no p-value; see the probabilities, equal means within ±{rope:g}",
        mean,
        float(low),
        float(high),
        posterior=(worse, max(0.0, 1 - worse - better), better),
    )


def _difference(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if first.shape != second.shape or first.size == 0:
        raise ValueError(
            f"{first.size} and {second.size} fold scores: both methods need the same, at least one, fold"
        )
    if not np.isfinite(first - second).all():
        raise ValueError("a fold's score is missing or infinite: every method needs a score in every fold")
    return np.asarray(first - second)


def _t_test(difference: NDArray[np.float64], variance_factor: float) -> PairedTest:
    folds, mean = len(difference), float(difference.mean())
    if folds < 2:
        return PairedTest(None, 0, None, "one fold: nothing to estimate a variance from", mean)
    spread = float(difference.std(ddof=1))
    if spread <= EQUAL:
        if abs(mean) <= EQUAL:
            return PairedTest(None, folds - 1, 1.0, "equal in every fold", 0.0, 0.0, 0.0)
        return PairedTest(
            None, folds - 1, None, "the same difference in every fold: no variance to test against", mean
        )
    error = spread * np.sqrt(variance_factor)
    half = float(stats.t.ppf(0.975, folds - 1) * error)
    t = float(mean / error)
    return PairedTest(
        t,
        folds - 1,
        float(2 * stats.t.sf(abs(t), folds - 1)),
        "",
        mean,
        mean - half,
        mean + half,
        effect_name="cohen_d_z",
        effect=mean / spread,
    )
