"""Simulated studies of two methods that are equal, or differ by a planted amount, by construction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.statistics.metrics.scores import decide
from benchmark.statistics.metrics.weighted import weighted_metrics

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]

METRICS = ("accuracy", "f1", "roc_auc")


@dataclass(frozen=True)
class SimulatedCases:
    """Patients whose two halves of `features` standard normal features each carry the same information.

    `separation` is the Mahalanobis distance of the classes in either half: an ideal classifier of one half has
    accuracy Φ(separation/2). Both halves are exchangeable, so two equal learners, one on each, are equal on average,
    unless `other_separation` gives the second half less.
    """

    name: str
    features: int
    positives: int = 88
    negatives: int = 94
    separation: float = 2.0
    other_separation: float | None = None

    def draw(self, random: np.random.Generator) -> tuple[Labels, tuple[Floats, Floats]]:
        """Return labels (cases,) and the two halves, each (cases, features)."""
        label = np.repeat([1, 0], [self.positives, self.negatives])
        other = self.separation if self.other_separation is None else self.other_separation
        shift = np.array([self.separation, other])[:, None, None] / np.sqrt(self.features)
        values = random.normal(size=(2, len(label), self.features)) + shift * label[:, None]
        return label, (values[0], values[1])


@dataclass(frozen=True)
class Folds:
    """A protocol: stratified `folds`-fold cross-validation, `repeats` times."""

    repeats: int
    folds: int

    def draw(self, label: Labels, random: np.random.Generator) -> Labels:
        """Return the fold of every case in every repeat, (repeats, cases)."""
        fold = np.empty((self.repeats, len(label)), dtype=np.intp)
        for repeat in range(self.repeats):
            for code in (0, 1):
                stratum = random.permutation(np.flatnonzero(label == code))
                fold[repeat, stratum] = np.arange(len(stratum)) % self.folds
        return fold


def discriminant_scores(X: Floats, label: Labels, fold: Labels) -> Floats:
    """Return out-of-fold probabilities of linear discriminant analysis, (repeats, cases).

    `X` has shape (cases, features), `fold` (repeats, cases). All training sets are solved at once; a ridge of 1 %
    of the mean variance keeps them solvable.
    """
    repeats, folds = len(fold), int(fold.max()) + 1
    test = (fold[:, None, :] == np.arange(folds)[:, None]).reshape(repeats * folds, -1)
    seen = (~test).astype(float)
    mean = [
        (seen * (label == code)) @ X / (seen * (label == code)).sum(axis=1, keepdims=True) for code in (0, 1)
    ]
    centred = X[None] - np.where((label == 1)[None, :, None], mean[1][:, None], mean[0][:, None])
    scatter = np.matmul((centred * seen[:, :, None]).transpose(0, 2, 1), centred)
    covariance = scatter / (seen.sum(axis=1) - 2)[:, None, None]
    ridge = 0.01 * np.trace(covariance, axis1=1, axis2=2) / X.shape[1]
    direction = np.linalg.solve(
        covariance + ridge[:, None, None] * np.eye(X.shape[1]), (mean[1] - mean[0])[..., None]
    )
    middle = ((mean[0] + mean[1]) / 2)[:, None, :]
    odds = np.matmul(X[None] - middle, direction)[..., 0] + np.log((label == 1).sum() / (label == 0).sum())
    held_out_odds = np.where(test, odds, 0).reshape(repeats, folds, -1).sum(axis=1)
    return np.asarray(1 / (1 + np.exp(-held_out_odds)))


def study_tables(
    cohort: SimulatedCases, protocol: Folds, random: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate one study of two methods, a and b; return its fold and prediction tables."""
    label, halves = cohort.draw(random)
    fold = protocol.draw(label, random)
    scores = [discriminant_scores(half, label, fold) for half in halves]
    tables = [
        pd.concat(parts, ignore_index=True)
        for parts in zip(
            *(_tables(run, label, fold, score) for run, score in zip("ab", scores, strict=True)), strict=True
        )
    ]
    return tables[0], tables[1]


def _tables(run: str, label: Labels, fold: Labels, score: Floats) -> tuple[pd.DataFrame, pd.DataFrame]:
    folds, n = int(fold.max()) + 1, len(label)
    rows, values = [], []
    for repeat in range(len(fold)):
        member = (fold[repeat] == np.arange(folds)[:, None]).astype(float)
        values.append(weighted_metrics(METRICS, label, decide(score[repeat]), score[repeat], member))
        sizes = member.sum(axis=1).astype(int)
        rows += [(run, repeat, place, n - size, size) for place, size in enumerate(sizes)]
    scores = pd.DataFrame(rows, columns=["run", "repeat", "fold", "n_train", "n_test"])
    scores[list(METRICS)] = np.concatenate(values)
    repeats = np.repeat(np.arange(len(fold)), n)
    predictions = pd.DataFrame(
        {
            "run": run,
            "repeat": repeats,
            "fold": fold.ravel(),
            "case_id": np.tile(np.arange(n), len(fold)),
            "label": np.tile(label, len(fold)),
            "score": score.ravel(),
            "predicted": decide(score.ravel()),
        }
    )
    return scores, predictions
