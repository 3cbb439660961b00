"""One run on one fold: choose hyperparameters in the training cases, predict the test cases.

The unit of work is a `FoldTask`: it holds all it needs, travels to any process, and its result is plain JSON.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmark.evaluation.grid_search import (
    Chosen,
    best_point,
    grid_points,
    grid_probabilities,
    probability_score,
    spread,
)
from benchmark.evaluation.protocol import Protocol
from benchmark.evaluation.records import FlatRecord, FoldRecord, ModelRecord
from benchmark.evaluation.stored_models.skops_file import skops_bytes
from benchmark.plugins import Classifier
from benchmark.plugins.fingerprint import code_digest, digest_of
from benchmark.statistics.metrics.threshold import choose_threshold

# What of the protocol decides one fold's result. The number of folds and repeats is not among it: which rows train and
# test is in the key as data, so a fold that another study has already done is found again.
_DECISIVE = {"selection", "split", "inner_folds", "scoring", "threshold", "threshold_target"}


@dataclass(frozen=True)
class FoldTask:
    """Features X (cases, features) and labels y of the whole table, and which of its rows train and test.

    A classifier that trains a network has its activations (cases, views, …) in X and no names of features.
    """

    classifier: Classifier
    protocol: Protocol
    features: tuple[str, ...]
    X: NDArray[Any]
    y: NDArray[np.intp]
    train: NDArray[np.intp]
    test: NDArray[np.intp]
    seed: int
    groups: NDArray[np.intp] | None = None
    """Codes of what must not be parted, (cases,), where groups, or patients with several scans, stay whole."""

    @property
    def classes(self) -> int:
        """Number of class codes."""
        return int(self.y.max()) + 1

    def key(self) -> str:
        """Return the SHA-256 of all that decides the result, except for names and places."""
        arrays = [self.X[self.train], self.X[self.test], self.y[self.train], self.y[self.test]]
        if self.groups is not None:
            # Which cases belong together decides the inner folds, not the numbers of their groups.
            arrays.append(np.unique(self.groups[self.train], return_inverse=True)[1])
        return digest_of(
            {
                "classifier": self.classifier.fingerprint(),
                "protocol": self.protocol.model_dump(include=_DECISIVE),
                "classes": self.classes,
                "features": self.features,
                "data": [[array.shape, hashlib.sha256(array.tobytes()).hexdigest()] for array in arrays],
                "seed": self.seed,
                "code": code_digest(__name__),
            }
        )


def evaluate(task: FoldTask) -> FoldRecord | FlatRecord:
    """Do the task on one thread. Returns a JSON-able record.

    ``nested``: ``parameters``, ``inner_score``, ``kept`` (names of the features the filters left),
    ``probabilities`` (test cases, classes), and ``threshold``, above which a probability of label 1 counts.
    ``flat``: ``points``, the probabilities of every grid point, and ``kept``; `choose_flat` picks the point once
    all folds are there.
    """
    with threadpool_limits(limits=1):
        return _nested(task) if task.protocol.selection == "nested" else _flat(task)


def choose_flat(
    records: list[FlatRecord], classifier: Classifier, labels: list[NDArray[np.intp]], scoring: str
) -> list[FoldRecord]:
    """Turn the flat records of one split's folds into nested-like ones, for the best point over those folds.

    `labels` holds each fold's test labels. The point is chosen on the test cases: optimistic by construction.
    """
    points = grid_points(classifier)
    scores = [
        [probability_score(scoring, y, np.asarray(point)) for point in record["points"]]
        for record, y in zip(records, labels, strict=True)
    ]
    mean = np.mean(scores, axis=0)
    best = int(mean.argmax())
    return [
        {
            "parameters": points[best],
            "inner_score": float(mean[best]),
            "kept": record["kept"],
            "threshold": 0.5,
            "probabilities": record["points"][best],
        }
        for record in records
    ]


def fit_final(task: FoldTask) -> ModelRecord:
    """Choose hyperparameters on all of the task's training cases and fit them.

    Returns ``parameters``, ``inner_score``, ``threshold`` and ``skops``: the pipeline in a format that loads without
    executing code, as hexadecimal digits.
    """
    import pandas as pd

    with threadpool_limits(limits=1):
        chosen = _best(task)
        seen = task.X[task.train]
        X = pd.DataFrame(seen, columns=list(task.features)) if task.features else seen
        pipeline = task.classifier.estimator(task.seed).set_params(**chosen.point).fit(X, task.y[task.train])
    return {
        "parameters": chosen.point,
        "inner_score": chosen.score,
        "threshold": _threshold(task, chosen),
        "skops": skops_bytes(pipeline).hex(),
    }


def _best(task: FoldTask) -> Chosen:
    return best_point(
        task.classifier,
        task.X[task.train],
        task.y[task.train],
        cv=task.protocol.inner(task.seed, whole=task.groups is not None),
        groups=None if task.groups is None else task.groups[task.train],
        scoring=task.protocol.scoring,
        seed=task.seed,
    )


def _nested(task: FoldTask) -> FoldRecord:
    chosen = _best(task)
    present, y = np.unique(task.y[task.train], return_inverse=True)
    pipeline = task.classifier.estimator(task.seed).set_params(**chosen.point).fit(task.X[task.train], y)
    probabilities = spread(pipeline.predict_proba(task.X[task.test]), present, task.classes)
    return {
        "parameters": chosen.point,
        "inner_score": chosen.score,
        "kept": _kept(pipeline, task.features),
        "threshold": _threshold(task, chosen),
        "probabilities": probabilities.tolist(),
    }


def _threshold(task: FoldTask, chosen: Chosen) -> float:
    """Return the declared threshold, from the chosen point's inner out-of-fold probabilities."""
    if task.protocol.threshold == "half":
        return 0.5
    tested = np.isfinite(chosen.out_of_fold[:, 1])
    return choose_threshold(
        task.y[task.train][tested],
        chosen.out_of_fold[tested, 1],
        rule=task.protocol.threshold,
        target=task.protocol.threshold_target,
    )


def _flat(task: FoldTask) -> FlatRecord:
    X, y = task.X[task.train], task.y[task.train]
    points = grid_probabilities(task.classifier, X, y, task.X[task.test], task.seed, task.classes)
    pipeline = task.classifier.estimator(task.seed)
    return {"points": points.tolist(), "kept": _kept(pipeline[:-1].fit(X, y), task.features)}


def _kept(pipeline: Any, features: tuple[str, ...]) -> list[str]:
    """Return the names of the features that reach the model, as far as every step before it selects."""
    names = np.asarray(features, dtype=object)
    for _, step in pipeline.steps:
        if hasattr(step, "get_support"):
            names = names[step.get_support()]
        elif hasattr(step, "names_after"):
            names = step.names_after(names)
    return [str(name) for name in names]
