import numpy as np
import pytest
from sklearn.calibration import calibration_curve as reference_curve
from sklearn.metrics import brier_score_loss

from benchmark.statistics.intervals.bootstrap import Resampling
from benchmark.statistics.intervals.calibration import brier_interval, brier_score, calibration_curve


def test_the_brier_score_is_scikit_learns_on_200_inputs(random_cases):
    for label, score, _ in random_cases():
        assert brier_score(label, score) == pytest.approx(brier_score_loss(label, score))


def test_the_curve_has_scikit_learns_groups_where_no_scores_tie():
    random = np.random.default_rng(0)
    score = random.uniform(size=200)
    label = (random.uniform(size=200) < score).astype(int)
    observed, predicted = reference_curve(label, score, n_bins=5, strategy="quantile")
    curve = calibration_curve(label, score, bins=5)
    assert curve["observed"].to_numpy() == pytest.approx(observed, abs=0.03)
    assert curve["predicted"].to_numpy() == pytest.approx(predicted, abs=0.01)
    assert curve["cases"].tolist() == [40] * 5
    assert ((curve["low"] <= curve["observed"]) & (curve["observed"] <= curve["high"])).all()


def test_every_case_is_in_one_group_whatever_the_ties(random_cases):
    for label, score, _ in random_cases():
        curve = calibration_curve(label, score)
        assert curve["cases"].sum() == len(label)
        assert (curve["observed"] * curve["cases"]).sum() == pytest.approx(label.sum())
        assert np.isfinite(curve.to_numpy()).all()


def test_the_interval_of_the_brier_score_covers_the_truth_as_often_as_it_says():
    # P(label = 1 | score) = score with score uniform: the expected squared error is E[p(1 - p)] = 1/6.
    random = np.random.default_rng(2)
    covered = 0
    for seed in range(200):
        score = random.uniform(size=150)
        label = (random.uniform(size=150) < score).astype(np.intp)
        value, low, high = brier_interval(label, score[None, :], Resampling(400, seed=seed))
        assert low <= value <= high
        covered += low <= 1 / 6 <= high
    assert covered >= 180, "95 % nominal; below 180 of 200 has probability 0.002 at a true coverage of 0.95"


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="no probabilities"):
        brier_score([0, 1], [0.2, 1.2])
    with pytest.raises(ValueError, match="labels 0 and 1"):
        brier_score([0, 2], [0.2, 0.2])
