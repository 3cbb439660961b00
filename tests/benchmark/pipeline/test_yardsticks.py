"""Rules without learning stand beside every run, on its cases and folds, and cost no case."""

import pandas as pd
import pytest

from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.cases import IdentifiedCases
from benchmark.pipeline.run import run_study
from benchmark.pipeline.yardsticks import CEILING, MAJORITY, wanted_for_yardsticks
from benchmark.study.study import Study
from segmenters.whole_image import WholeImageSegmenter

PHANTOMS = {
    "name": "rules",
    "cohort": {
        "use": "phantom",
        "generation": 1,
        "zero": 6,
        "nonzero": 6,
        "coverage_mm": 60,
        "seed": "rules",
    },
    "segmenters": {"reference": {}},
    "extractors": {"diagnostics": {"use": "image_diagnostics", "segmenter": "reference"}},
    "classifiers": {"logistic_regression": {"grid": {"C": [1.0]}}},
    "protocol": {"folds": 3, "inner_folds": 2},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"))

    def go(study):
        with workers(1) as pool:
            return run_study(study, Execution(store, pool))

    return go


def accuracy(result):
    right = result.yardsticks["label"] == result.yardsticks["predicted"]
    return right.groupby(result.yardsticks["run"]).mean().to_dict()


@pytest.mark.slow
def test_of_phantoms_the_true_calcium_is_the_ceiling(run):
    result = run(Study.model_validate(PHANTOMS))
    rules = accuracy(result)
    assert list(rules) == ["Agatston > 0", MAJORITY, "maximum HU >= 130", CEILING]
    assert rules[CEILING] == max(rules.values()) > rules[MAJORITY]


def test_rules_follow_the_folds_of_the_runs(run):
    result = run(Study.model_validate(PHANTOMS))
    keys = ["repeat", "fold", "case_id", "label"]
    expected = result.predictions[keys].sort_values(keys, ignore_index=True)
    for _, rows in result.yardsticks.groupby("run"):
        pd.testing.assert_frame_equal(
            rows[keys].sort_values(keys, ignore_index=True), expected, check_dtype=False
        )
    assert set(result.yardstick_folds["n_test"]) == {4}


def test_bands_are_called_by_the_measured_score(run):
    result = run(Study.model_validate(PHANTOMS | {"target": {"use": "bands", "upper": [0, 100]}}))
    rules = result.yardsticks
    assert set(rules["run"]) == {MAJORITY, "Agatston > 0", CEILING}
    called = rules[rules["run"] == CEILING]
    assert (called["predicted"] == (called["score"] > 0).astype(int) + (called["score"] > 100)).all()


def test_without_a_mask_of_the_truth_there_is_no_ceiling_and_no_case_is_lost(run, toy_study):
    result = run(toy_study())
    assert set(result.yardsticks["run"]) == {MAJORITY, "maximum HU >= 130", "Agatston > 0"}
    assert result.features.exclusions == []
    assert set(result.features.tables) == {"moments"}


def test_they_can_be_left_out(run, toy_study):
    result = run(toy_study(yardsticks=None))
    assert result.yardsticks.empty
    assert result.features.yardsticks == {}


class Lost(WholeImageSegmenter):
    """Says that it is ready, and then its weights cannot be had."""

    def fingerprint(self) -> str:
        raise UserError("the weights cannot be had after all")


def test_a_region_whose_weights_cannot_be_had_costs_its_rules_and_not_the_study(toy_study):
    study = toy_study(segmenters={"toy_centre": {}, "lost": Lost()}, yardsticks={"segmenter": "lost"})
    cases = list(study.cohort.cases())
    identified = IdentifiedCases(cases, {case.case_id: case.source.digest() for case in cases})
    assert wanted_for_yardsticks(study, identified) == []
    others = toy_study(yardsticks={"segmenter": "toy_centre"})
    assert [item.name for item in wanted_for_yardsticks(others, identified)] == ["rules/region", "rules/scan"]


def test_the_majority_is_that_of_the_training_cases(run, toy_study):
    result = run(toy_study(cohort={"use": "toy_cohort", "zero": 12, "nonzero": 24}))
    majority = result.yardsticks[result.yardsticks["run"] == MAJORITY]
    assert set(majority["predicted"]) == {1}


def test_a_region_or_a_method_that_does_not_exist_is_answered_with_the_nearest(toy_study):
    with pytest.raises(
        ValueError, match="'toy_center' names no segmenter of this study; did you mean 'toy_centre'"
    ):
        toy_study(yardsticks={"segmenter": "toy_center"})
    with pytest.raises(ValueError, match="'moment' names no method of this study; did you mean 'moments'"):
        toy_study(comparisons={"question": "moment against embeddings"})
