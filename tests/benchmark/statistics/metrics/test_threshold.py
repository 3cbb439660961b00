import numpy as np
import pytest
from sklearn.metrics import roc_curve

from benchmark.statistics.metrics.threshold import choose_threshold


def rates(label, score, threshold):
    called = score > threshold
    return called[label == 1].mean(), 1 - called[label == 0].mean()


def test_youdens_threshold_reaches_the_best_point_of_scikit_learns_roc_on_200_inputs(random_cases):
    for label, score, _ in random_cases():
        false_positive, true_positive, _ = roc_curve(label, score)
        sensitivity, specificity = rates(label, score, choose_threshold(label, score))
        assert sensitivity + specificity - 1 == pytest.approx((true_positive - false_positive).max())


@pytest.mark.parametrize("target", [0.8, 0.95, 1.0])
def test_a_target_sensitivity_is_reached_with_the_best_specificity_on_200_inputs(random_cases, target):
    for label, score, _ in random_cases():
        false_positive, true_positive, _ = roc_curve(label, score, drop_intermediate=False)
        sensitivity, specificity = rates(
            label, score, choose_threshold(label, score, rule="sensitivity", target=target)
        )
        assert sensitivity >= target - 1e-12
        assert specificity == pytest.approx(1 - false_positive[true_positive >= target - 1e-12].min())


def test_a_threshold_lies_between_scores_and_near_one_half():
    label, score = np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.4, 0.9])
    assert choose_threshold(label, score) == pytest.approx(0.35)
    assert choose_threshold(label, score, rule="accuracy") == pytest.approx(0.35)
    assert choose_threshold(label, score, rule="specificity", target=1.0) == pytest.approx(0.35)


def test_the_threshold_of_training_scores_is_optimistic_on_none_but_its_own_cases():
    random = np.random.default_rng(0)
    label = np.arange(40) % 2
    gains = []
    for _ in range(200):
        train, test = (random.normal(size=40) + 0.5 * label for _ in range(2))
        threshold = choose_threshold(label, train)
        gains.append(sum(rates(label, train, threshold)) - sum(rates(label, test, threshold)))
    assert np.mean(gains) > 0.05


def test_one_label_and_unknown_rules_are_refused():
    with pytest.raises(ValueError, match="both labels"):
        choose_threshold([1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="cheapest is not a rule"):
        choose_threshold([0, 1], [0.1, 0.2], rule="cheapest")
