import numpy as np
import pytest

from benchmark.statistics.intervals.bootstrap import Resampling
from benchmark.statistics.intervals.decision_curve import decision_curve

LABEL = np.array([1, 1, 1, 0, 0, 0, 0, 0])
SCORE = np.array([0.9, 0.6, 0.2, 0.7, 0.3, 0.2, 0.1, 0.05])


def test_net_benefit_is_that_of_the_counts():
    table = decision_curve(LABEL, SCORE, [0.25, 0.5, 0.8], Resampling(200))
    counts = [(2, 2), (2, 1), (1, 0)]  # true and false positives above each threshold, counted by hand
    expected = [(tp - fp * t / (1 - t)) / 8 for t, (tp, fp) in zip([0.25, 0.5, 0.8], counts, strict=True)]
    assert table["net_benefit"].to_numpy() == pytest.approx(expected)
    assert table["treat_all"].to_numpy() == pytest.approx(
        [(3 - 5 * t / (1 - t)) / 8 for t in (0.25, 0.5, 0.8)]
    )


def test_no_one_above_a_threshold_is_worth_nothing_and_has_no_interval():
    row = decision_curve(LABEL, SCORE, [0.95], Resampling(200)).iloc[0]
    assert row["net_benefit"] == 0
    assert np.isnan(row["low"])


def test_a_threshold_near_zero_is_to_treat_everybody():
    row = decision_curve(LABEL, SCORE, [0.01], Resampling(200)).iloc[0]
    assert row["net_benefit"] == pytest.approx(row["treat_all"])


def test_patients_and_not_scans_are_resampled():
    whole = np.arange(8)
    once = decision_curve(LABEL, SCORE, [0.5], Resampling(500))
    several = decision_curve(LABEL.repeat(4), SCORE.repeat(4), [0.5], Resampling(500), whole.repeat(4))
    np.testing.assert_allclose(several, once)
