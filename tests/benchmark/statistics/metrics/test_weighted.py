import numpy as np
import pytest
from sklearn import metrics as sk

from benchmark.statistics.intervals.classes import CLASS_METRICS
from benchmark.statistics.metrics.scores import METRICS, all_metrics, decide
from benchmark.statistics.metrics.weighted import weighted_metrics


def test_unit_weights_give_scikit_learns_metrics_on_200_inputs(random_cases):
    for label, score, _ in random_cases():
        found = weighted_metrics(METRICS, label, decide(score), score, np.ones((1, len(label))))[0]
        assert found == pytest.approx(list(all_metrics(label, score).values()), abs=1e-12)


def test_weights_are_scikit_learns_sample_weights_on_200_inputs(random_cases):
    for label, score, _ in random_cases():
        weight = np.random.default_rng(len(label)).uniform(0.1, 3, len(label))
        found = weighted_metrics(METRICS, label, decide(score), score, weight[None, :])[0]
        decided, chosen = decide(score), {"sample_weight": weight, "zero_division": 0}
        expected = [
            sk.accuracy_score(label, decided, sample_weight=weight),
            sk.recall_score(label, decided, **chosen),
            sk.recall_score(label, decided, pos_label=0, **chosen),
            sk.f1_score(label, decided, **chosen),
            sk.balanced_accuracy_score(label, decided, sample_weight=weight),
            sk.roc_auc_score(label, score, sample_weight=weight),
        ]
        assert found == pytest.approx(expected, abs=1e-12)


def test_class_metrics_are_scikit_learns_on_200_inputs():
    for seed in range(200):
        random = np.random.default_rng(seed)
        label = random.choice(5, size=60, p=[0.5, 0.2, 0.15, 0.1, 0.05])
        label[:5] = np.arange(5)
        predicted = np.clip(label + random.integers(-1, 2, 60) * random.integers(0, 2, 60), 0, 4)
        weight = random.integers(1, 4, 60).astype(float)
        found = weighted_metrics(CLASS_METRICS, label, predicted, np.zeros(60), weight[None, :])[0]
        expected = [
            sk.accuracy_score(label, predicted, sample_weight=weight),
            sk.balanced_accuracy_score(label, predicted, sample_weight=weight),
            sk.f1_score(label, predicted, average="macro", sample_weight=weight, zero_division=0),
            sk.cohen_kappa_score(label, predicted, weights="quadratic", sample_weight=weight),
        ]
        assert found == pytest.approx(expected, abs=1e-12)


def test_a_metric_of_two_labels_is_refused_for_bands():
    with pytest.raises(
        ValueError, match="f1 is a metric of the labels 0 and 1, this target has 0, 1, 2: choose"
    ):
        weighted_metrics(["f1"], np.array([0, 1, 2]), np.array([0, 1, 1]), np.zeros(3), np.ones((1, 3)))


def test_an_unknown_metric_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="gini is not a metric: choose from accuracy"):
        weighted_metrics(["gini"], np.array([0, 1]), np.array([0, 1]), np.zeros(2), np.ones((1, 2)))


@pytest.mark.parametrize("metric", ["sensitivity", "f1", "roc_auc", "quadratic_kappa"])
def test_weights_that_leave_no_positive_case_leave_the_metric_undefined(metric):
    weights = np.array([[1.0, 1.0, 0.0, 0.0]])
    with pytest.raises(ValueError, match=f"{metric} is undefined"):
        weighted_metrics([metric], np.array([0, 0, 1, 1]), np.zeros(4, dtype=int), np.arange(4.0), weights)
