"""The grids of the built-in classifiers: what is refused when they are declared, not after features are extracted."""

import pytest
from pydantic import ValidationError

from benchmark.plugins.registry import build

NAMES = ("random_forest", "xgboost", "lightgbm", "logistic_regression")


def refusal(name, grid):
    with pytest.raises(ValidationError) as caught:
        build("classifier", {"use": name, "grid": grid})
    (item,) = caught.value.errors()
    return ".".join(map(str, item["loc"])), item["msg"]


@pytest.mark.parametrize("name", NAMES)
def test_the_default_grid_is_one_that_may_be_declared(name):
    grid = build("classifier", name).grid
    assert build("classifier", {"use": name, "grid": grid}).grid == grid


@pytest.mark.parametrize(
    ("name", "wrong", "meant"),
    [
        ("random_forest", "mx_depth", "max_depth"),
        ("xgboost", "max_dept", "max_depth"),
        ("lightgbm", "learning_rat", "learning_rate"),
        ("logistic_regression", "tools", "tol"),
    ],
)
def test_a_misspelt_parameter_is_refused_with_the_one_that_was_meant(name, wrong, meant):
    place, message = refusal(name, {wrong: [1]})
    assert place == f"grid.{wrong}"
    assert message == f"unknown parameter; did you mean {meant!r}?"


@pytest.mark.parametrize(
    ("name", "parameter", "values"),
    [
        ("lightgbm", "path_smooth", [0.0, 1.0]),
        ("lightgbm", "feature_fraction", [0.5]),
        ("xgboost", "rate_drop", [0.1]),
    ],
)
def test_what_a_booster_passes_on_may_be_tried(name, parameter, values):
    assert build("classifier", {"use": name, "grid": {parameter: values}}).grid == {parameter: tuple(values)}


@pytest.mark.parametrize("values", [[], 5])
def test_values_are_a_list_of_at_least_one(values):
    place, message = refusal("random_forest", {"max_depth": values})
    assert place == "grid.max_depth"
    assert message in ("lists too few values: add one", "must be a list such as [a, b]")


def test_a_truth_value_stays_one():
    grid = build(
        "classifier", {"use": "random_forest", "grid": {"bootstrap": [True, False], "max_depth": [1, None]}}
    ).grid
    assert [type(value) for value in grid["bootstrap"]] == [bool, bool]
    assert [type(value) for value in grid["max_depth"]] == [int, type(None)]
