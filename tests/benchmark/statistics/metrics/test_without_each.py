"""Metrics without each patient, against all cases weighed anew with theirs at zero."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.statistics.metrics.scores import METRICS, decide
from benchmark.statistics.metrics.weighted import weighted_metrics
from benchmark.statistics.metrics.without_each import metrics_without_each

NAMES = (*METRICS, "brier")


def one_by_one(label, score, patient):
    without = 1.0 - (patient == np.arange(patient.max() + 1)[:, None])
    return weighted_metrics(NAMES, label, decide(score), score, without)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(8, 40), st.integers(1, 4), st.integers(2, 30))
def test_they_are_what_weights_of_zero_give(seed, patients, scans, levels):
    """Scores tie, patients have several scans of both labels, and nobody's leaving takes a label away."""
    random = np.random.default_rng(seed)
    patient = np.concatenate([np.arange(patients), random.integers(0, patients, patients * (scans - 1))])
    label = random.integers(0, 2, len(patient))
    label[:4] = [0, 1, 0, 1]
    score = random.integers(0, levels, len(patient)) / levels
    found = metrics_without_each(NAMES, label, decide(score), score, patient)
    expected = one_by_one(label, score, patient)
    assert found[:, :-1] == pytest.approx(expected[:, :-1], abs=1e-15)
    assert found[:, -1] == pytest.approx(expected[:, -1], abs=1e-12)


def test_what_a_patient_takes_along_is_undefined_without_them():
    label, score = np.array([1, 0, 0]), np.array([0.9, 0.2, 0.1])
    found = metrics_without_each(["sensitivity", "roc_auc"], label, decide(score), score, np.arange(3))
    assert np.isnan(found).tolist() == [[True, True], [False, False], [False, False]]


def test_ten_thousand_cases_take_no_table_of_pairs():
    """Counted, not timed: a table of cases by cases would be 800 MB."""
    import tracemalloc

    random = np.random.default_rng(0)
    label, score = random.integers(0, 2, 10_000), random.random(10_000)
    tracemalloc.start()
    metrics_without_each(NAMES, label, decide(score), score, np.arange(10_000))
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
