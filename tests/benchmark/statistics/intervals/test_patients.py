"""Resampling patients with several scans: all of them or none, and as wide as between patients."""

import numpy as np
import pytest

from benchmark.statistics.intervals.bootstrap import Predicted, Resampling, resample, resampled_counts
from benchmark.statistics.intervals.calibration import brier_interval, calibration_curve
from benchmark.statistics.intervals.classes import class_table
from benchmark.statistics.intervals.headline import bootstrap_metrics, headline_intervals
from benchmark.statistics.intervals.patients import codes_of, patients_of
from benchmark.statistics.intervals.proportions import wilson, wilson_of_cases

LABEL = np.array([0, 1, 1, 0, 0, 1, 0, 1, 0, 0])
PATIENT = np.array(list("abbccdefgh"))


def test_a_patient_is_drawn_with_all_scans_and_each_kind_of_patient_as_often_as_there_are():
    (weights,) = resampled_counts(LABEL, Resampling(500), PATIENT)
    for name in "bc":
        scans = weights[:, name == PATIENT]
        assert (scans == scans[:, :1]).all()
    kinds = {"positive": "bdf", "negative": "acegh"}
    for members in kinds.values():
        first = [np.flatnonzero(name == PATIENT)[0] for name in members]
        assert (weights[:, first].sum(axis=1) == len(members)).all()


def test_patients_with_scans_of_both_labels_are_drawn_among_themselves_so_that_no_label_goes_missing():
    patient = np.array(list("aabbccdd"))
    label = np.array([0, 1, 0, 1, 1, 1, 0, 1])
    assert len(set(patients_of(label, patient).stratum[[0, 1, 3]])) == 1
    (weights,) = resampled_counts(label, Resampling(200), patient)
    assert (weights[:, label == 0].sum(axis=1) > 0).all()


def test_names_that_are_each_once_are_no_patients_with_several_scans():
    assert codes_of(None) is None
    assert codes_of(["x", "a", "b"]) is None
    assert codes_of(["x", "a", "x"]).tolist() == [1, 0, 1]


def copies(values, times=4):
    return np.asarray(values).repeat(times, axis=-1)


def test_scans_that_repeat_each_other_leave_every_interval_as_wide_as_one_of_each_gives():
    random = np.random.default_rng(0)
    label = np.arange(60) % 2
    score = np.clip(0.5 + 0.2 * (label - 0.5) + 0.2 * random.normal(size=(2, 60)), 0, 1)
    once = headline_intervals(label, score, Resampling(800))
    several = headline_intervals(copies(label), copies(score), Resampling(800), patient=copies(np.arange(60)))
    np.testing.assert_allclose(several[["value", "low", "high"]], once[["value", "low", "high"]], atol=1e-12)
    taken_for_patients = headline_intervals(copies(label), copies(score), Resampling(800))
    width = (taken_for_patients["high"] - taken_for_patients["low"]) / (once["high"] - once["low"])
    assert width.between(0.4, 0.65).all(), "half as wide, were each scan another patient's"


def test_one_scan_a_patient_leaves_every_interval_as_it_is_to_the_last_bit():
    random = np.random.default_rng(1)
    label, score = np.arange(50) % 2, random.random((1, 50))
    names = random.permutation(50)
    for function in (
        headline_intervals,
        lambda *given, **named: bootstrap_metrics(given[0], given[1][0], *given[2:], **named),
    ):
        plain, named = (function(label, score, Resampling(300), **more) for more in ({}, {"patient": names}))
        assert named.equals(plain)
    assert calibration_curve(label, score[0], patient=names).equals(calibration_curve(label, score[0]))
    predicted = (score[0] > 0.5).astype(int)
    assert class_table(label, predicted, ["0", "1"], names).equals(class_table(label, predicted, ["0", "1"]))


def test_the_brier_score_is_resampled_by_patients():
    label, scores = copies(np.arange(40) % 2), copies(np.random.default_rng(2).random((1, 40)))
    value, low, high = brier_interval(label, scores, Resampling(1000), copies(np.arange(40)))
    once = brier_interval(label[::4], scores[:, ::4], Resampling(1000))
    assert (value, low, high) == pytest.approx(once)


def test_wilsons_interval_counts_patients():
    hits, patient = copies([True, False, True, True, False]), copies(np.arange(5))
    assert wilson_of_cases(hits, patient) == pytest.approx(wilson(3, 5))
    assert wilson_of_cases(hits) == wilson(12, 20)


def test_a_model_that_is_always_right_is_as_sure_as_there_are_patients():
    label = copies(np.arange(10) % 2)
    table = headline_intervals(
        label, label[None].astype(float), Resampling(200), patient=copies(np.arange(10)), metrics=["accuracy"]
    )
    assert tuple(table.loc[0, ["low", "high"]]) == pytest.approx(wilson(10, 10))


def test_the_jackknife_leaves_out_a_patient_and_none_that_is_alone():
    method = Predicted((LABEL[None] + [[0, 0, 1, 0, 1, 0, 0, 0, 0, 1]]) % 2, LABEL[None].astype(float))
    (found,) = resample([method], LABEL, ["accuracy"], Resampling(10), PATIENT)
    right = (method.predicted[0] == LABEL).astype(float)
    expected = [right[name != PATIENT].mean() for name in "abcdefgh"]
    assert found.jackknife[:, 0] == pytest.approx(expected)
