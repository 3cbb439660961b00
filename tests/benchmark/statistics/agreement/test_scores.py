"""Agreement of scores against pingouin, scipy, statsmodels, scikit-learn, and the published example of the limits."""

import numpy as np
import pytest
from scipy.stats import binomtest, pearsonr, spearmanr
from sklearn.metrics import cohen_kappa_score

from benchmark.statistics.agreement.categories import banded, weighted_kappa
from benchmark.statistics.agreement.limits import bland_altman
from benchmark.statistics.agreement.scores import score_agreement
from benchmark.statistics.intervals.bootstrap import Resampling

BANDS = (0, 10, 100, 400)
TRUE = np.fromstring(
    "4.7 25.4 11.4 0 0 15 0 224.8 21.5 45.7 0 0 0 61.7 480.2 4.6 215.9 66.1 19.6 1340.3 0 0 61.5 0 0 162.8 49.1 "
    "158.8 545.5 18.5",
    sep=" ",
)
FOUND = np.fromstring(
    "5.4 22.2 12 0 0 19.2 34.3 348.6 11.8 68.4 0 0 0 43.3 874.7 9 232.4 65.5 29 1002.8 0 0 66.6 0 0 107.9 89.7 "
    "165 887.2 0.7",
    sep=" ",
)
PEAK_FLOW = (
    [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427],
    [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451],
)
"""Bland and Altman 1986, table 1: the large and the mini peak flow meter, l/min."""


@pytest.fixture(scope="module")
def table():
    return score_agreement(FOUND, TRUE, BANDS).set_index("metric")


def ends(row):
    return row["low"], row["high"]


def test_the_icc_of_scores_and_of_their_logarithms_is_pingouin_s(table):
    # pingouin 0.7.0, intraclass_corr, ICC(A,1), which rounds its interval to two places.
    assert table.loc["icc", "value"] == pytest.approx(0.9082785773517214)
    assert ends(table.loc["icc"]) == pytest.approx((0.82, 0.96), abs=0.005)
    assert table.loc["icc_log", "value"] == pytest.approx(0.9353998786174913)
    assert ends(table.loc["icc_log"]) == pytest.approx((0.87, 0.97), abs=0.005)


def test_bias_and_limits_with_their_intervals_are_pingouin_s(table):
    # pingouin 0.7.0, plot_blandaltman: the lines and bands it draws.
    assert table.loc["bias", "value"] == pytest.approx(18.753333333333337)
    assert ends(table.loc["bias"]) == pytest.approx((-25.0268363163448, 62.53350298301147))
    assert table.loc["limit_low", "value"] == pytest.approx(-211.04774400931905)
    assert ends(table.loc["limit_low"]) == pytest.approx((-286.87722220654655, -135.21826581209157))
    assert table.loc["limit_high", "value"] == pytest.approx(248.5544106759857)
    assert ends(table.loc["limit_high"]) == pytest.approx((172.72493247875823, 324.3838888732132))


def test_the_published_example_gives_the_published_bias_and_widths():
    found = bland_altman(*PEAK_FLOW)
    bias, interval = found["bias"]
    assert bias == pytest.approx(-2.1, abs=0.05)
    assert (interval.low, interval.high) == pytest.approx((-22.0, 17.8), abs=0.1)
    # Theirs are 2 standard deviations away, ours 1.96; the intervals around them are as wide.
    limit, interval = found["limit_high"]
    assert limit == pytest.approx(-2.1 + 0.98 * 77.6, abs=0.1)
    assert (interval.high - interval.low) / 2 == pytest.approx((110.1 - 40.9) / 2, abs=0.1)


def test_ratios_are_the_limits_of_the_logarithms_as_factors(table):
    logs = bland_altman(np.log1p(FOUND), np.log1p(TRUE))
    for name, (value, interval) in zip(("ratio", "ratio_low", "ratio_high"), logs.values(), strict=True):
        row = table.loc[name]
        assert np.log(row["value"]) == pytest.approx(value)
        assert np.log(ends(row)) == pytest.approx((interval.low, interval.high))
    scaled = score_agreement(3 * (TRUE + 1) - 1, TRUE, BANDS).set_index("metric")
    assert scaled.loc["ratio", "value"] == pytest.approx(3)


def test_zero_against_more_is_counted_with_scipy_s_wilson_intervals(table):
    counts = {"zero_accuracy": (29, 30), "zero_sensitivity": (20, 20), "zero_specificity": (9, 10)}
    for metric, (right, cases) in counts.items():
        expected = binomtest(right, cases).proportion_ci(method="wilson")
        assert table.loc[metric, "value"] == right / cases
        assert ends(table.loc[metric]) == pytest.approx((expected.low, expected.high))


def test_kappas_are_scikit_learn_s_and_bands_end_with_their_upper_limit(table):
    found, true = banded(FOUND, BANDS), banded(TRUE, BANDS)
    assert banded([0, 0.1, 10, 10.4, 100, 400, 400.1], BANDS).tolist() == [0, 1, 1, 2, 2, 3, 4]
    for weights in ("linear", "quadratic"):
        expected = cohen_kappa_score(found, true, weights=weights, labels=range(5))
        assert table.loc[f"kappa_{weights}", "value"] == pytest.approx(expected)
    assert table.loc["band_accuracy", "value"] == (found == true).mean()


@pytest.mark.slow
def test_the_interval_of_kappa_is_that_of_scikit_learn_s_on_resampled_cases(table):
    random = np.random.default_rng(0)
    found, true = banded(FOUND, BANDS), banded(TRUE, BANDS)
    strata = [np.flatnonzero(true == 0), np.flatnonzero(true > 0)]
    kappas = []
    for _ in range(2000):
        drawn = np.concatenate([random.choice(stratum, len(stratum)) for stratum in strata])
        kappas.append(cohen_kappa_score(found[drawn], true[drawn], weights="linear", labels=range(5)))
    expected = np.quantile(kappas, [0.025, 0.975])
    assert ends(table.loc["kappa_linear"]) == pytest.approx(expected, abs=0.02)


def test_correlations_are_scipy_s(table):
    pearson = pearsonr(FOUND, TRUE)
    assert table.loc["pearson", "value"] == pytest.approx(pearson.statistic)
    assert ends(table.loc["pearson"]) == pytest.approx(tuple(pearson.confidence_interval()))
    assert table.loc["spearman", "value"] == pytest.approx(spearmanr(FOUND, TRUE).statistic)


def test_spearman_s_interval_covers_the_true_correlation_as_often_as_it_says():
    random, rho = np.random.default_rng(3), 0.8
    true = 6 / np.pi * np.arcsin(rho / 2)
    covered = 0
    for _ in range(400):
        pair = random.multivariate_normal([0, 0], [[1, rho], [rho, 1]], 40)
        row = score_agreement(*np.exp(pair).T, BANDS, Resampling(1)).set_index("metric").loc["spearman"]
        covered += row["low"] <= true <= row["high"]
    assert covered >= 365, "below 365 of 400 has probability 0.001 at a true coverage of 0.95"


def test_a_weight_of_two_is_the_case_twice_for_kappa():
    found, true = np.array([0, 1, 2, 2]), np.array([0, 1, 1, 3])
    weighted = weighted_kappa(found, true, 5, np.array([[1.0, 2, 1, 1]]), 1)
    repeated = weighted_kappa(found[[0, 1, 1, 2, 3]], true[[0, 1, 1, 2, 3]], 5, np.ones((1, 5)), 1)
    assert weighted == pytest.approx(repeated)


def test_no_interval_has_zero_width_where_two_scores_are_the_same():
    table = score_agreement(TRUE, TRUE, BANDS)
    assert not ((table["high"] - table["low"]) <= 0).any()
    closed = table[table["method"] == "not estimable"].set_index("metric")
    assert {"icc", "bias", "kappa_linear", "spearman", "pearson"} <= set(closed.index)
    assert closed[["low", "high"]].isna().all(axis=None)
    assert table.set_index("metric").loc["zero_accuracy", "low"] > 0.8


@pytest.mark.parametrize("scores", [[0.0, 0, 0], [5.0]])
def test_what_says_nothing_is_not_a_number(scores):
    table = score_agreement(scores, scores, BANDS).set_index("metric")
    for metric in ("icc", "spearman", "pearson", "kappa_linear"):
        assert np.isnan(table.loc[metric, "value"])
        assert table.loc[metric, "method"] == "not estimable"


@pytest.mark.parametrize(
    ("found", "true", "message"),
    [
        ([1.0, np.nan], [1.0, 2.0], "missing, not finite or below 0"),
        ([1.0, 2.0], [1.0, -2.0], "missing, not finite or below 0"),
        ([1.0], [1.0, 2.0], "two scores of every case"),
        ([], [], "at least one case"),
    ],
)
def test_scores_that_are_none_are_refused(found, true, message):
    with pytest.raises(ValueError, match=message):
        score_agreement(found, true, BANDS)
