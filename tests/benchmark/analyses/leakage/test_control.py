"""The permuted-label control on pipelines anybody may write, with scikit-learn alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.dummy import DummyClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from benchmark.analyses.leakage.control import PermutedControl, permuted_label_control
from benchmark.errors import UserError

SEEDS = range(8)


def cohort(seed, classes=2):
    """As many cases as arXiv 2510.25347 has, 100 features of noise."""
    random = np.random.default_rng(seed)
    return random.normal(size=(182, 100)), random.permutation(np.arange(182) % classes)


def out_of_fold(model, X, y, seed):
    return cross_val_predict(model, X, y, cv=StratifiedKFold(5, shuffle=True, random_state=seed))


def filter_inside(X, y, seed):
    return out_of_fold(make_pipeline(SelectKBest(f_classif, k=10), GaussianNB()), X, y, seed)


def filter_before(X, y, seed):
    return out_of_fold(GaussianNB(), SelectKBest(f_classif, k=10).fit_transform(X, y), y, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_planted_leak_is_found_and_the_sound_pipeline_is_silent(seed):
    X, y = cohort(seed)
    leaky = permuted_label_control(filter_before, X, y, seed=seed)
    assert leaky.leaks
    assert leaky.mean > 0.6, "choosing 10 of 100 noise features on all cases"
    assert not permuted_label_control(filter_inside, X, y, seed=seed).leaks


@pytest.mark.parametrize("classes", [3, 5])
def test_a_planted_leak_is_found_among_several_classes_too(classes):
    X, y = cohort(0, classes)
    leaky = permuted_label_control(filter_before, X, y, seed=0)
    assert leaky.chance == 1 / classes
    assert leaky.leaks
    assert not permuted_label_control(filter_inside, X, y, seed=0).leaks


def test_a_sound_pipeline_is_silent_where_there_is_something_to_learn():
    X, y = cohort(0)
    X[:, 0] += 3 * y
    assert np.mean(filter_inside(X, y, 0) == y) > 0.85
    assert not permuted_label_control(filter_inside, X, y, seed=0).leaks


def test_a_training_fold_that_holds_the_test_cases_is_found():
    def no_hold_out(X, y, seed):
        return GaussianNB().fit(X, y).predict(X)

    assert permuted_label_control(no_hold_out, *cohort(0), permutations=2).leaks


def test_the_same_seed_gives_the_same_values_and_another_seed_others():
    X, y = cohort(0)
    first, again, other = (
        permuted_label_control(filter_inside, X, y, permutations=3, seed=s) for s in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_labels_of_any_kind_are_permuted_and_the_given_ones_are_left_alone():
    X, y = cohort(0)
    names = np.array(["none", "calcium"])[y]
    before = names.copy()
    seen = []

    def remember(X, y, seed):
        seen.append(y)
        return y

    assert permuted_label_control(remember, X, names, permutations=3).values == (1.0, 1.0, 1.0)
    assert (names == before).all()
    for one in seen:
        assert sorted(one) == sorted(y)
        assert 0.3 < np.mean(one == y) < 0.7, "as many as two unrelated draws share"


def test_a_pipeline_that_always_says_the_same_is_silent_at_exactly_chance():
    def constant(X, y, seed):
        return out_of_fold(DummyClassifier(strategy="constant", constant=1), X, y, seed)

    control = permuted_label_control(constant, *cohort(0, 3), permutations=4)
    assert control.mean == pytest.approx(1 / 3)
    assert control.interval == pytest.approx((1 / 3, 1 / 3))
    assert not control.leaks


def test_permutations_that_all_give_the_same_value_above_chance_leak():
    control = PermutedControl((0.6, 0.6, 0.6), 0.5)
    assert control.interval == pytest.approx((0.6, 0.6))
    assert control.leaks
    assert not control.exceeded_by(0.6)
    assert control.exceeded_by(0.61)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.sampled_from([0.2, 0.5]))
def test_interval_and_verdict_are_those_of_the_one_sample_t_test(values, chance):
    control = PermutedControl(tuple(values), chance)
    if np.std(values) < 1e-6:
        assert control.leaks == (np.mean(values) > chance + 1e-9) or abs(np.mean(values) - chance) < 1e-6
        return
    test = stats.ttest_1samp(values, chance, alternative="greater")
    assert control.interval == pytest.approx(tuple(stats.ttest_1samp(values, chance).confidence_interval()))
    assert control.bound == pytest.approx(test.confidence_interval().low)
    if abs(test.pvalue - 0.05) > 1e-6:
        assert control.leaks == (test.pvalue < 0.05)


def test_a_further_value_of_the_same_kind_exceeds_one_time_in_twenty():
    draws = np.random.default_rng(0).normal(0.5, 0.05, (4000, 6))
    exceeded = np.mean([PermutedControl(tuple(row[:5]), 0.5).exceeded_by(row[5]) for row in draws])
    assert exceeded == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(
    ("pipeline", "changes", "message"),
    [
        (filter_inside, {"permutations": 1}, "1 permutations have no interval: take 2 or more"),
        (filter_inside, {"y": np.zeros(182)}, "of 1 labels: give as many of both, of two labels"),
        (filter_inside, {"y": np.arange(9) % 2}, "X has 182 cases and y 9 of 2 labels"),
        (lambda X, y, seed: 0.84, {}, r"returned shape \(\) for 182 cases: return one class per case"),
    ],
)
def test_what_cannot_be_controlled_is_refused_with_the_remedy(pipeline, changes, message):
    X, y = cohort(0)
    with pytest.raises(UserError, match=message):
        permuted_label_control(pipeline, **{"X": X, "y": y, **changes})
