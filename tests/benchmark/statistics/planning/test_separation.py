"""Groups of methods that are apart, against scipy and statsmodels, and how often it is claimed where nothing is."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, t
from statsmodels.stats.multitest import multipletests

from benchmark.statistics.planning.separation import chances, separation

N = 150
GROUPS = (("best",), ("good", "fair"), ("poor", "none"))
PAIRS = [*product(*GROUPS[:2]), *product(*GROUPS[1:])]


def study(seed=0):
    """Right calls of five methods, as fold scores and predictions of five folds of thirty."""
    random = np.random.default_rng(seed)
    label, fold = np.arange(N) % 2, np.arange(N) // 2 % 5
    chance = {"best": 0.95, "good": 0.75, "fair": 0.72, "poor": 0.55, "none": 0.5}
    right = pd.DataFrame({name: random.random(N) < p for name, p in chance.items()})
    predictions = pd.concat(
        pd.DataFrame(
            {
                "run": name,
                "repeat": 0,
                "fold": fold,
                "case_id": [f"c{k:03}" for k in range(N)],
                "label": label,
                "score": np.where(right[name], label, 1 - label).astype(float),
                "predicted": np.where(right[name], label, 1 - label),
            }
        )
        for name in right
    )
    scores = predictions.assign(accuracy=predictions["label"] == predictions["predicted"])
    folds = scores.groupby(["run", "repeat", "fold"], sort=False)["accuracy"].mean().reset_index()
    return folds.assign(n_train=120, n_test=30), predictions, right, label


def test_each_pair_across_a_boundary_is_tested_once_and_adjusted_over_all():
    folds, predictions, right, _ = study()
    found = separation(folds, predictions, GROUPS)
    assert list(zip(found["run"], found["reference"], strict=True)) == PAIRS
    assert list(found["upper"]) == [0, 0, 1, 1, 1, 1]
    wins = [((right[a] > right[b]).sum(), (right[a] < right[b]).sum()) for a, b in PAIRS]
    expected = [binomtest(int(won), int(won + lost)).pvalue for won, lost in wins]
    assert found["cases_p"].to_numpy() == pytest.approx(expected)
    assert found["cases_holm"].to_numpy() == pytest.approx(multipletests(expected, method="holm")[1])
    assert found["difference"].to_numpy() == pytest.approx([(won - lost) / N for won, lost in wins])
    assert (found["cases_low"] < found["difference"]).all()
    assert (found["difference"] < found["cases_high"]).all()


def test_the_corrected_interval_is_nadeau_and_bengios():
    folds, predictions, _, _ = study()
    found = separation(folds, predictions, GROUPS)
    by_fold = folds.pivot(index="fold", columns="run", values="accuracy")
    for row in found.itertuples():
        d = (by_fold[row.run] - by_fold[row.reference]).to_numpy()
        half = t.ppf(0.975, 4) * d.std(ddof=1) * np.sqrt(1 / 5 + 30 / 120)
        assert (row.folds_low, row.folds_high) == pytest.approx((d.mean() - half, d.mean() + half))


def test_more_cases_and_repeats_show_more_and_a_pair_more_shows_less():
    _, _, right, label = study()
    pair = [("good", "poor")]
    few, repeated, many = (
        chances(right, label, pair, cases, repeats, studies=300)
        for cases, repeats in ((100, 1), (100, 5), (600, 5))
    )
    assert few < repeated < many
    assert many > 0.95
    assert chances(right, label, PAIRS, 600, 5, studies=300) <= many
    assert few == chances(right, label, pair, 100, 1, studies=300), "the seed decides"


def test_methods_that_are_equal_are_called_apart_in_less_than_one_study_in_forty():
    random = np.random.default_rng(3)
    right = pd.DataFrame({"a": np.tile([0, 1, 1, 1], 40), "b": np.tile([1, 1, 1, 0], 40)})
    label = random.permutation(np.arange(160) % 2)
    flipped = pd.concat([right, right.rename(columns={"a": "b", "b": "a"})])
    assert chances(flipped, np.tile(label, 2), [("a", "b")], 180, 5, studies=1000) < 0.04
