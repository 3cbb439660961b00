import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmark.statistics.comparison.case_tests import delong
from benchmark.statistics.comparison.pairwise import COLUMNS, TESTS, compare_all
from benchmark.statistics.intervals.bootstrap import Resampling

METRICS = ("accuracy", "f1", "roc_auc")
PAIRS = [("b", "a"), ("c", "a"), ("c", "b")]


def assert_stated(table):
    """No number is infinite, and a missing p has a note."""
    numbers = table.select_dtypes("Float64")
    assert not np.isinf(numbers.astype(float)).any(axis=None)
    assert (table.loc[table["p"].isna(), "note"] != "").all()
    assert table.loc[table["p"].notna(), "p"].between(0, 1).all()


def test_every_pair_metric_and_test_has_one_row(study):
    table = compare_all(*study("abc"), PAIRS, METRICS, resampling=Resampling(200))
    assert tuple(table.columns) == COLUMNS
    expected = {
        (metric, *pair, test)
        for metric in METRICS
        for pair in PAIRS
        for test in TESTS
        if TESTS[test].applies(metric)
    }
    assert set(table[["metric", "run", "reference", "test"]].itertuples(index=False, name=None)) == expected
    assert len(table) == len(expected)
    assert_stated(table)


def test_the_corrected_t_test_is_its_closed_form_on_the_folds(study):
    folds, predictions = study("abc", repeats=2)
    table = compare_all(
        folds, predictions, [("b", "a"), ("c", "a")], METRICS, resampling=Resampling(50), family="metric"
    )
    for row in table[table["test"] == "nadeau_bengio"].itertuples():
        scores = folds.pivot_table(index=["repeat", "fold"], columns="run", values=row.metric)
        difference = scores[row.run] - scores["a"]
        ratio = (folds["n_test"] / folds["n_train"]).mean()
        t = difference.mean() / np.sqrt(difference.var(ddof=1) * (1 / len(difference) + ratio))
        assert row.difference == pytest.approx(difference.mean())
        assert row.p == pytest.approx(2 * stats.t.sf(abs(t), len(difference) - 1))


@pytest.mark.slow
def test_the_family_is_every_pair_and_metric_of_one_test(study):
    table = compare_all(*study("abc"), PAIRS, METRICS, resampling=Resampling(200))
    for _, rows in table[table["p"].notna()].groupby("test"):
        assert np.allclose(
            rows["p_holm"].astype(float), multipletests(rows["p"].astype(float), method="holm")[1]
        )
        assert np.allclose(
            rows["p_bh"].astype(float), multipletests(rows["p"].astype(float), method="fdr_bh")[1]
        )


def test_swapping_a_pair_turns_the_difference_round_and_keeps_p(study):
    forth = compare_all(*study(), [("a", "b")], METRICS, resampling=Resampling(300))
    back = compare_all(*study(), [("b", "a")], METRICS, resampling=Resampling(300))
    assert np.allclose(forth["difference"].astype(float), -back["difference"].astype(float))
    assert np.allclose(forth["low"].dropna().astype(float), -back["high"].dropna().astype(float), atol=1e-9)
    assert np.allclose(forth["p"].dropna().astype(float), back["p"].dropna().astype(float), atol=1e-9)


def test_the_order_of_rows_does_not_matter(study):
    folds, predictions = study("abc", repeats=2)
    shuffled = [part.sample(frac=1, random_state=1) for part in (folds, predictions)]
    pd.testing.assert_frame_equal(
        compare_all(*shuffled, PAIRS, METRICS, resampling=Resampling(50)),
        compare_all(folds, predictions, PAIRS, METRICS, resampling=Resampling(50)),
    )


def test_a_run_equal_to_its_reference_has_p_one_in_every_test(study):
    folds, predictions = study("a")
    twins = [pd.concat([part, part.assign(run="twin")]) for part in (folds, predictions)]
    table = compare_all(*twins, [("twin", "a")], ("accuracy", "roc_auc"), resampling=Resampling(100))
    assert (table["p"].dropna() == 1).all()
    assert (table["difference"].dropna() == 0).all()
    assert_stated(table)


def test_five_by_two_folds_have_an_f_test_and_others_a_sentence(study):
    test = ["five_by_two_f"]
    halves = compare_all(*study(folds=2, repeats=5), [("b", "a")], METRICS, tests=test)
    assert halves["p"].notna().all()
    fifths = compare_all(*study(folds=5), [("b", "a")], METRICS, tests=test)
    assert fifths["p"].isna().all()
    assert fifths["note"].str.contains("needs 5 repeats of 2 folds").all()


def test_sensitivity_and_specificity_have_mcnemar_on_their_own_label(study):
    _, predictions = study()
    table = compare_all(*study(), [("b", "a")], ("sensitivity", "specificity"), tests=["mcnemar"])
    for metric, label in (("sensitivity", 1), ("specificity", 0)):
        mine = predictions[predictions["label"] == label]
        rates = mine.assign(right=mine["predicted"] == label).groupby("run")["right"].mean()
        row = table[table["metric"] == metric].iloc[0]
        assert row["difference"] == pytest.approx(rates["b"] - rates["a"])


def test_delong_reads_every_repeat_and_mcnemar_says_it_reads_the_first(study):
    folds, predictions = study(repeats=3)
    table = compare_all(
        folds, predictions, [("b", "a")], ("accuracy", "roc_auc"), resampling=Resampling(50)
    ).set_index("test")
    assert "first of 3 repeats" in table.loc["mcnemar", "note"]
    scores = {
        run: part.pivot(index="repeat", columns="case_id", values="score")
        for run, part in predictions.groupby("run")
    }
    label = predictions.drop_duplicates("case_id").sort_values("case_id")["label"].to_numpy()
    expected = delong(label, scores["b"].to_numpy(), scores["a"].to_numpy())
    assert table.loc["delong", "p"] == pytest.approx(expected.p)


def test_ordinal_bands_are_compared_by_their_own_metrics(study):
    random = np.random.default_rng(0)
    label = np.arange(100) % 5
    parts, folds = [], []
    for run, error in (("near", 0.3), ("far", 0.6)):
        predicted = np.where(
            random.uniform(size=100) < error, (label + random.integers(1, 5, 100)) % 5, label
        )
        parts.append(
            pd.DataFrame(
                {
                    "run": run,
                    "repeat": 0,
                    "fold": np.arange(100) // 20,
                    "case_id": np.arange(100),
                    "label": label,
                    "score": 0.0,
                    "predicted": predicted,
                }
            )
        )
        folds += [
            {"run": run, "repeat": 0, "fold": fold, "n_train": 80, "n_test": 20, "quadratic_kappa": kappa}
            for fold, kappa in enumerate(random.uniform(0.5 - error / 2, 0.9 - error / 2, 5))
        ]
    table = compare_all(
        pd.DataFrame(folds),
        pd.concat(parts),
        [("near", "far")],
        ["quadratic_kappa"],
        resampling=Resampling(500),
    )
    bca = table[table["test"] == "bootstrap_bca"].iloc[0]
    assert 0 < bca["low"] < bca["difference"] < bca["high"]
    assert bca["p"] < 0.05


def test_unequal_cases_are_refused_with_the_first_case_that_differs(study):
    folds, predictions = study()
    missing = predictions[~((predictions["run"] == "b") & (predictions["case_id"] == "case0007"))]
    with pytest.raises(
        ValueError, match="not predicted on the same cases: 1 differ, the first is case0007; compare"
    ):
        compare_all(folds, missing, [("b", "a")], METRICS)


def test_unequal_folds_of_a_case_are_refused(study):
    folds, predictions = study()
    predictions.loc[predictions["run"] == "b", "fold"] = (predictions["fold"] + 1) % 5
    with pytest.raises(ValueError, match="another fold for case case0000"):
        compare_all(folds, predictions, [("b", "a")], METRICS)


def test_a_label_that_changes_between_repeats_and_a_repeat_without_a_case_are_refused(study):
    folds, predictions = study(repeats=2)
    here = (predictions["case_id"] == "case0004") & (predictions["repeat"] == 1)
    with pytest.raises(ValueError, match="label changes from repeat to repeat"):
        compare_all(
            folds, predictions.assign(label=predictions["label"].where(~here, 1)), [("b", "a")], METRICS
        )
    with pytest.raises(ValueError, match="has not predicted every case in every repeat"):
        compare_all(folds, predictions[~here], [("b", "a")], METRICS)


def test_a_fold_without_positives_is_refused_for_the_metrics_that_need_them(study):
    folds, predictions = study()
    predictions["fold"] = np.where(
        predictions["label"] == 1, 1 + predictions["fold"] % 4, predictions["fold"]
    )
    with pytest.raises(
        ValueError, match="fold 0 of repeat 0 has cases of label 0 alone, which leaves f1, roc_auc"
    ):
        compare_all(folds, predictions, [("b", "a")], METRICS)
    assert len(compare_all(folds, predictions, [("b", "a")], ["accuracy"], resampling=Resampling(20)))


def test_a_metric_undefined_for_the_target_is_refused_with_those_that_are_not(study):
    folds, predictions = study()
    predictions["label"] = np.where(predictions["case_id"] == "case0003", 2, predictions["label"])
    with pytest.raises(
        ValueError, match="roc_auc is a metric of the labels 0 and 1, this target has 0, 1, 2: choose"
    ):
        compare_all(folds, predictions, [("b", "a")], ["roc_auc"])


def test_an_undefined_fold_score_is_refused_with_its_place(study):
    folds, predictions = study()
    folds.loc[(folds["run"] == "b") & (folds["fold"] == 3), "f1"] = np.nan
    with pytest.raises(ValueError, match="f1 of b is undefined in repeat 0, fold 3"):
        compare_all(folds, predictions, [("b", "a")], METRICS)


def test_a_family_with_one_member_says_that_nothing_is_adjusted(study):
    table = compare_all(*study(), [("b", "a")], ["accuracy"], resampling=Resampling(50))
    tested = table[table["p"].notna()]
    assert (tested["p"] == tested["p_holm"]).all()
    assert tested["note"].str.contains("the only comparison of its family: nothing to adjust for").all()


@pytest.mark.parametrize(
    ("pairs", "metrics", "tests", "sentence"),
    [
        ([], ["f1"], None, "nothing to compare: declare at least one pair"),
        ([("a", "a")], ["f1"], None, "a is paired with itself: a comparison needs two runs"),
        ([("a", "b"), ("a", "b")], ["f1"], None, "declared twice"),
        ([("a", "zz")], ["f1"], None, "zz is not in the prediction table, which has a, b"),
        ([("a", "b")], ["gini"], None, "gini is not a metric"),
        ([("a", "b")], ["f1"], ["chi"], "chi is not a test: choose from paired_t"),
        ([("a", "b")], ["f1"], ["delong"], "none of the tests delong is for f1"),
    ],
)
def test_a_declaration_that_cannot_be_compared_is_refused(study, pairs, metrics, tests, sentence):
    with pytest.raises(ValueError, match=sentence):
        compare_all(*study(), pairs, metrics, tests=tests)


def test_an_unknown_family_is_refused(study):
    with pytest.raises(ValueError, match="all is not a family of comparisons: choose study or metric"):
        compare_all(*study(), [("b", "a")], ["accuracy"], family="all")


def test_another_level_than_95_percent_is_refused(study):
    with pytest.raises(ValueError, match=r"has 95 % intervals: leave out the level 0\.9$"):
        compare_all(*study(), [("b", "a")], ["accuracy"], resampling=Resampling(level=0.9))


@pytest.mark.slow
def test_random_studies_with_ties_and_equal_folds_have_stated_answers_only(study):
    for seed in range(20):
        random = np.random.default_rng(seed)
        folds, predictions = study(
            cases=int(random.choice([20, 30, 60])),
            folds=int(random.choice([2, 5])),
            seed=seed,
            decimals=int(random.choice([0, 1, 3])),
            repeats=int(random.choice([1, 1, 1, 5])),
        )
        assert_stated(
            compare_all(folds, predictions, [("b", "a")], ["accuracy", "roc_auc"], resampling=Resampling(20))
        )


def test_where_one_learnt_from_fewer_cases_the_correction_is_that_of_the_fewer(study):
    """Nadeau and Bengio's variance grows with n_test/n_train: t shrinks by the square root of the factors' ratio."""
    folds, predictions = study()
    fewer = folds.assign(n_train=folds["n_train"].where(folds["run"] != "b", folds["n_train"] // 2))
    t = [
        compare_all(table, predictions, [("a", "b")], ["accuracy"], tests=["nadeau_bengio"])[
            "statistic"
        ].item()
        for table in (folds, fewer)
    ]
    factors = [
        1 / 5 + (table.loc[table["run"] == "b", "n_test"] / table.loc[table["run"] == "b", "n_train"]).mean()
        for table in (folds, fewer)
    ]
    assert t[1] == pytest.approx(t[0] * np.sqrt(factors[0] / factors[1]))
