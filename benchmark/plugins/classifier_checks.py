"""What the contract asks of a classifier's pipeline and grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.case import Scan
from benchmark.plugins.base import Classifier


def _ends_in_a_step_called_model(plugin: Classifier, scan: Scan) -> str:
    from sklearn.pipeline import Pipeline

    made = plugin.estimator(0)
    if not isinstance(made, Pipeline) or made.steps[-1][0] != "model":
        return "estimator(seed) is no scikit-learn Pipeline whose last step is called `model`"
    return "" if hasattr(made.steps[-1][1], "predict_proba") else "its model gives no probabilities"


def _tries_parameters_that_there_are(plugin: Classifier, scan: Scan) -> str:
    known = plugin.estimator(0).get_params()
    strange = [name for name in plugin.parameter_grid() if name not in known]
    return f"parameter_grid() names what the pipeline does not have: {', '.join(strange)}" if strange else ""


def _learns_what_is_plain(plugin: Classifier, scan: Scan) -> str:
    X, y = _cases(plugin)
    probabilities = plugin.estimator(0).fit(X, y).predict_proba(X)
    if probabilities.shape != (len(y), 2) or not np.allclose(probabilities.sum(axis=1), 1):
        return "predict_proba does not give two probabilities per case that add up to 1"
    right = (probabilities.argmax(axis=1) == y).mean()
    return "" if right > 0.8 else f"it calls {right:.0%} of cases right that one feature parts"


def _learns_the_same_twice(plugin: Classifier, scan: Scan) -> str:
    X, y = _cases(plugin)
    first, second = (plugin.estimator(7).fit(X, y).predict_proba(X) for _ in range(2))
    return "" if np.array_equal(first, second) else "the same seed learns something else: use `seed`"


def _is_a_grid_of_equal_stages(plugin: Classifier, scan: Scan) -> str:
    if plugin.staged_parameter is None:
        return ""
    from sklearn.base import clone

    X, y = _cases(plugin)
    name = f"model__{plugin.staged_parameter}"
    pipeline = plugin.estimator(0).set_params(**{name: 20}).fit(X, y)
    seen = pipeline[:-1].transform(X)
    few = clone(pipeline).set_params(**{name: 10}).fit(X, y).predict_proba(X)
    staged = plugin.staged_probabilities(pipeline[-1], seen, [10])
    return "" if np.allclose(staged[0], few) else f"a stage of {name} is not the model fitted with it"


CLASSIFIER_CHECKS = (
    _ends_in_a_step_called_model,
    _tries_parameters_that_there_are,
    _learns_what_is_plain,
    _learns_the_same_twice,
    _is_a_grid_of_equal_stages,
)


def _cases(plugin: Classifier) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return 60 cases of 4 features, the first of which parts the labels; then their batch, if it is to be known."""
    random = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = random.normal(size=(60, 4))
    X[:, 0] += 4 * y
    return (X if plugin.batch_column is None else np.c_[X, np.arange(60) // 2 % 3]), y
