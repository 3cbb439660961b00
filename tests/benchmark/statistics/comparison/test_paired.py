import baycomp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlxtend.evaluate import combined_ftest_5x2cv
from scipy import stats

from benchmark.statistics.comparison.paired import (
    bayesian_correlated_t,
    five_by_two_f,
    nadeau_bengio,
    paired_t,
    wilcoxon,
)

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


def test_both_t_tests_agree_with_their_closed_forms_on_200_inputs(random_folds):
    for a, b in random_folds():
        plain, corrected = paired_t(a, b), nadeau_bengio(a, b, 1 / 4)
        difference = a - b
        if np.std(difference) < 1e-12:
            assert plain.statistic is None
            assert corrected.note
            continue
        theirs = stats.ttest_rel(a, b)
        assert (plain.statistic, plain.p) == pytest.approx((theirs.statistic, theirs.pvalue))
        assert (plain.low, plain.high) == pytest.approx(tuple(theirs.confidence_interval()))
        assert plain.effect == pytest.approx(theirs.statistic / np.sqrt(5))
        scale = np.sqrt(np.var(difference, ddof=1) * (1 / 5 + 1 / 4))
        assert corrected.p == pytest.approx(2 * stats.t.sf(abs(difference.mean()) / scale, 4))
        assert (corrected.low, corrected.high) == pytest.approx(
            stats.t(4, difference.mean(), scale).interval(0.95)
        )


@pytest.mark.parametrize("folds", [5, 10, 50])
def test_wilcoxon_is_the_share_of_sign_patterns_at_least_as_extreme(folds, random_folds):
    for a, b in random_folds((folds,)):
        found = wilcoxon(a, b)
        moved = np.round(a - b, 12)
        moved = moved[moved != 0]
        if len(moved) == 0:
            assert (found.p, found.note) == (1.0, "equal in every fold")
        elif len(moved) <= 10:
            ranks = stats.rankdata(np.abs(moved))
            signs = (np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1
            sums, centre = signs @ ranks, ranks.sum() / 2
            extreme = np.abs(sums - centre) >= abs(ranks[moved > 0].sum() - centre) - 1e-9
            assert found.p == pytest.approx(extreme.mean())
        else:
            tied = len(np.unique(np.abs(moved))) < len(moved)
            theirs = stats.wilcoxon(moved, method="asymptotic" if tied else "exact")
            assert found.statistic == pytest.approx(theirs.statistic)
            assert found.p == pytest.approx(theirs.pvalue, abs=0.02 if tied else 1e-12)


def test_five_folds_cannot_give_a_wilcoxon_p_below_one_sixteenth():
    found = wilcoxon([0.9, 0.8, 0.85, 0.95, 0.7], [0.5, 0.45, 0.6, 0.4, 0.35])
    assert found.p == 0.0625
    assert found.note == "5 differences cannot give p below 0.0625"


class Scripted:
    """An estimator for mlxtend whose scores are given."""

    def __init__(self, scores):
        self.scores = iter(scores)

    def fit(self, X, y):
        return self


def test_the_five_by_two_f_test_is_mlxtends_on_200_inputs(random_folds):
    for a, b in random_folds((5, 2)):
        found = five_by_two_f(a, b)
        halves = np.ptp(a - b, axis=1)
        if halves.max() < 1e-12:
            assert found.statistic is None
            assert found.note
            continue
        X, y = np.zeros((4, 1)), np.zeros(4)
        f, p = combined_ftest_5x2cv(
            Scripted(a.ravel()), Scripted(b.ravel()), X, y, scoring=lambda method, X, y: next(method.scores)
        )
        assert (found.statistic, found.p) == pytest.approx((f, p))


def test_the_five_by_two_f_test_says_when_the_folds_are_others():
    assert "needs 5 repeats of 2 folds" in five_by_two_f(np.ones((1, 5)), np.zeros((1, 5))).note


@pytest.mark.parametrize("rope", [0.01, 0.05])
def test_the_bayesian_probabilities_are_baycomps_on_200_inputs(random_folds, rope):
    for a, b in random_folds((10,)):
        if 0 < np.std(a - b) < 1e-12:
            continue  # rounding alone: a point for us, a very thin posterior for baycomp
        found = bayesian_correlated_t(a, b, 1 / 4, rope)
        better, equal, worse = baycomp.two_on_single(a, b, rope=rope, runs=2)
        assert found.posterior == pytest.approx((worse, equal, better), abs=1e-9)


def test_the_bayesian_interval_is_nadeau_bengios(random_folds):
    for a, b in random_folds(count=30):
        bayes, frequentist = bayesian_correlated_t(a, b, 1 / 4), nadeau_bengio(a, b, 1 / 4)
        if frequentist.low is not None:
            assert (bayes.low, bayes.high) == pytest.approx((frequentist.low, frequentist.high))
        assert bayes.p is None
        assert "no p-value" in bayes.note


def test_a_missing_fold_score_is_refused():
    with pytest.raises(ValueError, match="missing or infinite"):
        paired_t([0.5, float("nan")], [0.4, 0.5])
