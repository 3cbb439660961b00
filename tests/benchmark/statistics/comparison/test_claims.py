"""What a comparison may claim: no difference under the null, no equality that the folds do not show, ranks and ties."""

from itertools import combinations
from string import ascii_lowercase

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark.statistics.comparison.claims import claim_all, rank_intervals, tied_groups


def tables(differences, folds=5, cases=200, repeats=1, seed=0):
    """Fold and prediction tables in which each method is right with its own probability, independent of the others."""
    rng = np.random.default_rng(seed)
    rows = []
    for repeat in range(repeats):
        fold = rng.permutation(np.arange(cases) % folds)
        label = np.arange(cases) % 2
        for run, right in differences.items():
            hit = rng.random(cases) < right
            predicted = np.where(hit, label, 1 - label)
            rows.append(
                pd.DataFrame(
                    {
                        "run": run,
                        "repeat": repeat,
                        "fold": fold,
                        "case_id": [f"c{case:03}" for case in range(cases)],
                        "label": label,
                        "score": predicted.astype(float),
                        "predicted": predicted,
                    }
                )
            )
    predictions = pd.concat(rows, ignore_index=True)
    right = predictions.assign(accuracy=(predictions["label"] == predictions["predicted"]).astype(float))
    scores = right.groupby(["run", "repeat", "fold"], sort=False).agg(
        accuracy=("accuracy", "mean"), n_test=("label", "size")
    )
    scores = scores.reset_index().assign(n_train=lambda table: cases - table["n_test"])
    return scores, predictions


def found(claims):
    return dict(zip(claims["run"], claims["finding"], strict=True))


def test_a_large_difference_is_found_and_has_its_sign():
    folds, predictions = tables({"good": 0.95, "bad": 0.55, "middle": 0.75}, repeats=5)
    claims = claim_all(folds, predictions, [("good", "middle"), ("bad", "middle")], "accuracy")
    assert found(claims) == {"good": "better", "bad": "worse"}
    assert (claims["low"] < claims["difference"]).all()
    assert claims["p_holm"].max() < 0.05


def test_the_same_decisions_are_not_called_equal_without_an_interval():
    folds, predictions = tables({"one": 0.8})
    twin = [table.assign(run="other") for table in (folds, predictions)]
    claims = claim_all(
        pd.concat([folds, twin[0]]), pd.concat([predictions, twin[1]]), [("other", "one")], "accuracy"
    )
    assert claims["finding"].tolist() == ["undecided"]
    assert claims["difference"].tolist() == [0.0]


def test_equality_is_claimed_only_where_the_interval_lies_within_the_rope():
    folds, predictions = tables({"a": 0.8, "b": 0.8}, folds=10, cases=4000, repeats=5)
    pair = [("a", "b")]
    assert found(claim_all(folds, predictions, pair, "accuracy", rope=0.05)) == {"a": "equal"}
    assert found(claim_all(folds, predictions, pair, "accuracy", rope=0.0001)) == {"a": "undecided"}


def test_the_detectable_difference_is_found_in_eight_of_ten_studies():
    """Against the power of the t-test by the noncentral t, for independent folds of known spread."""
    rng = np.random.default_rng(1)
    powers = []
    for _ in range(60):
        differences = rng.normal(0.0, 0.05, 10)
        spread = differences.std(ddof=1) * np.sqrt(1 / 10 + 1 / 9)
        folds = pd.DataFrame(
            {
                "run": ["a"] * 10 + ["b"] * 10,
                "repeat": 0,
                "fold": [*range(10)] * 2,
                "n_train": 90,
                "n_test": 10,
                "accuracy": [*(0.5 + differences), *([0.5] * 10)],
            }
        )
        _, predictions = tables({"a": 0.5, "b": 0.5}, folds=10, cases=100)
        detectable = claim_all(folds, predictions, [("a", "b")], "accuracy")["detectable"].iloc[0]
        critical = stats.t.ppf(0.975, 9)
        powers.append(stats.nct.sf(critical, 9, detectable / spread))
    assert np.mean(powers) == pytest.approx(0.8, abs=0.02)


def test_under_the_null_few_differences_and_no_equality_are_claimed():
    claimed = []
    for seed in range(100):
        folds, predictions = tables({"a": 0.75, "b": 0.75, "c": 0.75}, cases=120, seed=seed)
        claims = claim_all(folds, predictions, [("b", "a"), ("c", "a")], "accuracy")
        claimed.append(set(claims["finding"]))
        assert "equal" not in claimed[-1]
    assert sum(bool(findings & {"better", "worse"}) for findings in claimed) <= 7  # of 100


def test_methods_that_were_not_told_apart_share_a_letter():
    values = pd.Series({"a": 0.9, "b": 0.85, "c": 0.7, "d": 0.69})
    apart = {frozenset(pair) for pair in (("a", "c"), ("a", "d"), ("b", "d"))}
    assert tied_groups(values, apart) == {"a": "a", "b": "ab", "c": "bc", "d": "c"}
    assert set(tied_groups(values, set()).values()) == {"a"}


@given(
    st.permutations(list(ascii_lowercase[:7])),
    st.sets(st.sets(st.sampled_from("abcdefg"), min_size=2, max_size=2).map(frozenset)),
)
def test_two_methods_share_a_letter_if_and_only_if_they_were_not_told_apart(names, apart):
    letters = tied_groups(pd.Series(np.linspace(1, 0, len(names)), names), apart)
    assert all(letters.values())
    for one, other in combinations(names, 2):
        assert bool(set(letters[one]) & set(letters[other])) == (frozenset((one, other)) not in apart)
    assert "a" in letters[names[0]]
    used = "".join(sorted(set("".join(letters.values()))))
    assert used == ascii_lowercase[: len(used)]


def test_the_best_method_shares_a_letter_with_the_worst_where_only_one_between_was_told_apart():
    values = pd.Series({"wavering": 0.78, "steady": 0.72, "worst": 0.49})
    letters = tied_groups(values, {frozenset(("steady", "worst"))})
    assert letters == {"wavering": "ab", "steady": "a", "worst": "b"}


def test_rank_intervals_are_certain_for_what_is_certain_and_wide_for_what_is_not():
    rng = np.random.default_rng(0)
    replicates = pd.DataFrame(
        {"best": 0.95 + 0.001 * rng.random(500), "one": rng.random(500) / 2, "two": rng.random(500) / 2}
    )
    ranks = rank_intervals(replicates)
    assert ranks.loc["best"].tolist() == [1, 1]
    assert ranks.loc["one"].tolist() == ranks.loc["two"].tolist() == [2, 3]
