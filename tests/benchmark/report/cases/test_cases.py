"""Accuracy by band, hard cases and the square of pairs are counted from predictions and read as they are meant."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from benchmark.evaluation.target import Nonzero
from benchmark.report.cases.bands import band_table
from benchmark.report.cases.hard import hard_cases
from benchmark.report.readable.tables import bands_side_by_side, with_p
from benchmark.report.verdict.methods import Methods
from benchmark.report.verdict.pairs import pairs_side_by_side

SCORES = [0.0, 0.0, 0.4, 10.0, 10.4, 400.0, 401.0, 4000.0]
LABEL = [0, 0, 1, 1, 1, 1, 1, 1]
CALLED = {"a": [0, 1, 0, 1, 1, 1, 1, 1], "b": [0, 1, 0, 0, 1, 1, 1, 0], "rule": [0, 0, 0, 0, 0, 0, 0, 0]}


@pytest.fixture
def methods():
    names = [f"c{place}" for place in range(8)]
    parts = [
        pd.DataFrame(
            {"run": run, "repeat": 0, "fold": 0, "case_id": names, "label": LABEL, "predicted": called}
        )
        for run, called in CALLED.items()
    ]
    again = parts[0].assign(repeat=1, predicted=0)  # of repeats the first counts
    return Methods(
        ["a", "b"], ["rule"], "rule", pd.DataFrame(), pd.concat([*parts, again], ignore_index=True)
    )


@pytest.fixture
def result(methods):
    names = [f"c{place}" for place in range(8)]
    cases = pd.DataFrame(
        {"cac_score": SCORES, "group": "x", "patient": names}, index=pd.Index(names, name="case_id")
    )
    return SimpleNamespace(features=SimpleNamespace(cases=cases), study=SimpleNamespace(target=Nonzero()))


def test_a_score_on_a_limit_is_in_the_lower_band_and_accuracy_has_wilsons_interval(result, methods):
    table = band_table(result, methods).set_index(["method", "band"])
    assert table.loc["a", "cases"].to_dict() == {"0": 2, "1-10": 2, "11-100": 1, "101-400": 1, ">400": 2}
    assert table.loc[("a", "1-10"), "accuracy"] == 0.5
    assert table.loc[("b", ">400"), "accuracy"] == 0.5
    assert table.loc[("rule", "0"), "accuracy"] == 1.0
    ends = proportion_confint(1, 2, method="wilson")
    assert table.loc[("a", "1-10"), ["low", "high"]].tolist() == pytest.approx(ends)


def test_bands_stand_side_by_side_in_their_order_with_their_cases(result, methods):
    wide = bands_side_by_side(band_table(result, methods))
    assert list(wide) == [
        "method",
        "0 (n = 2)",
        "1-10 (n = 2)",
        "11-100 (n = 1)",
        "101-400 (n = 1)",
        ">400 (n = 2)",
    ]
    assert wide["method"].tolist() == ["a", "b", "rule"]
    assert wide.loc[0, "1-10 (n = 2)"] == "0.50 [0.09, 0.91]"


def test_without_a_score_of_every_case_there_are_no_bands(result, methods):
    result.features.cases.loc["c3", "cac_score"] = np.nan
    assert band_table(result, methods).empty
    assert bands_side_by_side(band_table(result, methods)).empty


def test_a_case_is_hard_that_half_of_the_methods_miss_and_rules_do_not_count(result, methods):
    table = hard_cases(result, methods).set_index("case_id")
    assert table["wrong"].to_dict() == {"c1": 2, "c2": 2, "c3": 1, "c7": 1}
    assert table.loc["c7", ["truth", "methods", "cac_score", "a", "b"]].tolist() == [
        "nonzero",
        2,
        4000.0,
        "nonzero",
        "zero",
    ]
    assert "rule" not in table


def test_what_no_case_tells_is_no_column(result, methods):
    result.features.cases[["cac_score", "group"]] = [np.nan, ""]
    assert not {"cac_score", "group"} & set(hard_cases(result, methods))


def test_p_stands_beside_the_accuracy_and_the_reference_is_marked():
    runs = pd.DataFrame({"run": ["a", "b", "c"], "accuracy": "0.5", "f1": "0.5"})
    compared = pd.DataFrame(
        {
            "run": ["b", "b", "b", "c"],
            "reference": ["a", "a", "a", "b"],
            "metric": ["accuracy", "accuracy", "f1", "accuracy"],
            "test": ["paired_t", "nadeau_bengio", "nadeau_bengio", "nadeau_bengio"],
            "p_holm": [0.01, 0.0456, 0.2, 0.3],
        }
    )
    table = with_p(runs, compared, "a")
    assert list(table) == ["run", "accuracy", "p", "f1"]
    assert table["p"].tolist() == ["reference", "0.046", ""]


def test_the_square_of_pairs_says_either_way_what_was_claimed():
    claims = pd.DataFrame(
        {
            "run": ["a", "a", "a"],
            "reference": ["b", "c", "b"],
            "difference": [0.1, -0.02, 0.5],
            "p_holm": [0.04, np.nan, 0.001],
            "family": ["all pairs", "all pairs", "reference"],
        }
    )
    square = pairs_side_by_side(claims, ["a", "b", "c"]).set_index("method")
    assert square.loc["a"].tolist() == ["", "+10 (0.040)", "-2"]
    assert square["a"].tolist() == ["", "-10 (0.040)", "+2"]
    assert square.loc["b", "c"] == ""
    assert pairs_side_by_side(claims[2:], ["a"]).empty
