import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from benchmark.statistics.stability.reliability import feature_reliability, icc_agreement, icc_consistency

SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)


def test_the_published_example_gives_the_published_coefficients_and_intervals():
    # Shrout and Fleiss 1979, tables 2 to 4; the intervals as the R package psych prints them.
    agreement, consistency = icc_agreement(SHROUT_FLEISS), icc_consistency(SHROUT_FLEISS)
    assert agreement.value == pytest.approx(0.29, abs=0.005)
    assert consistency.value == pytest.approx(0.71, abs=0.006)
    assert (agreement.low, agreement.high) == pytest.approx((0.019, 0.761), abs=0.001)
    assert (consistency.low, consistency.high) == pytest.approx((0.342, 0.946), abs=0.001)


def test_the_coefficients_follow_from_statsmodels_analysis_of_variance():
    for seed in range(25):
        random = np.random.default_rng(seed)
        n, k = int(random.integers(3, 9)), int(random.integers(2, 5))
        values = random.normal(size=(n, 1)) + 0.5 * random.normal(size=(1, k)) + random.normal(size=(n, k))
        long = pd.DataFrame(
            {"value": values.ravel(), "patient": np.repeat(range(n), k), "scanner": np.tile(range(k), n)}
        )
        squares = anova_lm(ols("value ~ C(patient) + C(scanner)", long).fit())
        between, within, error = squares["sum_sq"] / squares["df"]
        assert icc_consistency(values).value == pytest.approx((between - error) / (between + (k - 1) * error))
        expected = (between - error) / (between + (k - 1) * error + k * (within - error) / n)
        assert icc_agreement(values).value == pytest.approx(expected)


def test_intervals_cover_the_true_coefficients_as_often_as_they_say():
    # Patients, scanners and noise of variance 2, 0.2 and 1: ICC(2,1) = 2/3.2, ICC(3,1) = 2/3.
    random = np.random.default_rng(0)
    covered = np.zeros(2)
    for _ in range(400):
        values = (
            np.sqrt(2) * random.normal(size=(30, 1))
            + np.sqrt(0.2) * random.normal(size=(1, 6))
            + random.normal(size=(30, 6))
        )
        for place, (icc, truth) in enumerate(
            [(icc_agreement(values), 2 / 3.2), (icc_consistency(values), 2 / 3)]
        ):
            assert icc.low <= icc.value <= icc.high
            covered[place] += icc.low <= truth <= icc.high
    assert (covered >= 365).all(), "below 365 of 400 has probability 0.001 at a true coverage of 0.95"


def test_a_shift_of_one_scanner_lowers_agreement_and_not_consistency():
    random = np.random.default_rng(1)
    values = random.normal(size=(20, 1)) + 0.1 * random.normal(size=(20, 3))
    shifted = values + np.array([0, 0, 5.0])
    assert icc_agreement(shifted).value < 0.3 < 0.9 < icc_agreement(values).value
    assert icc_consistency(shifted).value == pytest.approx(icc_consistency(values).value)


def test_the_unit_of_a_feature_does_not_matter():
    for scale in (1e-9, 1e9):
        assert icc_agreement(SHROUT_FLEISS * scale).value == pytest.approx(icc_agreement(SHROUT_FLEISS).value)


def test_features_without_variance_get_a_stated_answer():
    assert "the same in every patient" in icc_agreement(np.ones((5, 3))).note
    same = icc_agreement(np.arange(5.0)[:, None] * np.ones((1, 3)))
    assert (same.value, same.low, same.note) == (1.0, 1.0, "every scanner gives the same values")


def test_every_feature_has_a_row_whatever_the_order_of_patients():
    random = np.random.default_rng(0)
    first = pd.DataFrame(random.normal(size=(8, 2)), index=list("abcdefgh"), columns=["volume", "entropy"])
    second = (first + 0.1 * random.normal(size=(8, 2))).assign(constant=1.0)
    table = feature_reliability(
        {"sharp": first.assign(constant=1.0), "soft": second.sample(frac=1, random_state=0)}
    )
    rows = table.set_index("feature")
    pair = np.stack([first["volume"], second["volume"]], axis=1)
    assert rows.loc["volume", "icc_2_1"] == pytest.approx(icc_agreement(pair).value)
    assert rows.loc["constant", "icc_2_1"] is pd.NA
    assert rows.loc["constant", "note"]


def test_other_patients_missing_values_and_single_scans_are_refused():
    table = pd.DataFrame({"volume": [1.0, 2.0]}, index=["a", "b"])
    with pytest.raises(ValueError, match="soft and sharp have other patients or features"):
        feature_reliability({"sharp": table, "soft": table.rename(index={"b": "c"})})
    with pytest.raises(ValueError, match="a value is missing"):
        icc_agreement([[1.0, 2.0], [np.nan, 1.0]])
    with pytest.raises(ValueError, match="at least two scanners"):
        icc_agreement([[1.0], [2.0]])
