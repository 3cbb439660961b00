import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark.statistics.paired import nadeau_bengio, paired_t

scores = st.lists(st.floats(0, 1, width=32), min_size=5, max_size=5)


@given(scores, scores)
def test_the_paired_t_test_is_scipys(a, b):
    ours, theirs = paired_t(a, b), stats.ttest_rel(a, b)
    if ours.statistic is None:
        assert np.std(np.subtract(a, b)) < 1e-12
    else:
        assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9)
        assert ours.p == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-15)


@given(scores, scores)
def test_the_correction_divides_t_by_its_closed_form_and_never_lowers_p(a, b):
    plain, corrected = paired_t(a, b), nadeau_bengio(a, b, test_to_train=1 / 4)
    if plain.statistic is not None:
        assert corrected.statistic == pytest.approx(plain.statistic * np.sqrt((1 / 5) / (1 / 5 + 1 / 4)))
        assert corrected.p >= plain.p


@pytest.mark.parametrize(("published", "t", "corrected"), [(0.033, 3.20, 0.100), (0.017, 3.94, 0.059)])
def test_the_papers_p_values_follow_from_its_t_and_do_not_survive_the_correction(published, t, corrected):
    # Five differences of mean 1 and any shape, scaled so that the paired t is the given one.
    shape = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    difference = 1 + shape * np.sqrt(5) / (t * shape.std(ddof=1))
    assert paired_t(difference, np.zeros(5)).statistic == pytest.approx(t)
    assert paired_t(difference, np.zeros(5)).p == pytest.approx(published, abs=5e-4)
    assert nadeau_bengio(difference, np.zeros(5), 1 / 4).p == pytest.approx(corrected, abs=1e-3)


def test_equal_scores_give_p_one_and_a_constant_difference_a_stated_answer():
    same = paired_t([0.5, 0.6], [0.5, 0.6])
    assert (same.statistic, same.p, same.note) == (None, 1.0, "equal in every fold")
    shifted = nadeau_bengio([0.75, 1.0], [0.5, 0.75], 0.25)
    assert shifted.p is None
    assert "no variance" in shifted.note


def test_one_fold_or_unequal_folds_are_not_guessed_at():
    assert "one fold" in paired_t([0.5], [0.4]).note
    with pytest.raises(ValueError, match="2 and 1 fold scores"):
        paired_t([0.5, 0.6], [0.4])
