"""A study on patients with several scans, from the cohort to the tables and the audit."""

import numpy as np
import pytest

from benchmark.analyses.leakage.audit import audit_study
from benchmark.analyses.power import plan_power
from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.report.study_report import report_of
from benchmark.report.tables import all_tables

SCANS = {"use": "toy_cohort", "zero": 30, "nonzero": 30, "contrast": 0.0, "scans": 3}
PROTOCOL = {"folds": 3, "inner_folds": 3}


@pytest.fixture
def run(tmp_path):
    def go(study, function=run_study):
        with workers(1) as pool:
            return function(study, Execution(Store(tmp_path / "store"), pool))

    return go


def right(result, run_name="moments/toy_nearest"):
    rows = result.predictions[result.predictions["run"] == run_name]
    return (rows["label"] == rows["predicted"]).mean()


def test_looks_alone_are_learnt_where_patients_are_parted_and_not_where_they_stay_whole(run, toy_study):
    unsaid = run(toy_study(cohort={**SCANS, "known": False}))
    said = run(toy_study(cohort=SCANS))
    assert right(unsaid) > 0.8, "there is no calcium in these scans, but a patient looks like himself"
    assert right(said) < 0.7
    parted = said.predictions.groupby(["run", "repeat", "patient"])["fold"].nunique()
    assert (parted == 1).all()


def test_permuted_labels_of_patients_show_no_leak_that_is_not_there(run, toy_study):
    study = toy_study(cohort=SCANS, protocol=PROTOCOL, runs=["moments/toy_nearest"])
    audit = run(study, lambda study, execution: audit_study(study, [], 6, execution))
    assert audit.findings[0].verdict != "leaks"


def test_tables_facts_and_page_count_patients(run, toy_study):
    result = run(toy_study(cohort=SCANS))
    tables = all_tables(result)
    assert tables["cases"]["patient"].nunique() == 20
    mcnemar = tables["comparisons"].query("test == 'mcnemar'")["note"].iloc[0]
    assert "60 scans of 20 patients" in mcnemar
    report = report_of(result)
    assert (report.facts["cases"], report.facts["patients"]) == (60, 20)
    assert report.lead.startswith("60 cases of 20 patients")


def test_a_study_without_several_scans_says_nothing_of_patients(run, toy_study):
    result = run(toy_study())
    assert "patient" not in result.predictions
    assert report_of(result).lead.startswith("40 cases (")


def test_intervals_are_those_of_patients_and_wider_than_of_as_many_strangers(run, toy_study):
    said = all_tables(run(toy_study(cohort={**SCANS, "contrast": 120.0})))["intervals"]
    width = {method: rows["high"] - rows["low"] for method, rows in said.groupby("method")}
    wilson = said.query("method == 'wilson' and metric == 'accuracy'")
    half = (wilson["high"] - wilson["low"]).iloc[0] / 2
    value = wilson["value"].iloc[0]
    assert half == pytest.approx(1.96 * np.sqrt(value * (1 - value) / 20), rel=0.2), (
        "20 patients, not 60 scans"
    )
    assert (width["bca"] > 0).all()


def test_power_is_not_planned_from_patients_with_several_scans(run, toy_study):
    study = toy_study(cohort={**SCANS, "contrast": 120.0})
    result = run(study)
    with pytest.raises(UserError, match="the 60 scans are of 20 patients"):
        plan_power(study, result.predictions, metric="accuracy", sizes=[50])
