"""Where every resample has the same value, the interval is of closed form, named, and as wide as the cases are few."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from benchmark.statistics.intervals.bootstrap import Resampling
from benchmark.statistics.intervals.classes import CLASS_METRICS
from benchmark.statistics.intervals.degenerate import auc_interval, f1_interval, mean_of_proportions
from benchmark.statistics.intervals.headline import headline_intervals

QUICK = Resampling(500)


def shown(label, score, **more):
    table = headline_intervals(np.asarray(label), np.asarray(score, dtype=float)[None, :], QUICK, **more)
    assert table.groupby("metric")["shown"].sum().eq(1).all()
    return table[table["shown"]].set_index("metric")


@pytest.fixture
def yes_to_all():
    """15 cases, 11 of them positive, all called positive with one score."""
    return [1] * 11 + [0] * 4, [0.7] * 15


def wilson(successes, cases):
    return proportion_confint(successes, cases, method="wilson")


def ends(row):
    return row["low"], row["high"]


@pytest.mark.parametrize(
    ("metric", "successes", "cases"), [("accuracy", 11, 15), ("sensitivity", 11, 11), ("specificity", 0, 4)]
)
def test_a_proportion_of_a_yes_to_all_has_wilsons_interval(yes_to_all, metric, successes, cases):
    row = shown(*yes_to_all).loc[metric]
    assert row["method"] == "wilson"
    assert ends(row) == pytest.approx(wilson(successes, cases))


def test_the_accuracy_of_11_of_15_is_said_to_be_uncertain(yes_to_all):
    row = shown(*yes_to_all).loc["accuracy"]
    assert f"{row['value']:.3f} [{row['low']:.2f}, {row['high']:.2f}]" == "0.733 [0.48, 0.89]"


def test_balanced_accuracy_adds_the_squares_of_its_two_recalls_as_newcombe_does_for_a_difference(yes_to_all):
    """Mean of a and b is (1 + a - (1 - b)) / 2, and Newcombe's interval of the difference is in statsmodels."""
    row = shown(*yes_to_all).loc["balanced_accuracy"]
    low, high = confint_proportions_2indep(11, 11, 4, 4, method="newcomb", compare="diff")
    assert row["method"] == "square-and-add"
    assert ends(row) == pytest.approx(((1 + low) / 2, (1 + high) / 2))


@pytest.mark.parametrize(("a", "m", "b", "n"), [(56, 70, 48, 80), (9, 10, 3, 10), (10, 10, 0, 20)])
def test_square_and_add_is_newcombes_published_interval_of_a_difference(a, m, b, n):
    """Newcombe, Stat Med 1998;17:873, table II, method 10: 56/70 - 48/80 is 0.0524 to 0.3339."""
    low, high = confint_proportions_2indep(a, m, b, n, method="newcomb", compare="diff")
    if (a, b) == (56, 48):
        assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)
    found = mean_of_proportions([(a / m, m), (1 - b / n, n)])
    assert found == pytest.approx(((1 + low) / 2, (1 + high) / 2))


def test_f1_of_a_yes_to_all_is_the_transform_of_wilsons_interval_of_the_jaccard_index(yes_to_all):
    row = shown(*yes_to_all).loc["f1"]
    assert row["method"] == "wilson of Jaccard"
    assert row["value"] == pytest.approx(22 / 26)
    assert ends(row) == pytest.approx([2 * end / (1 + end) for end in wilson(11, 15)])


def test_an_f1_of_zero_and_of_one_have_a_width():
    assert f1_interval(0.0, 20) == pytest.approx((0, 2 * wilson(0, 20)[1] / (1 + wilson(0, 20)[1])))
    assert f1_interval(1.0, 20)[0] == pytest.approx(2 * wilson(20, 20)[0] / (1 + wilson(20, 20)[0]))
    assert f1_interval(1.0, 20)[1] == pytest.approx(1)


@pytest.mark.parametrize(("auc", "m", "n"), [(0.8931, 51, 58), (0.5, 11, 4), (0.97, 10, 90), (0.02, 30, 30)])
def test_the_auc_interval_solves_the_quartic_of_its_definition(auc, m, n):
    """(θ̂ - θ)² = z² V(θ), multiplied by (2 - θ)(1 + θ), is a polynomial; its roots in (0, 1) are the ends."""
    z, others, theta = stats.norm.ppf(0.975), (m + n) / 2 - 1, np.polynomial.Polynomial([0, 1])
    spread = (2 - theta) * (1 + theta) + others * ((1 - theta) * (1 + theta) + theta * (2 - theta))
    quartic = (auc - theta) ** 2 * (2 - theta) * (1 + theta) * m * n - z**2 * theta * (1 - theta) * spread
    roots = sorted(root.real for root in quartic.roots() if abs(root.imag) < 1e-9 and 0 < root.real < 1)
    assert auc_interval(auc, m, n) == pytest.approx(roots, abs=1e-9)


def test_the_auc_interval_has_a_width_at_both_ends_and_mirrors():
    low, high = auc_interval(1.0, 20, 30)
    assert high == 1
    assert 0.85 < low < 0.95
    assert auc_interval(0.0, 20, 30) == pytest.approx((0, 1 - low))
    assert auc_interval(1.0, 200, 300)[0] > low


@pytest.mark.parametrize("separation", [1.0, 2.5, 4.0])
def test_the_auc_interval_covers_the_truth_as_often_as_it_says(separation):
    random = np.random.default_rng(3)
    truth = stats.norm.cdf(separation / np.sqrt(2))
    sick, well = random.normal(separation, 1, (2000, 15)), random.normal(0, 1, (2000, 25))
    found = (sick[:, :, None] > well[:, None, :]).mean(axis=(1, 2))
    known = {auc: auc_interval(auc, 15, 25) for auc in np.unique(found)}
    covered = np.mean([known[auc][0] <= truth <= known[auc][1] for auc in found])
    assert covered >= 0.93, f"{covered:.3f}"


def test_a_perfect_model_is_not_certain():
    table = shown([0] * 20 + [1] * 20, [0.0] * 20 + [1.0] * 20)
    assert set(table["method"].drop("brier")) == {
        "wilson",
        "square-and-add",
        "wilson of Jaccard",
        "Newcombe 5",
    }
    assert table["high"].drop("brier").to_numpy() == pytest.approx(1)
    assert (table["low"].drop("brier") < 0.96).all()
    assert table.loc["brier", "method"] == "not estimable"
    assert table.loc["brier", ["low", "high"]].isna().all()


def test_constant_scores_of_half_leave_the_brier_score_without_an_interval():
    table = shown([0, 1] * 10, [0.5] * 20)
    assert table.loc["brier", "method"] == "not estimable"
    assert table.loc["roc_auc", "method"] == "Newcombe 5"
    assert table.loc["roc_auc", "low"] < 0.4
    assert table.loc["roc_auc", "high"] > 0.6


def test_bands_called_alike_have_intervals_where_one_is_known_and_none_where_not():
    label = np.repeat([0, 1, 2, 3], [10, 8, 6, 4])
    called = np.ones((1, 28), dtype=int)
    table = shown(label, np.zeros(28), predicted=called, metrics=CLASS_METRICS)
    assert ends(table.loc["accuracy"]) == pytest.approx(wilson(8, 28))
    lows = [wilson(8 if cases == 8 else 0, cases) for cases in (10, 8, 6, 4)]
    shares = np.array([0, 1, 0, 0])
    down, up = (np.sqrt(((np.array(side) - shares) ** 2).sum()) / 4 for side in zip(*lows, strict=True))
    assert ends(table.loc["balanced_accuracy"]) == pytest.approx((0.25 - down, 0.25 + up))
    assert (table.loc[["macro_f1", "quadratic_kappa"], "method"] == "not estimable").all()
    assert table.loc[["macro_f1", "quadratic_kappa"], ["low", "high"]].isna().all(axis=None)


def test_repeats_that_all_say_yes_are_read_as_one_model(yes_to_all):
    label, score = yes_to_all
    twice = headline_intervals(np.asarray(label), np.asarray([score, score]), QUICK)
    once = headline_intervals(np.asarray(label), np.asarray([score]), QUICK)
    assert twice[["low", "high"]].to_numpy() == pytest.approx(once[["low", "high"]].to_numpy(), nan_ok=True)


def test_where_the_bootstrap_has_an_interval_it_is_shown():
    random = np.random.default_rng(0)
    label = np.arange(60) % 2
    table = shown(label, np.clip(0.3 + 0.3 * label + random.normal(0, 0.25, 60), 0, 1))
    assert set(table["method"]) == {"bca"}
