import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from benchmark.statistics.comparison.case_tests import (
    auc_components,
    bootstrap_bca,
    bootstrap_percentile,
    delong,
    mcnemar,
)
from benchmark.statistics.intervals.bootstrap import Predicted, Resampling, resample
from benchmark.statistics.metrics.scores import decide


def test_mcnemar_is_the_binomial_test_of_the_discordant_cases_on_200_inputs(random_cases):
    for label, a, b in random_cases():
        first, second = decide(a) == label, decide(b) == label
        only_a, only_b = int((first & ~second).sum()), int((~first & second).sum())
        found = mcnemar(first, second)
        expected = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
        assert found.p == pytest.approx(expected)
        assert found.difference == pytest.approx(first.mean() - second.mean())
        assert -1 <= found.low <= found.difference <= found.high <= 1
        if min(only_a, only_b):
            assert found.effect == pytest.approx(only_a / only_b)


def test_mcnemar_says_when_both_are_right_on_the_same_cases():
    same = np.array([True, False, True])
    assert (mcnemar(same, same).p, mcnemar(same, same).note) == (1.0, "both are right on the same cases")


def delong_by_pairs(label, a, b):
    """DeLong et al. 1988, equations 3 to 5, with the O(mn) matrix of pairs; z and both AUCs."""
    placements = []
    for score in (a, b):
        high, low = score[label == 1][:, None], score[label == 0][None, :]
        placements.append((high > low) + 0.5 * (high == low))
    sick = np.cov([psi.mean(axis=1) for psi in placements])
    well = np.cov([psi.mean(axis=0) for psi in placements])
    covariance = sick / placements[0].shape[0] + well / placements[0].shape[1]
    contrast = np.array([1, -1])
    aucs = np.array([psi.mean() for psi in placements])
    return contrast @ aucs, contrast @ covariance @ contrast


def test_delong_is_the_closed_form_over_all_pairs_on_200_inputs(random_cases):
    compared = 0
    for label, a, b in random_cases():
        found = delong(label, a[None], b[None])
        difference, variance = delong_by_pairs(label, a, b)
        assert found.difference == pytest.approx(difference, abs=1e-12)
        if found.statistic is None:
            assert variance == pytest.approx(0, abs=1e-20)
            assert found.note
        else:
            z = difference / np.sqrt(variance)
            assert found.statistic == pytest.approx(z, rel=1e-6)
            assert found.p == pytest.approx(2 * stats.norm.cdf(-abs(z)), rel=1e-6)
            compared += 1
    assert compared > 150


def test_the_components_average_to_the_auc_within_either_label(random_cases):
    for label, a, _ in random_cases(50):
        components = auc_components(label, a[None])[0]
        assert components[label == 1].mean() == pytest.approx(roc_auc_score(label, a))
        assert components[label == 0].mean() == pytest.approx(roc_auc_score(label, a))


def test_repeating_the_same_scores_changes_no_delong_result(random_cases):
    label, a, b = next(random_cases())
    once, twice = delong(label, a[None], b[None]), delong(label, np.stack([a, a]), np.stack([b, b]))
    assert (once.statistic, once.p) == pytest.approx((twice.statistic, twice.p))


def test_delong_gives_a_stated_answer_without_variance():
    label = np.array([0, 0, 1, 1])
    perfect, reverse = np.array([[0.1, 0.2, 0.8, 0.9]]), np.array([[0.9, 0.8, 0.2, 0.1]])
    assert (delong(label, perfect, perfect).p, delong(label, perfect, perfect).difference) == (1.0, 0.0)
    assert delong(label, perfect, reverse).p is None
    assert "no variance" in delong(label, perfect, reverse).note


def test_delong_needs_two_cases_of_each_label():
    with pytest.raises(ValueError, match="at least two cases of each label"):
        delong(np.array([0, 0, 1]), np.ones((1, 3)), np.zeros((1, 3)))


def test_both_bootstrap_tests_agree_with_delong_in_a_large_cohort():
    random = np.random.default_rng(3)
    label = np.arange(600) % 2
    shared = random.normal(size=600)
    a, b = (shift * label + shared + random.normal(size=600) for shift in (1.0, 0.75))
    methods = [Predicted(decide(score)[None], score[None]) for score in (a, b)]
    first, second = resample(methods, label, ["roc_auc"], Resampling(4000))
    reference = delong(label, a[None], b[None])
    for test in (bootstrap_percentile, bootstrap_bca):
        found = test(first - second, 0)
        assert found.difference == pytest.approx(reference.difference)
        assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=0.004)
        assert found.p == pytest.approx(reference.p, abs=0.02)


def test_replicates_that_do_not_vary_are_named():
    label = np.array([0, 0, 1, 1])
    right = Predicted(label[None], label[None].astype(float))
    wrong = Predicted(1 - label[None], 1 - label[None].astype(float))
    first, second = resample([right, wrong], label, ["accuracy"], Resampling(50))
    for test in (bootstrap_percentile, bootstrap_bca):
        found = test(first - second, 0)
        assert (found.difference, found.low, found.high) == (1, 1, 1)
        assert found.note == "the same difference in every replicate"
        assert found.p < 0.05
