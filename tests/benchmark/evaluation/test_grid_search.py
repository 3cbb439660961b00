import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, ParameterGrid, StratifiedKFold

from benchmark.evaluation.grid_search import best_point, grid_probabilities
from benchmark.plugins.registry import build

GRIDS = {
    "random_forest": {"n_estimators": [5, 12, 20], "max_features": ["sqrt", 0.3], "min_samples_leaf": [1, 3]},
    "xgboost": {"n_estimators": [5, 12, 20], "max_depth": [2, 4]},
    "lightgbm": {"n_estimators": [5, 12, 20], "num_leaves": [4, 15]},
    "logistic_regression": {"C": [0.01, 0.1, 1.0]},
}


@pytest.fixture(scope="module")
def data():
    return make_classification(130, 40, n_informative=6, n_redundant=20, flip_y=0.2, random_state=1)


@pytest.mark.parametrize("name", GRIDS)
def test_the_shared_search_chooses_what_scikit_learns_grid_search_chooses(name, data):
    X, y = data
    classifier = build("classifier", {"use": name, "grid": GRIDS[name]})
    theirs = GridSearchCV(
        classifier.estimator(7),
        classifier.parameter_grid(),
        scoring="accuracy",
        cv=StratifiedKFold(5, shuffle=True, random_state=7),
    ).fit(X, y)
    cv = StratifiedKFold(5, shuffle=True, random_state=7)
    chosen = best_point(classifier, X, y, cv=cv, scoring="accuracy", seed=7)
    assert chosen.point == theirs.best_params_
    assert chosen.score == pytest.approx(theirs.best_score_, abs=1e-15)


@pytest.mark.parametrize("name", GRIDS)
def test_sharing_fits_changes_no_bit_of_any_prediction(name, data):
    X, y = data
    classifier = build("classifier", {"use": name, "grid": GRIDS[name]})
    shared = grid_probabilities(classifier, X[:100], y[:100], X[100:], seed=3)
    for point, probabilities in zip(ParameterGrid(classifier.parameter_grid()), shared, strict=True):
        alone = classifier.estimator(3).set_params(**point).fit(X[:100], y[:100])
        assert np.array_equal(probabilities, alone.predict_proba(X[100:]))


def test_a_classifier_without_stages_is_fitted_point_by_point(data):
    X, y = data
    classifier = build("classifier", "toy_nearest")
    shared = grid_probabilities(classifier, X[:100], y[:100], X[100:], seed=3)
    alone = classifier.estimator(3).set_params(model__n_neighbors=5).fit(X[:100], y[:100])
    assert np.array_equal(shared[1], alone.predict_proba(X[100:]))
