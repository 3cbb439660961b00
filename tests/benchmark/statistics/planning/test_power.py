import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.statistics.comparison.case_tests import delong
from benchmark.statistics.metrics.scores import decide
from benchmark.statistics.planning.power import power_curve, scans_needed

SIZES = (80, 160, 320)
SHIFTS = (1.8, 1.2)  # class distance of the better and the worse classifier; their errors correlate with 0.5


def draw(random, n):
    """Labels and the latent scores of both classifiers; the threshold halfway between the classes is 0."""
    label = np.arange(n) % 2
    shared = random.normal(size=n)
    return label, [
        shift * (label - 0.5) + np.sqrt(0.5) * (shared + random.normal(size=n)) for shift in SHIFTS
    ]


def table(random, n):
    label, latent = draw(random, n)
    return pd.concat(
        pd.DataFrame(
            {
                "run": run,
                "repeat": 0,
                "fold": np.arange(n) // 2 % 5,
                "case_id": np.arange(n),
                "label": label,
                "score": stats.norm.cdf(score),
                "predicted": decide(stats.norm.cdf(score)),
            }
        )
        for run, score in zip("ab", latent, strict=True)
    )


TRUE_DIFFERENCE = {
    "accuracy": float(np.subtract(*stats.norm.cdf(np.array(SHIFTS) / 2))),
    "roc_auc": float(np.subtract(*stats.norm.cdf(np.array(SHIFTS) / np.sqrt(2)))),
}


def true_power(metric, n, studies=2000):
    """Share of fresh studies of n scans with p < 0.05."""
    random, significant = np.random.default_rng(n), 0
    for _ in range(studies):
        label, (a, b) = draw(random, n)
        if metric == "accuracy":
            significant += mcnemar_p((a > 0) == label, (b > 0) == label) < 0.05
        else:
            significant += delong(label, a[None], b[None]).p < 0.05
    return significant / studies


def mcnemar_p(a, b):
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return min(1.0, 2 * stats.binom.cdf(min(only_a, only_b), only_a + only_b, 0.5))


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["accuracy", "roc_auc"])
def test_power_for_a_known_difference_is_within_5_points_of_the_simulated_truth_at_three_sizes(metric):
    finished = table(np.random.default_rng(1), 1500)
    curve = power_curve(finished, "a", "b", metric, SIZES, difference=TRUE_DIFFERENCE[metric], studies=2000)
    assert curve["difference"].to_numpy() == pytest.approx(TRUE_DIFFERENCE[metric], abs=1e-6)
    truth = [true_power(metric, size) for size in SIZES]
    assert curve["power"].to_numpy() == pytest.approx(truth, abs=0.05)
    assert truth[0] < 0.6 < truth[-1], "the sizes must span the curve for the comparison to mean something"


def test_an_observed_difference_that_is_sure_gives_the_true_power():
    finished = table(np.random.default_rng(2), 60_000)
    curve = power_curve(finished, "a", "b", "accuracy", SIZES)
    assert curve["power"].to_numpy() == pytest.approx(
        [true_power("accuracy", size) for size in SIZES], abs=0.05
    )
    assert ((curve["low"] <= curve["power"]) & (curve["power"] <= curve["high"])).all()


@pytest.mark.parametrize("metric", ["accuracy", "roc_auc"])
def test_the_range_of_a_small_studys_power_holds_the_truth_as_often_as_it_says(metric):
    truth, held = true_power(metric, 160, studies=1000), 0
    for seed in range(60):
        finished = table(np.random.default_rng(seed), 182)
        curve = power_curve(finished, "a", "b", metric, [160], studies=200)
        held += curve["low"].iloc[0] - 0.03 <= truth <= curve["high"].iloc[0] + 0.03
    assert held >= 51, "95 % nominal; below 51 of 60 has probability 0.001 at a true coverage of 0.95"


def test_no_difference_has_the_power_of_a_false_alarm():
    finished = table(np.random.default_rng(3), 600)
    for metric in ("accuracy", "roc_auc"):
        curve = power_curve(finished, "a", "b", metric, [200], difference=0.0)
        assert curve["power"].iloc[0] == pytest.approx(0.045, abs=0.025)


def test_the_scans_needed_are_read_off_the_curve():
    curve = pd.DataFrame({"scans": [100, 200, 300], "power": [0.5, 0.7, 0.9]})
    assert scans_needed(curve, 0.8) == 250
    assert scans_needed(curve, 0.4) == 100
    assert scans_needed(curve, 0.95) is None


def test_what_cannot_be_planned_is_refused():
    finished = table(np.random.default_rng(4), 100)
    with pytest.raises(ValueError, match="power is known for accuracy and roc_auc, not for f1"):
        power_curve(finished, "a", "b", "f1", SIZES)
    with pytest.raises(ValueError, match="3 scans are too few"):
        power_curve(finished, "a", "b", "accuracy", [3])
    with pytest.raises(ValueError, match=r"no weighting of these cases makes the methods differ by 1\.5"):
        power_curve(finished, "a", "b", "accuracy", SIZES, difference=1.5)
