"""Whether feature selection keeps the same features in every training fold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm


@dataclass(frozen=True)
class Stability:
    """Nogueira's stability: 1 when every selection is the same, 0 as expected of random ones; 95 % interval.

    `value` is None where it is undefined, and `note` says why.
    """

    value: float | None
    low: float | None
    high: float | None
    note: str = ""


def selection_stability(kept: Sequence[Collection[str]], features: Sequence[str]) -> Stability:
    """Return the stability of the selections `kept`, one per training fold, out of `features`.

    Nogueira, Sechidis and Brown 2018, JMLR 18(174), eq. 4 and theorem 10: corrected for chance whatever the
    selections' sizes. The interval takes the selections as independent, which folds are not: it is too narrow.
    Raises `ValueError` for fewer than two selections or names that are not among `features`.
    """
    chosen = _indicator(kept, features)
    folds, total = chosen.shape
    frequency, sizes = chosen.mean(axis=0), chosen.sum(axis=1)
    mean_size = float(sizes.mean())
    chance = (mean_size / total) * (1 - mean_size / total)
    if chance <= 0:
        word = "no" if mean_size == 0 else "every"
        return Stability(
            None, None, None, f"every selection keeps {word} feature: nothing was selected between"
        )
    value = float(1 - folds / (folds - 1) * (frequency * (1 - frequency)).mean() / chance)
    influence = (
        (chosen * frequency).mean(axis=1)
        - sizes * mean_size / total**2
        + value / 2 * (2 * sizes * mean_size / total**2 - sizes / total - mean_size / total + 1)
    ) / chance
    half = float(norm.ppf(0.975)) * 2 / folds * float(np.sqrt(((influence - influence.mean()) ** 2).sum()))
    return Stability(value, value - half, min(1.0, value + half))


def selection_frequency(kept: Sequence[Collection[str]], features: Sequence[str]) -> pd.Series:
    """Return the share of selections that keep each feature, most frequent first."""
    frequency = pd.Series(_indicator(kept, features).mean(axis=0), index=pd.Index(features, name="feature"))
    return frequency.rename("frequency").sort_values(ascending=False, kind="stable")


def _indicator(kept: Sequence[Collection[str]], features: Sequence[str]) -> NDArray[np.float64]:
    if len(kept) < 2:
        raise ValueError(f"{len(kept)} selection: stability compares at least two")
    unknown = set().union(*kept) - set(features)
    if unknown:
        raise ValueError(f"{sorted(unknown)[0]} was selected but is not among the {len(features)} features")
    return np.array(
        [[name in kept_in_fold for name in features] for kept_in_fold in map(set, kept)], dtype=float
    )
