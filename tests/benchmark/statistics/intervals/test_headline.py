import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from benchmark.statistics.intervals.bootstrap import Resampling
from benchmark.statistics.intervals.headline import bootstrap_metrics, headline_intervals, interval_table
from benchmark.statistics.intervals.proportions import wilson
from benchmark.statistics.metrics.scores import METRICS, all_metrics


@pytest.fixture
def predicted():
    random = np.random.default_rng(0)
    label = np.arange(80) % 2
    return label, np.clip(0.35 + 0.25 * label + random.normal(0, 0.2, 80), 0, 1).round(2)


def test_a_replicate_is_the_metric_of_its_resampled_cases(predicted):
    label, score = predicted
    random = np.random.default_rng(7)
    positives, negatives = np.flatnonzero(label == 1), np.flatnonzero(label == 0)
    sick = random.multinomial(40, np.full(40, 1 / 40), size=25)
    well = random.multinomial(40, np.full(40, 1 / 40), size=25)
    drawn = bootstrap_metrics(label, score, Resampling(25, seed=7))
    for replicate in range(25):
        cases = np.concatenate([np.repeat(positives, sick[replicate]), np.repeat(negatives, well[replicate])])
        expected = all_metrics(label[cases], score[cases])
        assert drawn.iloc[replicate][list(METRICS)].to_dict() == pytest.approx(expected)


def test_the_interval_of_an_accuracy_is_near_wilsons(predicted):
    label, score = predicted
    row = interval_table(label, score[None, :], Resampling(4000)).set_index("metric").loc["accuracy"]
    low, high = wilson(round(row["value"] * 80), 80)
    assert row["low"] == pytest.approx(low, abs=0.04)
    assert row["high"] == pytest.approx(high, abs=0.04)
    assert row["low"] <= row["value"] <= row["high"]


def test_wilsons_interval_is_the_published_one_for_84_percent_of_181():
    low, high = wilson(152, 181)
    assert (round(low, 2), round(high, 2)) == (0.78, 0.89)


def test_repeats_are_averaged_over_the_same_patients(predicted):
    label, score = predicted
    once, twice = interval_table(label, score[None, :]), interval_table(label, np.stack([score, score]))
    assert np.allclose(once[["value", "low", "high"]], twice[["value", "low", "high"]])


def test_the_auc_interval_covers_the_truth_as_often_as_it_says():
    random = np.random.default_rng(1)
    truth = stats.norm.cdf(1 / np.sqrt(2))
    label = np.arange(100) % 2
    covered = 0
    for seed in range(200):
        score = stats.norm.cdf(random.normal(size=100) + label)
        row = (
            interval_table(label, score[None, :], Resampling(300, seed=seed))
            .set_index("metric")
            .loc["roc_auc"]
        )
        assert row["value"] == pytest.approx(roc_auc_score(label, score))
        covered += row["low"] <= truth <= row["high"]
    assert covered >= 180, "95 % nominal; below 180 of 200 has probability 0.002 at a true coverage of 0.95"


def test_the_bca_interval_leans_away_from_the_bound_of_a_skewed_metric():
    random = np.random.default_rng(5)
    label = np.arange(60) % 2
    score = stats.norm.cdf(random.normal(size=60) + 2.5 * label - 1.25)
    tables = {
        name: interval_table(label, score[None, :], method=name).set_index("metric")
        for name in ("percentile", "bca")
    }
    assert (tables["bca"]["value"] == tables["percentile"]["value"]).all()
    assert tables["bca"].loc["roc_auc", "low"] < tables["percentile"].loc["roc_auc", "low"]


def test_every_headline_number_has_a_bca_and_every_proportion_a_wilson_interval(predicted):
    label, score = predicted
    table = headline_intervals(label, np.stack([score, score]), Resampling(500))
    assert set(table.loc[table["method"] == "bca", "metric"]) == {*METRICS, "brier"}
    assert set(table.loc[table["method"] == "wilson", "metric"]) == {"accuracy", "sensitivity", "specificity"}
    assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()
    row = table[(table["metric"] == "sensitivity") & (table["method"] == "wilson")].iloc[0]
    assert (row["low"], row["high"]) == pytest.approx(wilson(row["value"] * 40, 40))


def test_one_label_alone_and_unknown_methods_are_refused():
    with pytest.raises(ValueError, match="undefined"):
        interval_table(np.ones(4, dtype=int), np.full((1, 4), 0.5))
    with pytest.raises(ValueError, match="exact is not an interval method"):
        interval_table(np.array([0, 1]), np.full((1, 2), 0.5), method="exact")
