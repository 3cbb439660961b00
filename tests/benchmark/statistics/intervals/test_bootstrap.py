from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from benchmark.statistics.intervals.bootstrap import (
    Predicted,
    Resampling,
    bca_interval,
    bca_p,
    percentile_interval,
    percentile_p,
    resample,
    resampled_counts,
)
from benchmark.statistics.metrics.scores import METRICS, decide, metric_value


def both(label, a, b, metrics=METRICS, replicates=200, seed=0):
    methods = [Predicted(decide(score)[None], score[None]) for score in (a, b)]
    return resample(methods, label, metrics, Resampling(replicates, seed=seed))


def test_the_bca_interval_is_scipys_for_the_same_replicates_on_200_inputs(random_cases):
    # scipy resamples the positives and the negatives as two samples, which is our resampling within labels.
    compared = 0
    for seed, (label, a, b) in enumerate(random_cases()):
        metric = ("accuracy", "roc_auc")[seed % 2]
        first, second = both(label, a, b, [metric])
        difference = first - second
        # rounded, because scipy takes replicates that differ by rounding alone for different
        drawn, jackknife = difference.replicates[:, 0].round(12), difference.jackknife[:, 0]
        if np.ptp(drawn) == 0 or min(np.bincount(label)) < 3:
            continue

        right = (decide(a) == label).astype(float) - (decide(b) == label)
        wins = [np.sign(score[:, None] - score[None, :]) / 2 for score in (a, b)]

        def statistic(sick, well, metric=metric, right=right, wins=wins):
            sick, well = sick.astype(int), well.astype(int)
            if metric == "accuracy":
                return round(right[np.concatenate([sick, well])].mean(), 12)
            return round((wins[0] - wins[1])[np.ix_(sick, well)].mean(), 12)

        samples = (np.flatnonzero(label == 1).astype(float), np.flatnonzero(label == 0).astype(float))
        expected = stats.bootstrap(
            samples,
            statistic,
            method="BCa",
            n_resamples=0,
            vectorized=False,
            bootstrap_result=SimpleNamespace(bootstrap_distribution=drawn),
        ).confidence_interval
        found = bca_interval(difference.value[0], drawn, jackknife, label)
        if drawn.min() < difference.value[0] < drawn.max():
            assert found == pytest.approx(tuple(expected), abs=1e-9)
            compared += 1
    assert compared > 100


def test_methods_share_their_resampled_cases(random_cases):
    label, a, _ = next(random_cases())
    first, second = both(label, a, a)
    assert np.all(first.replicates == second.replicates)


def test_a_difference_with_itself_is_zero_with_p_one(random_cases):
    label, a, _ = next(random_cases())
    first, second = both(label, a, a)
    assert percentile_p((first - second).replicates[:, 0]) == 1.0


@pytest.mark.parametrize("seed", range(20))
def test_p_is_below_five_percent_just_when_the_interval_leaves_out_zero(seed):
    random = np.random.default_rng(seed)
    label = np.arange(60) % 2
    a, b = (np.clip(random.normal(0.45 + shift * label, 0.2), 0, 1) for shift in (0.3, 0.1))
    first, second = both(label, a, b, ["roc_auc"], replicates=2000, seed=seed)
    difference = first - second
    drawn, arguments = (
        difference.replicates[:, 0],
        (difference.value[0], difference.replicates[:, 0], difference.jackknife[:, 0], label),
    )
    for p, (low, high) in (
        (percentile_p(drawn), percentile_interval(drawn)),
        (bca_p(*arguments), bca_interval(*arguments)),
    ):
        if abs(p - 0.05) > 0.003:
            assert (p < 0.05) == (low > 0 or high < 0)


def test_the_jackknife_leaves_out_one_case_at_a_time(random_cases):
    for label, a, b in random_cases(20):
        resampled = both(label, a, b, ["roc_auc"], replicates=1)[0]
        for case in range(0, len(label), 7):
            rest = np.arange(len(label)) != case
            if len(np.unique(label[rest])) == 2:
                assert resampled.jackknife[case, 0] == pytest.approx(
                    metric_value("roc_auc", label[rest], a[rest])
                )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"replicates": 0}, "0 replicates are none"),
        ({"level": 95}, "95 is not a level of intervals: take a share between 0 and 1"),
        ({"level": 0.0}, "0.0 is not a level"),
        ({"seed": -1}, "-1 is not a seed: take 0 or more"),
    ],
)
def test_a_resampling_out_of_range_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Resampling(**arguments)


def test_every_label_keeps_its_count_in_every_replicate():
    label = np.array([0, 2, 1, 0, 2, 2, 1, 0])
    counts = np.concatenate(list(resampled_counts(label, Resampling(4500, seed=1))))
    assert counts.shape == (4500, 8)
    for code in range(3):
        assert (counts[:, label == code].sum(axis=1) == (label == code).sum()).all()


def test_a_large_stratum_is_drawn_with_the_same_chances():
    """Counts of so many cases have mean 1, variance (n - 1) / n and sum n, as those of a multinomial."""
    label = np.zeros(6000, dtype=np.intp)
    counts = np.concatenate(list(resampled_counts(label, Resampling(200))))
    assert (counts.sum(axis=1) == 6000).all()
    assert counts.mean() == pytest.approx(1)
    assert counts.var() == pytest.approx(1, abs=0.01)
    assert counts.mean(axis=0).std() == pytest.approx(np.sqrt(1 / 200), rel=0.05)
