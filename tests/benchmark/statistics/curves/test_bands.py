"""The bands are percentiles of scikit-learn's curves of the resampled cases."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, roc_curve

from benchmark.statistics.curves.bands import curve_bands
from benchmark.statistics.intervals.bootstrap import Resampling, resampled_counts

RANDOM = np.random.default_rng(3)
LABEL = np.repeat([0, 1], [40, 30])
SCORE = np.round(RANDOM.normal(0.8 * LABEL, 1), 1)  # with ties
PLACES = np.array([0.1, 0.25, 0.5, 0.9])
FEW = Resampling(200)


def test_they_are_percentiles_of_scikit_learns_curves():
    roc, precision = [], []
    for block in resampled_counts(LABEL, FEW):
        for counts in block:
            drawn = np.repeat(np.arange(len(LABEL)), counts.astype(int))
            false, true, _ = roc_curve(LABEL[drawn], SCORE[drawn], drop_intermediate=False)
            roc.append(np.interp(PLACES, false, true))
            precise, recalled, _ = precision_recall_curve(LABEL[drawn], SCORE[drawn])
            up = recalled[::-1] >= PLACES[:, None] - 1e-9
            precision.append(precise[::-1][up.argmax(axis=1)])
    table = curve_bands(LABEL, SCORE, PLACES, FEW)
    for name, expected in (("roc", roc), ("precision_recall", precision)):
        rows = table[table["curve"] == name]
        assert rows["place"].tolist() == PLACES.tolist()
        low, high = np.quantile(expected, [0.025, 0.975], axis=0)
        assert rows["low"].to_numpy() == pytest.approx(low)
        assert rows["high"].to_numpy() == pytest.approx(high)


def test_several_scans_of_a_patient_make_a_band_no_narrower():
    whole = curve_bands(LABEL, SCORE, PLACES, FEW)
    again = curve_bands(LABEL.repeat(3), SCORE.repeat(3), PLACES, FEW, np.arange(len(LABEL)).repeat(3))
    assert again["low"].to_numpy() == pytest.approx(whole["low"].to_numpy())
    assert again["high"].to_numpy() == pytest.approx(whole["high"].to_numpy())


def test_a_perfect_score_has_a_band_without_width_at_the_top():
    table = curve_bands(LABEL, LABEL.astype(float), PLACES, FEW)
    assert (table[["low", "high"]] == 1).all(axis=None)
