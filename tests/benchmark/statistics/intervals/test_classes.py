import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from benchmark.statistics.intervals.classes import class_metrics, class_table, confusion_table
from benchmark.statistics.intervals.proportions import wilson

BANDS = ("0", "1–10", "11–100", "101–400", ">400")


@pytest.fixture
def graded():
    random = np.random.default_rng(0)
    label = random.choice(5, size=120, p=[0.5, 0.1, 0.2, 0.1, 0.1])
    return label, np.clip(label + random.integers(-1, 2, 120), 0, 4)


def test_class_metrics_are_scikit_learns(graded):
    found = class_metrics(*graded)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(*graded))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(*graded, average="macro"))
    assert found["quadratic_kappa"] == pytest.approx(sk.cohen_kappa_score(*graded, weights="quadratic"))


def test_a_band_without_cases_still_keeps_its_neighbours_apart():
    label, predicted = np.array([0, 0, 4, 4, 1]), np.array([0, 1, 4, 1, 1])
    expected = sk.cohen_kappa_score(label, predicted, weights="quadratic", labels=range(5))
    assert class_metrics(label, predicted)["quadratic_kappa"] == pytest.approx(expected)
    assert expected != pytest.approx(sk.cohen_kappa_score(label, predicted, weights="quadratic"))


def test_kappa_punishes_a_far_band_more_than_a_near_one():
    label = np.arange(50) % 5
    near, far = label.copy(), label.copy()
    near[label == 0], far[label == 0] = 1, 4
    assert class_metrics(label, near)["quadratic_kappa"] > class_metrics(label, far)["quadratic_kappa"]
    assert class_metrics(label, near)["accuracy"] == class_metrics(label, far)["accuracy"]


def test_each_class_has_its_sensitivity_with_wilsons_interval(graded):
    table = class_table(*graded, BANDS)
    recall = sk.recall_score(*graded, average=None)
    assert table["sensitivity"].astype(float).to_numpy() == pytest.approx(recall)
    row = table.iloc[2]
    assert (row["low"], row["high"]) == pytest.approx(wilson(row["sensitivity"] * row["cases"], row["cases"]))


def test_a_class_without_cases_has_no_sensitivity_and_a_note():
    table = class_table([0, 1, 1], [0, 1, 2], BANDS[:3])
    assert table.loc[2, "sensitivity"] is pd.NA
    assert (table.loc[2, "note"], table.loc[2, "predicted"]) == ("no case of this class", 1)


def test_the_confusion_table_has_truth_in_rows():
    table = confusion_table([0, 1, 1], [1, 1, 0], BANDS[:3])
    assert table.loc["0", "1–10"] == 1
    assert table.loc["1–10"].tolist() == [1, 1, 0]
    assert table.shape == (3, 3)


def test_bad_codes_are_refused():
    with pytest.raises(ValueError, match="one class"):
        class_metrics([1, 1], [0, 1])
    with pytest.raises(ValueError, match="codes 0, 1, 2"):
        class_metrics([0.5, 1], [0, 1])
    with pytest.raises(ValueError, match="class code 3 has no name"):
        confusion_table([0, 3], [0, 1], BANDS[:3])
