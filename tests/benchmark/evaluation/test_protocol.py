import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import UserError
from benchmark.evaluation.protocol import Protocol


@given(zero=st.integers(10, 60), nonzero=st.integers(10, 60), repeats=st.integers(1, 3), seed=st.text())
def test_every_case_is_tested_once_per_repeat_and_never_trained_on_in_that_fold(zero, nonzero, repeats, seed):
    labels = np.array([0] * zero + [1] * nonzero)
    splits = list(Protocol(repeats=repeats).splits(labels, seed))
    assert len(splits) == 5 * repeats
    for repeat in range(repeats):
        tested = np.concatenate([split.test for split in splits if split.repeat == repeat])
        assert sorted(tested) == list(range(len(labels)))
    for split in splits:
        assert not set(split.train) & set(split.test)
        assert abs(labels[split.test].mean() - labels.mean()) <= 1 / len(split.test)


@pytest.mark.parametrize(
    ("folds", "inner", "smallest", "said"),
    [
        (
            5,
            5,
            5,
            "only 5 cases have label 1, 4 of them in a training fold, too few for 5 inner folds: lower `inner_",
        ),
        (
            2,
            7,
            12,
            "only 12 cases have label 1, 6 of them in a training fold, too few for 7 inner folds: lower",
        ),
        (3, 2, 2, "only 2 cases have label 1, too few for 3 folds: lower `folds`, or add cases"),
    ],
)
def test_folds_and_inner_folds_that_a_class_is_too_small_for_are_told_apart(folds, inner, smallest, said):
    labels = np.array([0] * 30 + [1] * smallest)
    with pytest.raises(UserError, match=said):
        list(Protocol(folds=folds, inner_folds=inner).splits(labels, 0))


def test_the_same_seed_gives_the_same_folds_and_another_seed_others():
    labels = np.arange(100) % 2
    first, again, other = (
        [split.test.tolist() for split in Protocol().splits(labels, seed)] for seed in "aab"
    )
    assert first == again != other


def test_one_class_only_is_refused_with_the_remedy():
    with pytest.raises(UserError, match="all 20 cases have label 1: a classifier needs cases of both labels"):
        list(Protocol().splits(np.ones(20, dtype=int), 0))


@pytest.mark.parametrize("smallest", [2, 4])
def test_fewer_cases_of_a_class_than_folds_are_refused_with_the_number(smallest):
    labels = np.array([0] * 30 + [1] * smallest)
    with pytest.raises(UserError, match=f"only {smallest} cases have label 1, too few for 5 folds"):
        list(Protocol().splits(labels, 0))
