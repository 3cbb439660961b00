import pytest

from benchmark.analyses.explanation.selection import selection_table, stability_table

NAMES = ("original_glcm_a", "original_glcm_b", "original_shape_c", "volume")


def test_frequencies_count_the_folds_and_leave_out_what_no_fold_kept():
    table = selection_table([["original_shape_c"], ["original_shape_c", "volume"]], NAMES)
    assert table.to_dict("records") == [
        {"feature": "original_shape_c", "family": "shape", "folds_kept": 2, "frequency": 1.0},
        {"feature": "volume", "family": "", "folds_kept": 1, "frequency": 0.5},
    ]


def test_stability_is_nogueiras_on_sets_of_equal_size():
    # equal sizes: Kuncheva's index, which Nogueira's equals then: mean of (overlap - k²/d) / (k - k²/d) over pairs
    kept = [NAMES[:2], NAMES[:2], (NAMES[0], NAMES[2])]
    row = stability_table(kept, NAMES).iloc[0]
    assert row["stability"] == pytest.approx(((2 - 1) + 2 * (1 - 1)) / 3 / (2 - 1))
    assert (row["folds"], row["features"], row["mean_kept"], row["note"]) == (3, 4, 2.0, "")
    assert row["low"] < row["stability"] <= row["high"]


def test_one_fold_and_selections_without_choice_get_a_sentence():
    assert stability_table([NAMES[:2]], NAMES).iloc[0]["note"] == "one fold: stability compares at least two"
    every = stability_table([NAMES, NAMES], NAMES).iloc[0]
    assert every["note"] == "every selection keeps every feature: nothing was selected between"
    assert selection_table([NAMES[:2]], NAMES)["frequency"].tolist() == [1.0, 1.0]
