"""The permuted-label control: what a pipeline finds in labels that mean nothing, it has leaked.

Ojala and Garriga, J Mach Learn Res 2010;11:1833 (permutation tests of classifiers); Ambroise and McLachlan, PNAS
2002;99:6562 (selection bias found with labels that mean nothing). It needs no study: `permuted_label_control` takes any
function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.errors import UserError
from benchmark.execution.seeds import derive_seed

Pipeline = Callable[[NDArray[np.float64], NDArray[np.intp], int], ArrayLike]
"""From X (cases, features), y (cases,) and a seed to the out-of-fold class of every case, (cases,)."""

_ROUNDING = 1e-9


@dataclass(frozen=True)
class PermutedControl:
    """Balanced accuracies on permuted labels, one per permutation, and the balanced accuracy of guessing.

    The pipeline leaks if the lower end of the one-sided 95 % t-interval of their mean is above chance. A sound
    pipeline is thus flagged by accident about once in twenty controls; with more
    permutations a leak stays above chance and an accident seldom does. Where all permutations gave the same value,
    the interval is that value.
    """

    values: tuple[float, ...]
    chance: float

    def __post_init__(self) -> None:
        if len(self.values) < 2:
            raise UserError(f"{len(self.values)} permutations have no interval: take 2 or more, 10 are usual")
        if not np.isfinite([*self.values, self.chance]).all():
            raise UserError("a permutation gave no number: the pipeline's balanced accuracy is undefined")

    @property
    def mean(self) -> float:
        """Mean balanced accuracy over the permutations."""
        return float(np.mean(self.values))

    @property
    def interval(self) -> tuple[float, float]:
        """The two-sided 95 % t-interval of the mean."""
        return self.mean - self._margin(0.975), self.mean + self._margin(0.975)

    @property
    def bound(self) -> float:
        """The lower end of the one-sided 95 % t-interval of the mean."""
        return self.mean - self._margin(0.95)

    @property
    def leaks(self) -> bool:
        """Whether `bound` is above chance."""
        return self.bound > self.chance + _ROUNDING

    def exceeded_by(self, value: float) -> bool:
        """Say whether a value on the true labels is above what 95 % of further permutations would give."""
        return value > self.mean + self._margin(0.95) * float(np.sqrt(len(self.values) + 1)) + _ROUNDING

    def _margin(self, level: float) -> float:
        """Return the `level` quantile of t times the standard error of the mean."""
        from scipy.stats import t

        n = len(self.values)
        return float(t.ppf(level, n - 1) * np.std(self.values, ddof=1) / np.sqrt(n))


def permuted_label_control(
    pipeline: Pipeline, X: ArrayLike, y: ArrayLike, permutations: int = 10, seed: object = 0
) -> PermutedControl:
    """Run a whole pipeline on permuted labels and say what it finds.

    `pipeline(X, y, seed)` is handed the permuted labels from the start, so whatever it does with labels before it
    cross-validates is seen. Give it everything that is done with labels: a filter applied to X beforehand is not. It
    gets codes 0, 1, … in the sorted order of the labels and returns codes.

    Parameters
    ----------
    pipeline : from X, y and an integer seed to the out-of-fold class of every case, (cases,).
    X : shape (cases, features).
    y : shape (cases,), labels of any kind.
    permutations : how often the labels are permuted, at least 2.
    seed : every random choice derives from it.

    Raises
    ------
    UserError
        for fewer than two labels or permutations, or a pipeline that does not return a class for every case.
    """
    from sklearn.metrics import balanced_accuracy_score

    values, codes = np.asarray(X), np.unique(np.asarray(y), return_inverse=True)[1]
    classes = len(np.unique(codes))
    if len(values) != len(codes) or classes < 2:
        raise UserError(
            f"X has {len(values)} cases and y {len(codes)} of {classes} labels: give as many of both, of two labels"
        )
    accuracies = []
    for number in range(permutations):
        permuted = np.random.default_rng(derive_seed(seed, "permute", number)).permutation(codes)
        predicted = np.asarray(pipeline(values, permuted.copy(), derive_seed(seed, "pipeline", number)))
        if predicted.shape != codes.shape:
            raise UserError(
                f"the pipeline returned shape {predicted.shape} for {len(codes)} cases: return one class per case"
            )
        accuracies.append(float(balanced_accuracy_score(permuted, predicted)))
    return PermutedControl(tuple(accuracies), 1 / classes)
