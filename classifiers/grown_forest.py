"""A forest for a search: the trees of scikit-learn's random forest, without what it does anew for each of them.

On a table of a few columns growing a tree takes a tenth of a millisecond, and what scikit-learn does around it (copying
the estimator, reading its signature, looking at the same labels again, two random generators) a whole one. Here its own
compiled splitter and builder get the same seeds, weights and settings, so that each tree is the same to the last bit.

Those parts are scikit-learn's own affair and may change with a release, so with any but those tried here, or with
parameters other than a search varies, the forest is fitted in scikit-learn's way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

_TRIED = ("1.8", "1.9")
"""Releases of scikit-learn whose trees are built as here; a test holds the installed one to it."""
_VARIED = {"n_estimators", "max_features", "min_samples_leaf", "max_depth", "random_state", "n_jobs"}
_WITHOUT_LIMIT = int(np.iinfo(np.int32).max)


@dataclass(frozen=True)
class GrownForest:
    """Trees of a forest; a tree predicts from X as 32-bit floats, (cases, features)."""

    trees: list[Any]

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean of the trees' shares of each class, (cases, classes)."""
        (probabilities,) = self.staged_probabilities(X, [len(self.trees)])
        return np.asarray(probabilities)

    def staged_probabilities(self, X: NDArray[Any], stages: list[int]) -> NDArray[np.float64]:
        """Return those of the first trees, as many as each stage says, (stages, cases, classes).

        Added up in the order in which scikit-learn does.
        """
        values = np.ascontiguousarray(X, dtype=np.float32)
        at: dict[int, NDArray[np.float64]] = {}
        total = np.zeros((1, 1))
        for count, tree in enumerate(self.trees[: max(stages)], start=1):
            total = total + tree.predict(values)
            if count in stages:
                at[count] = total / count
        return np.stack([at[stage] for stage in stages])


def grow(forest: RandomForestClassifier, X: NDArray[Any], y: NDArray[Any]) -> GrownForest:
    """Return the trees that fitting `forest` would grow on X, (cases, features), and codes y, (cases,), from 0 on."""
    with np.errstate(over="ignore"):  # scikit-learn says in words that a value is too large
        values = np.ascontiguousarray(X, dtype=np.float32)
    if _as_tried(forest) and np.isfinite(values).all():
        return GrownForest(list(_grown(forest, values, y)))
    return trees_of(forest.fit(X, y))


def trees_of(forest: RandomForestClassifier | GrownForest) -> GrownForest:
    """Return the trees of a forest that was fitted or grown."""
    return (
        forest if isinstance(forest, GrownForest) else GrownForest([one.tree_ for one in forest.estimators_])
    )


def _as_tried(forest: RandomForestClassifier) -> bool:
    """Say whether the release is a tried one, and which parameters differ from their defaults, as they may here."""
    given, default = forest.get_params(deep=False), type(forest)().get_params(deep=False)
    changed = {name for name, value in given.items() if value != default[name]}
    counts = (forest.n_estimators, forest.min_samples_leaf, forest.max_depth or 1)
    return (
        ".".join(version("scikit-learn").split(".")[:2]) in _TRIED
        and changed <= _VARIED
        and forest.max_depth != 0
        and all(type(count) is int and count > 0 for count in counts)
        and type(forest.random_state) is int
        and _features(forest, 1) > 0
    )


def _grown(forest: RandomForestClassifier, values: NDArray[np.float32], y: NDArray[Any]) -> Iterator[Any]:
    from sklearn.tree._criterion import Gini
    from sklearn.tree._splitter import BestSplitter
    from sklearn.tree._tree import DepthFirstTreeBuilder, Tree

    cases, features = values.shape
    labels = np.ascontiguousarray(y[:, None], dtype=np.float64)
    classes = np.array([int(y.max()) + 1], dtype=np.intp)
    leaf, tried_at_once = forest.min_samples_leaf, _features(forest, features)
    deepest = _WITHOUT_LIMIT if forest.max_depth is None else forest.max_depth
    seeds = np.random.RandomState(forest.random_state)
    draw = np.random.RandomState(0)  # making one takes as long as growing a tree, to seed it anew a hundredth
    for seed in [seeds.randint(_WITHOUT_LIMIT) for _ in range(forest.n_estimators)]:
        draw.seed(seed)
        weight = np.bincount(draw.randint(0, cases, cases), minlength=cases).astype(np.float64)
        draw.seed(seed)
        splitter = BestSplitter(Gini(1, classes), tried_at_once, leaf, 0.0, draw, None)
        tree = Tree(features, classes, 1)
        builder = DepthFirstTreeBuilder(splitter, max(2, 2 * leaf), leaf, 0.0, deepest, 0.0)
        builder.build(tree, values, labels, weight, None)
        yield tree


def _features(forest: RandomForestClassifier, features: int) -> int:
    """Return how many features are tried at a split; 0 for what scikit-learn would refuse."""
    share = forest.max_features
    if share is None:
        return features
    if share in ("sqrt", "log2"):
        return max(1, int(np.sqrt(features) if share == "sqrt" else np.log2(features)))
    if type(share) is float and 0 < share <= 1:
        return max(1, int(share * features))
    return share if type(share) is int and share > 0 else 0
