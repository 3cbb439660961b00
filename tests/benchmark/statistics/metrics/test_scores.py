import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmark.statistics.metrics.scores import METRICS, all_metrics

cases = (
    st.integers(4, 40)
    .flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.int64, n, elements=st.integers(0, 1)),
            hnp.arrays(float, n, elements=st.floats(0, 1)),
        )
    )
    .filter(lambda pair: 0 < pair[0].sum() < len(pair[0]))
)


@given(cases)
def test_metrics_are_the_ratios_of_the_confusion_matrix(pair):
    label, score = pair
    predicted = score > 0.5
    tp, tn = np.sum(predicted & (label == 1)), np.sum(~predicted & (label == 0))
    fp, fn = np.sum(predicted & (label == 0)), np.sum(~predicted & (label == 1))
    found = all_metrics(label, score)
    assert found["accuracy"] == pytest.approx((tp + tn) / len(label))
    assert found["sensitivity"] == pytest.approx(tp / (tp + fn))
    assert found["specificity"] == pytest.approx(tn / (tn + fp))
    assert found["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn) if tp else 0)
    assert found["balanced_accuracy"] == pytest.approx((tp / (tp + fn) + tn / (tn + fp)) / 2)


@given(cases)
def test_the_auc_is_the_chance_that_a_positive_scores_above_a_negative(pair):
    label, score = pair
    high, low = score[label == 1][:, None], score[label == 0][None, :]
    assert all_metrics(label, score)["roc_auc"] == pytest.approx(np.mean((high > low) + 0.5 * (high == low)))


def test_one_class_alone_is_refused_because_its_metrics_are_undefined():
    with pytest.raises(ValueError, match="undefined"):
        all_metrics(np.ones(4, dtype=int), np.linspace(0, 1, 4))


def test_every_metric_has_a_value():
    assert set(all_metrics(np.array([0, 1]), np.array([0.2, 0.7]))) == set(METRICS)
