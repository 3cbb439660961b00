"""The forest of a search is scikit-learn's, tree by tree, to the last bit."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier

from classifiers import grown_forest
from classifiers.grown_forest import GrownForest, grow, trees_of


def table(classes=2, features=12):
    X, y = make_classification(
        90, features, n_informative=4, n_classes=classes, n_clusters_per_class=1, random_state=1
    )
    return X[:60], y[:60], X[60:]


def trees(forest):
    return [tree.__getstate__() for tree in trees_of(forest).trees]


def same(one, other):
    return all(
        a["max_depth"] == b["max_depth"]
        and np.array_equal(a["nodes"], b["nodes"])
        and np.array_equal(a["values"], b["values"])
        for a, b in zip(trees(one), trees(other), strict=True)
    )


@pytest.fixture
def never_in_scikit_learns_way(monkeypatch):
    """A release that is not tried would make every comparison below one of scikit-learn with itself."""
    monkeypatch.setattr(grown_forest, "trees_of", None)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"max_features": 0.3, "min_samples_leaf": 3},
        {"max_features": "log2", "max_depth": 2},
        {"max_features": 5},
        {"max_features": None},
    ],
    ids=str,
)
def test_each_tree_is_that_of_scikit_learn(never_in_scikit_learns_way, classes, parameters):
    X, y, _ = table(classes)
    grown = grow(RandomForestClassifier(20, random_state=7, **parameters), X, y)
    assert same(grown, RandomForestClassifier(20, random_state=7, **parameters).fit(X, y))


def test_a_single_column_is_grown_as_well(never_in_scikit_learns_way):
    X, y, _ = table()
    forest = RandomForestClassifier(5, random_state=0, max_features=0.3)
    assert same(grow(forest, X[:, :1], y), forest.fit(X[:, :1], y))


def test_probabilities_of_all_trees_and_of_the_first_are_those_of_forests_of_as_many():
    X, y, unseen = table(3)
    grown = grow(RandomForestClassifier(30, random_state=3), X, y)
    expected = [
        RandomForestClassifier(count, random_state=3).fit(X, y).predict_proba(unseen) for count in (10, 30)
    ]
    assert np.array_equal(grown.staged_probabilities(unseen, [10, 30]), expected)
    assert np.array_equal(grown.predict_proba(unseen), expected[1])


@pytest.mark.parametrize(
    "parameters",
    [{"class_weight": "balanced"}, {"bootstrap": False}, {"min_samples_leaf": 0.1}, {"criterion": "entropy"}],
    ids=str,
)
def test_other_parameters_are_left_to_scikit_learn(parameters):
    X, y, _ = table()
    forest = RandomForestClassifier(5, random_state=0, **parameters)
    assert same(grow(forest, X, y), forest.fit(X, y))


def test_so_is_a_release_that_was_not_tried(monkeypatch):
    monkeypatch.setattr(grown_forest, "_grown", None)
    monkeypatch.setattr(grown_forest, "version", lambda name: "9.9.0")
    X, y, _ = table()
    assert isinstance(grow(RandomForestClassifier(2, random_state=0), X, y), GrownForest)


@pytest.mark.parametrize(
    "wrong", [{"max_depth": 0}, {"max_features": 1.5}, {"n_estimators": 0}, {"min_samples_leaf": -1}], ids=str
)
def test_what_scikit_learn_refuses_is_refused(wrong):
    X, y, _ = table()
    with pytest.raises(ValueError, match=next(iter(wrong))):
        grow(RandomForestClassifier(random_state=0).set_params(**wrong), X, y)


@pytest.mark.parametrize("value", [np.inf, 1e39])
def test_so_are_values_that_32_bits_do_not_hold(value):
    X, y, _ = table()
    X[0, 0] = value
    with pytest.raises(ValueError, match="infinity"):
        grow(RandomForestClassifier(2, random_state=0), X, y)
