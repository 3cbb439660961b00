"""The decision threshold, chosen on training scores and applied to test scores."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Rule = Literal["youden", "accuracy", "sensitivity", "specificity"]


def choose_threshold(
    label: ArrayLike, score: ArrayLike, *, rule: Rule = "youden", target: float = 0.95
) -> float:
    """Return the threshold t so that ``score > t`` is the best decision on these cases by `rule`.

    `label` in {0, 1} and `score` have shape (cases,): out-of-fold scores of the training cases, never the test
    cases. ``youden`` maximises sensitivity + specificity - 1, ``accuracy`` the accuracy; ``sensitivity`` and
    ``specificity`` reach `target` and then maximise the other one. Candidates lie halfway between neighbouring
    scores; among equally good ones the one nearest to 0.5 wins. Raises `ValueError` when a label is missing.
    """
    label, score = np.asarray(label), np.asarray(score, dtype=float)
    if not (np.any(label == 1) and np.any(label == 0)):
        raise ValueError("a threshold needs training cases of both labels, here one is missing")
    candidates = _candidates(score)
    positive = score[None, :] > candidates[:, None]
    sensitivity, specificity = positive[:, label == 1].mean(axis=1), 1 - positive[:, label == 0].mean(axis=1)
    prevalence = float(np.mean(label == 1))
    worth = {
        "youden": sensitivity + specificity,
        "accuracy": prevalence * sensitivity + (1 - prevalence) * specificity,
        # A hair less than the target: a share that misses it by rounding alone reaches it.
        "sensitivity": np.where(sensitivity >= target - 1e-12, specificity, -1.0),
        "specificity": np.where(specificity >= target - 1e-12, sensitivity, -1.0),
    }
    if rule not in worth:
        raise ValueError(f"{rule} is not a rule for thresholds: choose from {', '.join(worth)}")
    best = np.flatnonzero(worth[rule] >= worth[rule].max() - 1e-12)
    return float(candidates[best[np.argmin(np.abs(candidates[best] - 0.5))]])


def _candidates(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one threshold between any two neighbouring scores, one below all and one above all."""
    distinct = np.unique(score)
    # What counts is above the threshold, so the highest score is above all, and the lowest needs a hair less.
    return np.concatenate([[distinct[0] - 1e-9], (distinct[1:] + distinct[:-1]) / 2, [distinct[-1]]])
