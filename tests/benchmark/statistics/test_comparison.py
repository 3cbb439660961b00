import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from benchmark.statistics.comparison import compare_with_reference, holm


@pytest.fixture
def folds():
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "run": run,
            "repeat": 0,
            "fold": fold,
            "n_train": 80,
            "n_test": 20,
            "accuracy": random.uniform(),
            "f1": 0.5,
        }
        for run in ("a", "b", "c", "d")
        for fold in range(5)
    )


def test_every_run_is_compared_with_the_reference_on_every_metric(folds):
    table = compare_with_reference(folds, "a", ["accuracy", "f1"])
    assert list(zip(table["metric"], table["run"], strict=True)) == [
        (metric, run) for metric in ("accuracy", "f1") for run in ("b", "c", "d")
    ]
    assert np.allclose(table["difference"], table["mean"] - table["reference_mean"])


def test_holm_adjusts_within_a_metric(folds):
    table = compare_with_reference(folds, "a", ["accuracy", "f1"])
    rows = table[table["metric"] == "accuracy"]
    assert np.allclose(rows["p_nadeau_bengio_holm"], multipletests(rows["p_nadeau_bengio"], method="holm")[1])
    assert (table.loc[table["metric"] == "f1", "p_nadeau_bengio_holm"] == 1).all()


def test_the_order_of_rows_does_not_matter(folds):
    shuffled = folds.sample(frac=1, random_state=1).sort_values("run", kind="stable")
    pd.testing.assert_frame_equal(
        compare_with_reference(folds, "a", ["accuracy"]), compare_with_reference(shuffled, "a", ["accuracy"])
    )


def test_runs_scored_on_other_folds_are_refused(folds):
    with pytest.raises(ValueError, match="not scored on the same folds"):
        compare_with_reference(folds.iloc[:-1], "a", ["accuracy"])


def test_an_undefined_p_value_stays_undefined_and_does_not_count():
    adjusted = holm(pd.Series([0.01, None, 0.04]))
    assert adjusted.isna().tolist() == [False, True, False]
    assert adjusted.dropna().tolist() == pytest.approx([0.02, 0.04])


def test_a_single_run_has_nothing_to_be_compared_with(folds):
    assert compare_with_reference(folds[folds["run"] == "a"], "a", ["accuracy"]).empty
