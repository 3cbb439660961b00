"""A fold's model made again from what the study chose in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.evaluation.fold import FoldTask
from benchmark.evaluation.grid_search import spread
from benchmark.plugins.fingerprint import code_digest, digest_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FittedFold:
    """A pipeline cut in two: the features that its selecting steps keep, and the steps that predict from those."""

    columns: NDArray[np.intp]
    """Positions of the kept features, (kept,)."""
    steps: Any
    """The fitted steps after the selecting ones, the model last."""
    present: NDArray[np.intp]
    """Class codes among the training cases."""
    classes: int

    def probabilities(self, kept: Floats) -> Floats:
        """Return the probabilities (cases, classes) for the kept features (cases, kept)."""
        return spread(self.steps.predict_proba(kept), self.present, self.classes)


@dataclass(frozen=True)
class ChosenFold:
    """A fold's task with the grid point and threshold that the study chose in its training cases."""

    task: FoldTask
    parameters: dict[str, Any]
    threshold: float

    def key(self) -> str:
        """Return the SHA-256 of all that decides the fitted model and its decisions."""
        return digest_of([self.task.key(), self.parameters, self.threshold, code_digest(__name__)])

    def fit(self) -> FittedFold:
        """Fit the chosen grid point on the training cases, as the fold's evaluation did."""
        task = self.task
        present, y = np.unique(task.y[task.train], return_inverse=True)
        pipeline = task.classifier.estimator(task.seed).set_params(**self.parameters)
        pipeline.fit(task.X[task.train], y)
        columns = np.arange(len(task.features))
        selecting = 0
        for _, step in pipeline.steps:
            if not hasattr(step, "get_support"):
                break
            columns = columns[step.get_support()]
            selecting += 1
        return FittedFold(columns, pipeline[selecting:], present, task.classes)
