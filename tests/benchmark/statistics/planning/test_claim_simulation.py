"""The verdict's claims where the truth is known."""

import numpy as np
import pytest

from benchmark.statistics.planning.claim_simulation import ACCURACY, claimed_shares, cohort_with


def test_the_planted_difference_is_that_of_ideal_learners():
    cohort = cohort_with(0.06)
    label, halves = cohort.draw(np.random.default_rng(0))
    assert len(label) == 182
    large = type(cohort)("large", cohort.features, 50_000, 50_000, cohort.separation, cohort.other_separation)
    label, halves = large.draw(np.random.default_rng(0))
    separations = (cohort.separation, cohort.other_separation)
    middles = [separation / 2 / np.sqrt(cohort.features) for separation in separations]
    accuracies = [
        ((half.mean(axis=1) > middle) == label).mean() for half, middle in zip(halves, middles, strict=True)
    ]
    assert accuracies == pytest.approx([ACCURACY, ACCURACY - 0.06], abs=0.005)


def test_a_planted_difference_is_found_the_more_often_the_larger_it_is_and_never_turned_round():
    small, large = (claimed_shares(planted, repeats=5, studies=30) for planted in (0.0, 0.2))
    assert small["better"] + small["worse"] <= 0.1
    assert small["equal"] == large["equal"] == large["worse"] == 0
    assert large["better"] > 0.8
