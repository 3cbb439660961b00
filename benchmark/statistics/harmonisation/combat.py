"""Parametric ComBat: each batch's mean and spread of every feature, shrunk towards those of its other features.

Johnson, Li and Rabinovic, Biostatistics 2007;8:118. combatlearn 2.3.0 does it in scikit-learn's form too, but shrinks
each feature over the batches, of which there are few, and not over the features of a batch as the paper does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

_CONVERGED, _ROUNDS = 1e-10, 10_000
_TINY = 1e-12


@dataclass(frozen=True)
class Combat:
    """What was learnt of the batches: an adjustment of theirs, which leaves out nothing else.

    `batches` (batches,) are the codes that were seen; `mean`, `spread` and `effects` (covariates, features) those of
    all of them together; `shift` and `scale` (batches, features) what is taken from, and divided out of, standardised
    features.
    """

    batches: Codes
    mean: Floats
    spread: Floats
    effects: Floats
    shift: Floats
    scale: Floats

    def adjust(self, values: ArrayLike, batch: ArrayLike, kept: ArrayLike | None = None) -> Floats:
        """Return features (cases, features) without their batch's part; `batch` (cases,), `kept` as in `fit_combat`.

        Raises `ValueError` for a batch that was not seen.
        """
        X, codes = np.asarray(values, dtype=float), np.asarray(batch)
        unseen = np.setdiff1d(codes, self.batches)
        if len(unseen):
            raise ValueError(f"ComBat knows nothing of batch {unseen[0]:g}: no case of it was fitted")
        place = np.searchsorted(self.batches, codes)
        centre = self.mean + _covariates(kept, len(X)) @ self.effects
        standard = (X - centre) / self.spread
        return np.asarray((standard - self.shift[place]) / self.scale[place] * self.spread + centre)


def fit_combat(values: ArrayLike, batch: ArrayLike, kept: ArrayLike | None = None) -> Combat:
    """Learn the batches' parts in features (cases, features); `batch` (cases,) are codes.

    `kept` (cases,) are codes of a class whose effect on the features is not to be taken for the scanner's; to adjust
    others it must be known of them. A feature that does not vary within the batches is left as it is. Raises
    `ValueError` for a single batch and for one with a single case.
    """
    X, codes = np.asarray(values, dtype=float), np.asarray(batch)
    batches, counts = np.unique(codes, return_counts=True)
    if len(batches) < 2:
        raise ValueError(
            "ComBat needs two batches or more, and all cases are of one: there is nothing to harmonise"
        )
    if counts.min() < 2:
        raise ValueError(
            f"ComBat needs two cases of every batch, and batch {batches[counts.argmin()]:g} has one"
        )
    member = (codes[:, None] == batches).astype(float)
    covariates = _covariates(kept, len(X))
    coefficients = np.linalg.lstsq(np.c_[member, covariates], X, rcond=None)[0]
    means, effects = coefficients[: len(batches)], coefficients[len(batches) :]
    mean = counts @ means / len(X)
    residual = X - member @ means - covariates @ effects
    spread = np.sqrt((residual**2).mean(axis=0))
    varies = spread > _TINY * np.maximum(1.0, np.abs(mean))
    spread = np.where(varies, spread, 1.0)
    standard = (X - mean - covariates @ effects) / spread
    shift, scale = np.zeros_like(means), np.ones_like(means)
    for place, code in enumerate(batches):
        own = standard[codes == code][:, varies]
        shift[place, varies], variance = _shrunk(own)
        scale[place, varies] = np.sqrt(variance)
    return Combat(batches, mean, spread, effects, shift, scale)


def _covariates(kept: ArrayLike | None, cases: int) -> Floats:
    """Return a column for each class but the first, (cases, classes - 1)."""
    if kept is None:
        return np.zeros((cases, 0))
    codes = np.asarray(kept)
    return np.asarray((codes[:, None] == np.unique(codes)[1:]).astype(float))


def _shrunk(own: Floats) -> tuple[Floats, Floats]:
    """Return posterior mean and variance of a batch's standardised features (cases, features), each (features,)."""
    n, mean, variance = len(own), own.mean(axis=0), own.var(axis=0, ddof=1)
    if own.shape[1] < 2:
        return mean, np.maximum(variance, _TINY)  # nothing to shrink towards
    centre, between = mean.mean(), mean.var(ddof=1)
    level = variance.mean()
    odd = max(variance.var(ddof=1), _TINY * max(level, _TINY) ** 2)
    a, b = 2 + level**2 / odd, level + level**3 / odd
    new_mean, new_variance = mean, np.maximum(variance, _TINY)
    for _ in range(_ROUNDS):
        before = np.r_[new_mean, new_variance]
        weight = n * between
        new_mean = (weight * mean + new_variance * centre) / (weight + new_variance)
        squares = (n - 1) * variance + n * (mean - new_mean) ** 2
        new_variance = (squares / 2 + b) / (n / 2 + a - 1)
        if np.abs(np.r_[new_mean, new_variance] - before).max() < _CONVERGED:
            break
    return new_mean, new_variance
