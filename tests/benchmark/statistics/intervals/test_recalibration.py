import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit

from benchmark.statistics.intervals.recalibration import recalibration


def sample(n=400, seed=0, slope=1.0, shift=0.0):
    random = np.random.default_rng(seed)
    truth = random.normal(size=n)
    return (random.random(n) < expit(truth)).astype(int), expit(slope * truth + shift)


def test_both_figures_solve_the_likelihood_and_their_intervals_are_its_curvature():
    label, score = sample(slope=2.0, shift=1.0)
    table = recalibration(label, score).set_index("metric")
    z = logit(score)
    a = brentq(lambda a: (label - expit(a + z)).sum(), -9, 9)
    error = 1 / np.sqrt((expit(a + z) * (1 - expit(a + z))).sum())
    large = table.loc["calibration_in_the_large"]
    assert tuple(large[["value", "low", "high"]]) == pytest.approx(
        (a, a - 1.959964 * error, a + 1.959964 * error)
    )

    def loss(ab):
        p = ab[0] + ab[1] * z
        return np.logaddexp(0, p).sum() - (label * p).sum()

    b = minimize(loss, [0.0, 1.0], tol=1e-12).x
    w = expit(b[0] + b[1] * z) * (1 - expit(b[0] + b[1] * z))
    covariance = np.linalg.inv([[w.sum(), (w * z).sum()], [(w * z).sum(), (w * z * z).sum()]])
    half = 1.959964 * np.sqrt(covariance[1, 1])
    slope = table.loc["calibration_slope"]
    assert tuple(slope[["value", "low", "high"]]) == pytest.approx((b[1], b[1] - half, b[1] + half), abs=1e-5)


@pytest.mark.parametrize(
    ("slope", "shift", "low", "high"), [(1, 0, 0.75, 1.35), (3, 0, 0.25, 0.45), (0.4, 0, 1.9, 3.2)]
)
def test_the_slope_is_one_over_how_much_too_extreme_probabilities_are(slope, shift, low, high):
    found = (
        recalibration(*sample(2000, slope=slope, shift=shift)).set_index("metric").loc["calibration_slope"]
    )
    assert low < found["value"] < high


def test_probabilities_too_high_on_average_are_below_zero():
    found = recalibration(*sample(2000, shift=0.7)).set_index("metric").loc["calibration_in_the_large"]
    assert found["high"] < 0
    assert found["value"] == pytest.approx(-0.7, abs=0.15)


def test_probabilities_of_zero_and_one_are_taken_for_the_edge():
    label, score = sample()
    hard = np.where(score > 0.8, 1.0, np.where(score < 0.2, 0.0, score))
    edged = np.clip(hard, 0.01, 0.99)
    assert recalibration(label, hard, edge=0.01).equals(recalibration(label, edged, edge=0.01))


def test_scans_that_repeat_each_other_are_as_sure_as_one_of_each():
    label, score = sample(300)
    once = recalibration(label, score)
    several = recalibration(label.repeat(3), score.repeat(3), patient=np.arange(300).repeat(3))
    assert several["value"].to_numpy() == pytest.approx(once["value"].to_numpy())
    width = [(table["high"] - table["low"]).to_numpy() for table in (several, once)]
    assert width[0] == pytest.approx(width[1], rel=0.15)


@pytest.mark.parametrize(
    ("score", "why"),
    [([0.1, 0.2, 0.8, 0.9], "part the labels wholly"), ([0.5] * 4, "every probability is the same")],
)
def test_a_slope_that_has_no_end_is_not_estimated(score, why):
    table = recalibration([0, 0, 1, 1], score).set_index("metric")
    assert np.isnan(table.loc["calibration_slope", "value"])
    assert why in table.loc["calibration_slope", "note"]
    assert np.isfinite(table.loc["calibration_in_the_large", "value"])


def test_one_label_alone_is_refused():
    with pytest.raises(ValueError, match="all 3 cases have one label"):
        recalibration([1, 1, 1], [0.2, 0.5, 0.9])
