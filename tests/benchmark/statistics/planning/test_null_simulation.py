import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from benchmark.statistics.metrics.scores import all_metrics
from benchmark.statistics.planning.null_simulation import COHORTS, false_positive_rates, rates_by_repeats
from benchmark.statistics.planning.null_studies import (
    Folds,
    SimulatedCases,
    discriminant_scores,
    study_tables,
)


def test_the_learner_ranks_test_cases_as_scikit_learns_discriminant_analysis():
    random = np.random.default_rng(0)
    label, (X, _) = SimulatedCases("six features", 6).draw(random)
    fold = Folds(2, 5).draw(label, random)
    scores = discriminant_scores(X, label, fold)
    for repeat in range(2):
        for number in range(5):
            train, test = fold[repeat] != number, fold[repeat] == number
            # a ridge of 1 % of the mean variance is a shrinkage of 0.01/1.01, up to a factor
            reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.01 / 1.01).fit(
                X[train], label[train]
            )
            expected = reference.decision_function(X[test])
            assert stats.spearmanr(scores[repeat, test], expected).statistic > 0.999


def test_an_ideal_learner_of_either_half_has_the_stated_accuracy():
    label, halves = SimulatedCases("large", 10, 50_000, 50_000, separation=2.0).draw(np.random.default_rng(0))
    for half in halves:
        assert ((half.mean(axis=1) > 1 / np.sqrt(10)) == label).mean() == pytest.approx(
            stats.norm.cdf(1), abs=0.005
        )


def test_folds_are_stratified_and_their_scores_are_those_of_the_predictions():
    folds, predictions = study_tables(COHORTS[0], Folds(2, 5), np.random.default_rng(0))
    for key, part in predictions.groupby(["run", "repeat", "fold"]):
        assert 17 <= (part["label"] == 1).sum() <= 18
        row = folds.set_index(["run", "repeat", "fold"]).loc[key]
        expected = all_metrics(part["label"], part["score"])
        assert row[["accuracy", "f1", "roc_auc"]].to_dict() == pytest.approx(
            {name: expected[name] for name in ("accuracy", "f1", "roc_auc")}
        )
        assert (row["n_train"], row["n_test"]) == (182 - len(part), len(part))


def test_the_corrected_test_keeps_its_level_where_the_plain_one_does_not():
    rates = rates_by_repeats(COHORTS[0], "accuracy", studies=120).set_index(["test", "repeats"])["rate"]
    assert rates["paired_t", 10] > 0.3
    assert rates["nadeau_bengio", 10] <= 0.07


def test_rates_are_shares_of_studies_with_wilson_intervals():
    rates = false_positive_rates(COHORTS[0], Folds(1, 5), ["mcnemar", "wilcoxon"], studies=20)
    assert ((rates["rate"] * 20) % 1 == 0).all()
    assert ((rates["low"] <= rates["rate"]) & (rates["rate"] <= rates["high"])).all()
    assert (rates.loc[rates["test"] == "wilcoxon", "rate"] == 0).all(), "five folds cannot reach 0.05"


def test_the_command_rewrites_the_table_and_the_figure_alone(tmp_path):
    page = tmp_path / "statistics.md"
    page.write_text("before\n<!-- null simulation: begin -->\nold\n<!-- null simulation: end -->\nafter\n")
    command = [
        sys.executable,
        "-m",
        "benchmark.statistics.planning.null_simulation",
        "--studies",
        "2",
        "--docs",
        str(tmp_path),
    ]
    subprocess.run(command, check=True, capture_output=True)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| `nadeau_bengio` | accuracy |" in text
    assert (tmp_path / "figures" / "null_paired_t.svg").exists()


def test_the_documented_rates_of_the_recommended_tests_are_at_most_7_percent():
    page = (Path(__file__).parents[4] / "docs" / "statistics.md").read_text(encoding="utf-8")
    for test in ("nadeau_bengio", "bayesian_correlated_t"):
        rows = re.findall(rf"^\| `{test}` \| \w+ \|(.*)\|$", page, flags=re.MULTILINE)
        rates = [float(rate) for row in rows for rate in re.findall(r"(0\.\d+) \(", row)]
        assert len(rates) == 6, "three metrics in two cohorts"
        assert max(rates) <= 0.07
    assert "1000 studies;" in page
