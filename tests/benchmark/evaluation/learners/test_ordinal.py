import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import ParameterGrid, cross_val_predict

from benchmark.evaluation.grid_search import grid_probabilities
from benchmark.evaluation.learners.ordinal import Ordinal, OrdinalClassifier, class_probabilities
from benchmark.plugins.registry import build

GRIDS = {
    "random_forest": {"n_estimators": [5, 12], "min_samples_leaf": [1, 3]},
    "xgboost": {"n_estimators": [5, 12], "max_depth": [2, 4]},
    "lightgbm": {"n_estimators": [5, 12], "num_leaves": [4, 15]},
    "logistic_regression": {"C": [0.01, 1.0]},
}


@pytest.fixture(scope="module")
def bands():
    """Four classes cut from one latent score, of which five features tell."""
    random = np.random.default_rng(2)
    latent = random.normal(size=400)
    X = np.column_stack([latent[:, None] + random.normal(0, 0.8, (400, 3)), random.normal(size=(400, 5))])
    return X, np.digitize(latent, [-0.8, 0.2, 1.0])


@settings(deadline=None)
@given(arrays(float, (4, 6), elements=st.floats(0, 1)))
def test_probabilities_are_never_negative_and_sum_to_one(above):
    found = class_probabilities(above)
    assert found.shape == (6, 5)
    assert (found >= 0).all()
    assert found.sum(axis=1) == pytest.approx(1)


def test_probabilities_are_differences_of_neighbouring_limits_where_those_fall():
    assert class_probabilities(np.array([[0.9], [0.6], [0.1]]))[0] == pytest.approx([0.1, 0.3, 0.5, 0.1])


def test_parallel_logistic_models_give_the_proportional_odds_model():
    """With limits of one slope, the difference of neighbouring logistic curves is its class probability."""
    x = np.linspace(-3, 3, 25)
    above = expit(1.7 * x[None] - np.array([-1.0, 0.5, 2.0])[:, None])
    expected = -np.diff(np.vstack([np.ones(25), above, np.zeros(25)]), axis=0).T
    assert class_probabilities(above) == pytest.approx(expected)


def test_two_classes_give_the_models_own_probabilities(bands):
    X, y = bands
    model = LogisticRegression().fit(X, y > 1)
    ordinal = OrdinalClassifier(LogisticRegression()).fit(X, (y > 1).astype(int))
    assert ordinal.predict_proba(X) == pytest.approx(model.predict_proba(X))


def test_order_is_worth_something_on_ordered_classes(bands):
    X, y = bands
    nominal, ordinal = (
        cohen_kappa_score(y, cross_val_predict(model, X, y, cv=5), weights="quadratic")
        for model in (LogisticRegression(), OrdinalClassifier(LogisticRegression()))
    )
    assert ordinal > nominal - 0.02
    assert ordinal > 0.75


def test_it_is_a_scikit_learn_estimator(bands):
    X, y = bands
    model = OrdinalClassifier(LogisticRegression()).set_params(estimator__C=0.5)
    assert clone(model).get_params()["estimator__C"] == 0.5
    assert set(model.fit(X, y + 3).predict(X)) <= {3, 4, 5, 6}


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("ordinal", [True, False])
def test_every_classifier_learns_bands_and_sharing_fits_changes_no_bit(name, ordinal, bands):
    X, y = bands
    classifier = build("classifier", {"use": name, "grid": GRIDS[name]})
    classifier = Ordinal(classifier=classifier) if ordinal else classifier
    shared = grid_probabilities(classifier, X[:300], y[:300], X[300:], seed=3, classes=4)
    for point, probabilities in zip(ParameterGrid(classifier.parameter_grid()), shared, strict=True):
        alone = classifier.estimator(3).set_params(**point).fit(X[:300], y[:300])
        assert np.array_equal(probabilities, alone.predict_proba(X[300:]))


@pytest.mark.parametrize("name", GRIDS)
def test_a_class_that_training_lacks_has_probability_zero(name, bands):
    X, y = bands
    kept = np.flatnonzero(y[:300] != 1)
    classifier = build("classifier", {"use": name, "grid": GRIDS[name]})
    for learner in (classifier, Ordinal(classifier=classifier)):
        found = grid_probabilities(learner, X[kept], y[kept], X[300:], seed=3, classes=4)
        assert (found[..., 1] == 0).all()
        assert found.sum(axis=-1) == pytest.approx(1)


def test_another_classifier_inside_is_another_fingerprint():
    inner = [build("classifier", {"use": "logistic_regression", "grid": {"C": [c]}}) for c in (1.0, 2.0)]
    assert len({Ordinal(classifier=classifier).fingerprint() for classifier in inner}) == 2
