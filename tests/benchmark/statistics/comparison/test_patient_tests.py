"""McNemar's and DeLong's tests on patients with several scans, against enumeration, published data, resampling."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from benchmark.statistics.comparison.case_tests import auc_components, delong, mcnemar
from benchmark.statistics.comparison.pairwise import TESTS, compare_all
from benchmark.statistics.comparison.patient_tests import clustered_auc_variance, mcnemar_of_patients
from benchmark.statistics.intervals.bootstrap import Predicted, Resampling, resample

# Enlarged parathyroid glands found by PET and by SPECT, gland by gland in 21 patients: Obuchowski, Stat Med
# 1998;17:1495, as the R package clust.bin.pair 0.1.2 carries it (`thyroids`).
PET, SPECT = (
    found.split()
    for found in (
        "000 110 111 1 110 1111 111 11 11 1 110 11 111 11 00 110 110 110 11 1 11",
        "011 111 111 1 111 1111 111 11 10 1 110 11 111 11 11 110 110 111 11 1 11",
    )
)


def glands():
    patient = np.repeat(np.arange(len(PET)), [len(found) for found in PET])
    return *(np.array([found == "1" for found in "".join(by)]) for by in (PET, SPECT)), patient


def several_scans(seed, patients=60):
    """Labels, two methods' scores, and codes: 1 to 4 scans a patient that share label (mostly) and noise."""
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), random.integers(1, 5, patients))
    sick = (np.arange(patients) % 2)[patient]
    label = np.where(random.random(len(patient)) < 0.1, 1 - sick, sick)
    own = random.normal(size=(2, patients))[:, patient]
    score = label + own + 0.5 * random.normal(size=(2, len(patient)))
    return label, np.round(score, 1), patient


def test_the_published_glands_give_obuchowskis_statistic_and_its_exact_p():
    pet, spect, patient = glands()
    lead = np.bincount(patient, pet.astype(float) - spect)
    assert (np.sum(lead), np.sum(lead**2), len(lead)) == (-6, 12, 21)
    signs = np.array(list(product([-1, 1], repeat=int((lead != 0).sum()))))
    every = np.abs(signs @ np.abs(lead[lead != 0]))
    found = mcnemar(pet, spect, patient)
    assert found.p == pytest.approx((every >= 6).mean(), abs=1e-15)
    assert found.p > stats.chi2.sf(4.5, 1), "McNemar's, glands taken as independent, finds more than there is"
    assert found.difference == pytest.approx(-6 / len(pet))
    assert found.low < found.difference < found.high
    assert "51 scans of 21 patients" in found.note


def test_many_patients_give_obuchowskis_normal_p():
    random = np.random.default_rng(0)
    patient = np.repeat(np.arange(900), random.integers(1, 4, 900))
    a, b = random.random((2, len(patient))) < [[0.80], [0.78]]
    lead = np.bincount(patient, a.astype(float) - b)
    z = lead.sum() / np.sqrt((lead**2).sum() * 900 / 899)
    assert mcnemar(a, b, patient).p == pytest.approx(2 * stats.norm.sf(abs(z)), rel=0.1)


def test_one_scan_a_patient_gives_mcnemars_numbers(random_cases):
    for label, first, second in random_cases(60):
        a, b = (first > 0.5) == label, (second > 0.5) == label
        expected, found = mcnemar(a, b), mcnemar_of_patients(a, b, np.arange(len(a)))
        for name in ("statistic", "p", "difference", "low", "high"):
            assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-12), name
        assert (found.effect is None) == (expected.effect is None)


def test_scans_that_repeat_each_other_tell_no_more_than_one_of_each():
    label, (first, second), _ = several_scans(1)
    a, b = (first > 0.5) == label, (second > 0.5) == label
    once, twice = mcnemar(a, b), mcnemar(a.repeat(3), b.repeat(3), np.arange(len(a)).repeat(3))
    assert (twice.p, twice.low, twice.high) == pytest.approx((once.p, once.low, once.high))
    aucs = delong(label, first[None], second[None])
    copies = delong(
        label.repeat(3), *(s.repeat(3)[None] for s in (first, second)), np.arange(len(label)).repeat(3)
    )
    assert (copies.statistic, copies.low) == pytest.approx((aucs.statistic, aucs.low))
    naive = delong(label.repeat(3), *(s.repeat(3)[None] for s in (first, second)))
    assert abs(naive.statistic) > 1.6 * abs(copies.statistic)


@pytest.mark.parametrize("seed", range(5))
def test_the_variance_of_an_auc_is_obuchowskis_pair_by_pair(seed):
    label, (score, _), patient = several_scans(seed)
    sick, well = np.flatnonzero(label == 1), np.flatnonzero(label == 0)
    higher = np.array([[(score[i] > score[j]) + (score[i] == score[j]) / 2 for j in well] for i in sick])
    auc, m, n = higher.mean(), len(sick), len(well)
    total, both, all_of = [0.0, 0.0, 0.0], [set(patient[sick]), set(patient[well])], set(patient)
    for k in all_of:
        up = sum(higher[i].mean() - auc for i in range(m) if patient[sick[i]] == k)
        down = sum(higher[:, j].mean() - auc for j in range(n) if patient[well[j]] == k)
        total = [total[0] + up**2, total[1] + down**2, total[2] + up * down]
    i10, i01, i11 = len(both[0]), len(both[1]), len(all_of)
    expected = i10 / (i10 - 1) * total[0] / m**2 + i01 / (i01 - 1) * total[1] / n**2
    expected += 2 * i11 / (i11 - 1) * total[2] / (m * n)
    found = clustered_auc_variance(label, auc_components(label, score[None])[0], patient)
    assert found == pytest.approx(expected, rel=1e-10)


def test_the_variance_is_the_one_that_resampling_patients_shows():
    label, (score, _), patient = several_scans(3, patients=300)
    method = Predicted((score > 0.5)[None].astype(np.intp), score[None])
    drawn = resample([method], label, ["roc_auc"], Resampling(2000), patient)[0].replicates[:, 0]
    found = clustered_auc_variance(label, auc_components(label, score[None])[0], patient)
    assert np.sqrt(found) == pytest.approx(drawn.std(), rel=0.1)


def test_one_scan_a_patient_leaves_every_test_as_it_is_to_the_last_bit(study):
    folds, predictions = study(repeats=2, folds=2)
    metrics = ["accuracy", "sensitivity", "f1", "roc_auc"]
    named = predictions.assign(patient=predictions["case_id"].str[::-1])
    without, with_patients = (compare_all(folds, t, [("b", "a")], metrics) for t in (predictions, named))
    assert set(without["test"]) == set(TESTS)
    assert with_patients.equals(without)


def test_too_few_patients_of_a_label_are_refused_with_a_sentence():
    label, scores = np.array([1, 1, 0, 0]), np.array([[0.1, 0.4, 0.3, 0.2]])
    with pytest.raises(ValueError, match="at least two patients with a scan of each label"):
        delong(label, scores, scores[:, ::-1], [7, 7, 1, 2])


def test_equal_methods_are_found_to_differ_no_more_often_than_the_level_says():
    wrong = np.zeros(2)
    for seed in range(400):
        label, scores, patient = several_scans(1000 + seed)
        right = [(score > 0.5) == label for score in scores]
        wrong += [mcnemar(*right, patient).p < 0.05, delong(label, scores[:1], scores[1:], patient).p < 0.05]
    assert (wrong / 400 < 0.085).all(), wrong / 400
    naive = np.mean(
        [
            delong(label, scores[:1], scores[1:]).p < 0.05
            for label, scores, _ in (several_scans(1000 + seed) for seed in range(400))
        ]
    )
    assert naive > 0.12, "which taking scans for patients does not keep"
