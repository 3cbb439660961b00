"""Lesions by vessel and false calls by anatomy over patients: sums, shares, intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from benchmark.analyses.segmentation.by_structure import by_vessel, false_calls
from benchmark.statistics.intervals.bootstrap import Resampling

QUICK = Resampling(2000)


def lesions(found, vessel="LAD"):
    """`found`: per patient, whether each of the lesions was found."""
    rows = [("real", "rule", f"p{n}", vessel, value) for n, values in enumerate(found) for value in values]
    return pd.DataFrame(rows, columns=["cohort", "segmenter", "case_id", "vessel", "found"])


def calls(**voxels):
    """False voxels per patient, by structure; None where it was not drawn."""
    rows = [
        ("real", "rule", f"p{n}", structure, 10 if structure != "elsewhere" else None, count, 1, 2.0)
        for structure, counts in voxels.items()
        for n, count in enumerate(counts)
        if count is not None
    ]
    columns = [
        "cohort",
        "segmenter",
        "case_id",
        "structure",
        "calcium_voxels",
        "voxels",
        "lesions",
        "agatston",
    ]
    return pd.DataFrame(rows, columns=columns)


def test_recall_is_of_all_lesions_of_a_vessel_and_patients_are_resampled():
    found = [[1, 1, 0], [0], [1, 1, 1, 1], [0, 1], [1]] * 4
    (row,) = by_vessel(lesions(found), QUICK).to_dict("records")
    assert (row["scans"], row["lesions"], row["found"], row["missed"]) == (20, 44, 32, 12)
    assert row["recall"] == pytest.approx(32 / 44)
    random = np.random.default_rng(1)
    sums, sizes = np.array([sum(each) for each in found]), np.array([len(each) for each in found])
    drawn = random.integers(0, 20, (4000, 20))
    expected = np.quantile(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [0.025, 0.975])
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected), abs=0.02)


def test_where_all_were_found_the_interval_is_wilson_s_and_of_one_patient_there_is_none():
    (row,) = by_vessel(lesions([[1, 1], [1], [1]]), QUICK).to_dict("records")
    expected = binomtest(4, 4).proportion_ci(method="wilson")
    assert (row["low"], row["high"], row["method"]) == (pytest.approx(expected.low), 1.0, "wilson")
    (row,) = by_vessel(lesions([[1, 0, 1]]), QUICK).to_dict("records")
    assert row["method"] == "not estimable"
    assert np.isnan(row["low"])


def test_lesions_of_masks_without_names_are_left_aside():
    assert by_vessel(lesions([[1]], vessel=np.nan), QUICK).empty


def test_shares_are_of_all_false_voxels_and_a_structure_counts_where_it_was_drawn():
    table = false_calls(calls(aorta=[30, 10, None], elsewhere=[10, 40, 10]), QUICK).set_index("structure")
    assert list(table.index) == ["elsewhere", "aorta"], "the most first"
    aorta = table.loc["aorta"]
    assert (aorta["scans"], aorta["voxels"], aorta["lesions"], aorta["agatston"]) == (2, 40, 2, 4)
    assert aorta["calcium_voxels"] == 20
    assert pd.isna(table.loc["elsewhere", "calcium_voxels"])
    assert aorta["share"] == pytest.approx(0.4)
    assert table["share"].sum() == pytest.approx(1)
    assert aorta["low"] < 0.4 < aorta["high"]


def test_without_a_false_call_there_is_no_share():
    table = false_calls(calls(aorta=[0, 0], elsewhere=[0, 0]), QUICK)
    assert table["share"].isna().all()
    assert set(table["method"]) == {"not estimable"}
    assert false_calls(calls(), QUICK).empty
