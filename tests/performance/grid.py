"""The nested grid search against scikit-learn's `GridSearchCV`, same splits and seeds: 182 cases, 107 features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict

from benchmark.evaluation.fold import FoldTask, evaluate
from benchmark.evaluation.protocol import Protocol
from benchmark.plugins.registry import build
from tests.performance.pairs import Row, paired

NAMES = ("logistic_regression", "random_forest", "xgboost", "lightgbm")


def rows() -> Iterator[Row]:
    """Yield a row for each classifier, and one for the four together."""
    found_here: list[Row] = []
    X, y = make_classification(182, 107, n_informative=8, n_redundant=60, flip_y=0.2, random_state=0)
    for name in NAMES:
        classifier = build("classifier", name)
        outer = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))
        features = tuple(f"f{place}" for place in range(X.shape[1]))

        def ours(classifier=classifier, outer=outer, features=features):
            found = np.empty(len(y))
            for train, test in outer:
                record = evaluate(FoldTask(classifier, Protocol(), features, X, y, train, test, seed=0))
                found[test] = np.asarray(record["probabilities"])[:, 1]
            return found

        def theirs(classifier=classifier, outer=outer):
            inner = StratifiedKFold(5, shuffle=True, random_state=0)
            search = GridSearchCV(
                classifier.estimator(0), classifier.parameter_grid(), scoring="accuracy", cv=inner
            )
            return cross_val_predict(search, X, y, cv=outer, method="predict_proba")[:, 1]

        apart = np.abs(ours() - theirs()).max()
        times = paired(ours, theirs, 3)
        row = Row(
            f"nested search, {name}, 182 × 107",
            "scikit-learn",
            "≥ 4 ×",
            *times,
            f"within {apart:.0e}" if apart else "equal",
        )
        found_here.append(row)
        yield row
    together = (
        [sum(parts) for parts in zip(*(getattr(row, side) for row in found_here), strict=True)]
        for side in ("ours", "theirs")
    )
    yield Row("nested search, the four together", "scikit-learn", "≥ 4 ×", *together, "as above")
