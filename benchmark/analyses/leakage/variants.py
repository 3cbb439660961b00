"""The protocols that the audit compares: each a small change of the study's own task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.analyses.leakage.univariate import FilteredClassifier, univariate_filter
from benchmark.evaluation.fold import FoldTask
from benchmark.plugins import Classifier
from benchmark.statistics.harmonisation.combat import fit_combat

Change = Callable[[FoldTask, pd.DataFrame], FoldTask]
"""From the study's task and the diagnostics of its cases (rows as ``task.X``) to the varied task."""


@dataclass(frozen=True)
class Variant:
    """One protocol: what it does, whether that is sound, and the sound protocol its optimism is measured against."""

    name: str
    what: str
    sound: bool
    against: str | None
    change: Change
    needs_diagnostics: bool = False
    shows_confounding: bool = False
    """Whether doing well on the true labels is itself the bad news."""
    of_combat: bool | None = None
    """Whether it is for runs with ComBat alone, or (False) for the others; None: for all."""


def _unchanged(task: FoldTask, _: pd.DataFrame) -> FoldTask:
    return task


def _filtered_inside(task: FoldTask, _: pd.DataFrame) -> FoldTask:
    return replace(
        task, classifier=FilteredClassifier(classifier=task.classifier, features=len(task.features))
    )


def _filtered_before(task: FoldTask, _: pd.DataFrame) -> FoldTask:
    """Fit the filter on every case, the ones that will be tested included."""
    kept = univariate_filter(len(task.features)).fit(task.X, task.y).get_support()
    features = tuple(np.asarray(task.features, dtype=object)[kept])
    return replace(task, features=features, X=task.X[:, kept])


def _tuned_on_the_test_folds(task: FoldTask, _: pd.DataFrame) -> FoldTask:
    return replace(task, protocol=task.protocol.model_copy(update={"selection": "flat"}))


def _harmonised_before(task: FoldTask, _: pd.DataFrame) -> FoldTask:
    """Fit ComBat on every case, the ones that will be tested included."""
    return _without_batches(
        task, fit_combat(task.X[:, :-1], task.X[:, -1]).adjust(task.X[:, :-1], task.X[:, -1])
    )


def _harmonised_keeping_labels(task: FoldTask, _: pd.DataFrame) -> FoldTask:
    """Fit and adjust with every case's label as a covariate, which tells the model what it will be tested on."""
    X, batch = task.X[:, :-1], task.X[:, -1]
    return _without_batches(task, fit_combat(X, batch, task.y).adjust(X, batch, task.y))


def _without_batches(task: FoldTask, X: NDArray[np.float64]) -> FoldTask:
    return replace(task, classifier=task.classifier.unharmonised(), features=task.features[:-1], X=X)


def _with_diagnostics(task: FoldTask, diagnostics: pd.DataFrame) -> FoldTask:
    new = diagnostics.drop(columns=[name for name in diagnostics if name in task.features])
    return replace(task, features=(*task.features, *new), X=np.hstack([task.X, new.to_numpy()]))


def _diagnostics_alone(task: FoldTask, diagnostics: pd.DataFrame) -> FoldTask:
    return replace(task, features=tuple(map(str, diagnostics)), X=diagnostics.to_numpy())


VARIANTS = (
    Variant("sound", "nested, as the study declares", True, None, _unchanged),
    Variant(
        "filter inside",
        "the 10 best features by their F, chosen in each training fold",
        True,
        None,
        _filtered_inside,
        of_combat=False,
    ),
    Variant(
        "filter before",
        "the 10 best features by their F, chosen on all cases before cross-validation",
        False,
        "filter inside",
        _filtered_before,
        of_combat=False,
    ),
    Variant(
        "ComBat before",
        "ComBat fitted on all cases before cross-validation",
        False,
        "sound",
        _harmonised_before,
        of_combat=True,
    ),
    Variant(
        "ComBat before, labels kept",
        "the same with the label as a covariate whose effect is kept, the tested cases' labels too",
        False,
        "sound",
        _harmonised_keeping_labels,
        of_combat=True,
    ),
    Variant(
        "tuned on the test folds",
        "hyperparameters chosen on the folds that are reported (`selection: flat`)",
        False,
        "sound",
        _tuned_on_the_test_folds,
    ),
    Variant(
        "image-wide diagnostics",
        "the features and what describes the scan and the ROI's place",
        False,
        "sound",
        _with_diagnostics,
        needs_diagnostics=True,
        of_combat=False,
    ),
    Variant(
        "diagnostics alone",
        "acquisition and geometry without any feature",
        False,
        None,
        _diagnostics_alone,
        needs_diagnostics=True,
        shows_confounding=True,
        of_combat=False,
    ),
)


def variants_for(classifier: Classifier, *, diagnosed: bool) -> list[Variant]:
    """Return the variants that a run's classifier can be audited by; `diagnosed`: its scans' diagnostics are known."""
    harmonises = classifier.batch_column is not None
    return [
        variant
        for variant in VARIANTS
        if variant.of_combat in (None, harmonises) and (diagnosed or not variant.needs_diagnostics)
    ]
