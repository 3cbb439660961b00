"""One run on one fold: choose hyperparameters in the training cases, predict the test cases.

The unit of work is a `FoldTask`: it holds all it needs, travels to any process, and its result is plain JSON.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmark.grid_search import best_point, grid_points, grid_probabilities
from benchmark.plugins import Classifier, code_digest, digest_of
from benchmark.protocol import Protocol
from benchmark.statistics.metrics import metric_value

_CODE = ("benchmark.evaluation", "benchmark.grid_search", "benchmark.statistics.metrics")


@dataclass(frozen=True)
class FoldTask:
    """Features X (cases, features) and labels y of the whole table, and which of its rows train and test."""

    classifier: Classifier
    protocol: Protocol
    features: tuple[str, ...]
    X: NDArray[np.float64]
    y: NDArray[np.intp]
    train: NDArray[np.intp]
    test: NDArray[np.intp]
    seed: int

    def key(self) -> str:
        """Return the SHA-256 of all that decides the result, except for names and places."""
        arrays = [self.X[self.train], self.X[self.test], self.y[self.train], self.y[self.test]]
        return digest_of(
            {
                "classifier": self.classifier.fingerprint(),
                "protocol": self.protocol.model_dump(include={"selection", "inner_folds", "scoring"}),
                "features": self.features,
                "data": [[array.shape, hashlib.sha256(array.tobytes()).hexdigest()] for array in arrays],
                "seed": self.seed,
                "code": [code_digest(module) for module in _CODE],
            }
        )


def evaluate(task: FoldTask) -> dict[str, Any]:
    """Do the task on one thread. Returns a JSON-able record.

    ``nested``: ``parameters``, ``inner_score``, ``kept`` (names of the features the filters left) and ``score``,
    the probability of label 1 for each test case. ``flat``: ``scores``, one list per grid point, and
    ``kept``; `choose_flat` picks the point once all folds are there.
    """
    with threadpool_limits(limits=1):
        return _nested(task) if task.protocol.selection == "nested" else _flat(task)


def choose_flat(records: list[dict[str, Any]], classifier: Classifier, labels: list[NDArray[np.intp]],
                scoring: str) -> list[dict[str, Any]]:  # fmt: skip
    """Turn the flat records of one split's folds into nested-like ones, for the best point over those folds.

    `labels` holds each fold's test labels. The point is chosen on the test cases: optimistic by construction.
    """
    points = grid_points(classifier)
    scores = [
        [metric_value(scoring, y, np.asarray(score)) for score in record["scores"]]
        for record, y in zip(records, labels, strict=True)
    ]
    mean = np.mean(scores, axis=0)
    best = int(mean.argmax())
    return [
        {"parameters": points[best], "inner_score": float(mean[best]), "kept": record["kept"],
         "score": record["scores"][best]}
        for record in records
    ]  # fmt: skip


def fit_final(task: FoldTask) -> dict[str, Any]:
    """Choose hyperparameters on all of the task's training cases and fit them.

    Returns ``parameters``, ``inner_score`` and ``skops``: the pipeline in a format that loads without executing
    code, as hexadecimal digits.
    """
    import pandas as pd
    import skops.io

    with threadpool_limits(limits=1):
        point, score = _best(task)
        X = pd.DataFrame(task.X[task.train], columns=list(task.features))
        pipeline = task.classifier.estimator(task.seed).set_params(**point).fit(X, task.y[task.train])
    content = skops.io.dumps(pipeline, compression=zipfile.ZIP_DEFLATED)
    return {"parameters": point, "inner_score": score, "skops": content.hex()}


def _best(task: FoldTask) -> tuple[dict[str, Any], float]:
    return best_point(
        task.classifier, task.X[task.train], task.y[task.train],
        folds=task.protocol.inner_folds, scoring=task.protocol.scoring, seed=task.seed,
    )  # fmt: skip


def _nested(task: FoldTask) -> dict[str, Any]:
    point, score = _best(task)
    pipeline = task.classifier.estimator(task.seed).set_params(**point)
    pipeline.fit(task.X[task.train], task.y[task.train])
    return {
        "parameters": point,
        "inner_score": score,
        "kept": _kept(pipeline, task.features),
        "score": pipeline.predict_proba(task.X[task.test])[:, 1].tolist(),
    }


def _flat(task: FoldTask) -> dict[str, Any]:
    X, y = task.X[task.train], task.y[task.train]
    probabilities = grid_probabilities(task.classifier, X, y, task.X[task.test], task.seed)
    pipeline = task.classifier.estimator(task.seed)
    return {
        "scores": probabilities[:, :, 1].tolist(),
        "kept": _kept(pipeline[:-1].fit(X, y), task.features),
    }


def _kept(pipeline: Any, features: tuple[str, ...]) -> list[str]:
    """Return the names of the features that reach the model, as far as every step before it selects."""
    names = np.asarray(features, dtype=object)
    for _, step in pipeline.steps:
        if hasattr(step, "get_support"):
            names = names[step.get_support()]
    return [str(name) for name in names]
