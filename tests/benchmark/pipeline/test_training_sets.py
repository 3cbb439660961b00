"""The same features learnt from other cases are another method: tested on the same patients, extracted once."""

import numpy as np
import pytest
from pydantic import ValidationError

from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import plan_study, run_study
from benchmark.report.study_report import report_of
from benchmark.report.tables import all_tables
from benchmark.study.study import Study

COARSE = {
    "field_of_view_mm": 60,
    "pixel_mm": 3.0,
    "coverage_mm": 30,
    "slice_thickness_mm": 3.0,
    "protocol": "cardiac",
}


def declared(train_on, **cohort):
    """Two extractions of the same features, the second learning from some of the cases; plain ones are tested."""
    moments = {"use": "toy_moments", "segmenter": "whole_image"}
    return Study.model_validate(
        {
            "name": "training_sets",
            "cohort": {"use": "phantom", "zero": 12, "nonzero": 12, "contrast": "mixed", **COARSE, **cohort},
            "segmenters": {"whole_image": {}},
            "extractors": {"mixed": moments, "some": {**moments, "train_on": train_on}},
            "classifiers": {"logistic_regression": {"grid": {"C": [1.0]}}},
            "protocol": {"folds": 3, "inner_folds": 2, "test_on": {"contrast": False}},
            "yardsticks": None,
            "comparisons": {"question": "some against mixed"},
        }
    )


@pytest.fixture
def execution(tmp_path):
    with workers(1) as pool:
        yield Execution(Store(tmp_path), pool)


@pytest.mark.slow
def test_a_method_learns_from_its_own_training_cases_and_is_tested_on_those_of_the_others(execution):
    study = declared({"contrast": False})
    plan = plan_study(study, execution)
    plain = (plan.cases["contrast"] == "off").to_numpy()
    mixed, some = plan.runs
    for split in plan.splits:
        whole, part = plan.task(mixed, split), plan.task(some, split)
        assert (whole.test == part.test).all()
        assert plain[part.test].all()
        assert set(part.train) == {case for case in whole.train if plain[case]}
        assert 0 < len(part.train) < len(whole.train)
    assert set(plan.final_task(some).train) == set(np.flatnonzero(plain))


@pytest.mark.slow
def test_its_features_are_extracted_once_and_its_own_number_of_training_cases_is_told(execution):
    result = run_study(declared({"contrast": False}), execution)
    assert result.features.computed == 24
    folds = result.folds.set_index(["run", "fold"])["n_train"].unstack("run")
    assert (folds["some/logistic_regression"] < folds["mixed/logistic_regression"]).all()
    (pair,) = all_tables(result)["comparisons"].groupby(["run", "reference"]).groups
    assert pair == ("some/logistic_regression", "mixed/logistic_regression")
    report = report_of(result)
    assert report.sections[0].title.startswith("Methods: 24 cases, 12 of them tested, ")
    assert "; 12 cases " in report.facts["verdict"][0]


def test_too_few_training_cases_are_refused_before_anything_is_extracted(execution):
    with pytest.raises(
        UserError, match=r"extractors\.some\.train_on \(group sharp\): fold 0 is left with \d training cases"
    ):
        run_study(declared({"groups": ["sharp"]}, zero=9, nonzero=6), execution)
    with pytest.raises(
        UserError, match=r"extractors\.some\.train_on .*no case has the group 'shrp'; there are: sharp, "
    ):
        run_study(declared({"groups": ["shrp"]}), execution)
    assert not list(execution.store.folder.rglob("features/*/*"))


def test_a_mistake_in_the_filter_is_answered_with_the_key_that_was_meant():
    with pytest.raises(ValidationError, match=r"contrast"):
        declared({"contrats": False})
