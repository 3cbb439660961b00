"""What is done once for all runs stays done once: counted, never timed."""

import pytest
import SimpleITK as sitk

from benchmark.cohorts import phantom
from benchmark.execution.execution import open_execution
from benchmark.pipeline import features
from benchmark.pipeline.run import plan_study, run_study
from benchmark.plugins.registry import build
from benchmark.report.study_report import report_of
from benchmark.statistics.intervals import bootstrap


@pytest.fixture
def finished(toy_study, tmp_path):
    with open_execution(tmp_path, 1) as execution:
        return run_study(toy_study(), execution)


def test_patients_are_drawn_four_times_for_a_report_however_many_runs_it_has(finished, monkeypatch):
    """For the intervals, the comparisons, the skill and the methods' standing."""
    drawn = []
    draws = bootstrap.resampled_counts
    monkeypatch.setattr(
        bootstrap, "resampled_counts", lambda *arguments: drawn.append(1) or draws(*arguments)
    )
    report_of(finished)
    assert len(drawn) <= 4
    assert len(finished.all_runs()) > 1


def test_a_region_is_found_once_for_who_takes_it_and_who_searches_in_it(toy_study, tmp_path, monkeypatch):
    inside = {"use": "threshold", "within": "toy_centre", "hu": 130}
    calcium = {"use": "calcium_volumes", "segmenter": "inside"}
    study = toy_study(
        segmenters={"toy_centre": {}, "inside": inside},
        extractors={"calcium": calcium, "moments": {"use": "toy_moments", "segmenter": "toy_centre"}},
        runs=["moments/logistic_regression", "calcium/logistic_regression"],
        comparisons={},
    )
    found, segment = [], type(study.segmenters["toy_centre"]).segment_noting
    monkeypatch.setattr(
        type(study.segmenters["toy_centre"]),
        "segment_noting",
        lambda self, scan: found.append(1) or segment(self, scan),
    )
    with open_execution(tmp_path, 1) as execution:
        result = run_study(study, execution)
    assert result.failed == {}
    assert len(found) == len(study.cohort.cases())


def test_the_tasks_of_an_extractor_hold_one_table(toy_study, tmp_path):
    study = toy_study()
    with open_execution(tmp_path, 1) as execution:
        plan = plan_study(study, execution)
    tables = {id(task.X) for task in plan.fold_tasks().values()} | {
        id(plan.final_task(run).X) for run in plan.runs
    }
    assert len(tables) == len(study.extractors)
    assert len(plan.runs) > len(study.extractors)


@pytest.mark.slow
def test_the_heart_is_looked_for_once_for_who_takes_it_and_for_denseraunet(monkeypatch):
    chest = {
        "use": "phantom",
        "zero": 0,
        "nonzero": 1,
        "protocol": "chest",
        "coverage_mm": 120,
        "pixel_mm": 1.5,
    }
    scan = build("cohort", chest).cases()[0].source.load()
    heart, network = (build("segmenter", name) for name in ("heart_region", "denseraunet"))
    alone, _ = network.segment_noting(build("cohort", chest).cases()[0].source.load())
    looked, segment = [], type(heart).segment_noting
    monkeypatch.setattr(
        type(heart), "segment_noting", lambda self, scan: looked.append(1) or segment(self, scan)
    )
    found = [plugin.segment_once(scan)[0] for plugin in (heart, network)]
    assert len(looked) == 1
    assert sitk.Hash(found[1]) == sitk.Hash(alone)


def test_the_patients_of_a_phantom_cohort_are_drawn_once_however_often_its_cases_are_listed(monkeypatch):
    drawn, draw = [], phantom.draw_chest_patient
    monkeypatch.setattr(phantom, "draw_chest_patient", lambda *arguments: drawn.append(1) or draw(*arguments))
    declared = {"use": "phantom", "zero": 2, "nonzero": 3, "seed": "listed often"}
    cohort = build("cohort", declared)
    first = cohort.cases()
    first.clear()  # who changes its own list changes nobody else's
    assert [case.case_id for case in cohort.cases()] == [
        case.case_id for case in build("cohort", declared).cases()
    ]
    assert len(drawn) == 5
    assert len(build("cohort", declared | {"seed": "another"}).cases()) == 5
    assert len(drawn) == 10


def test_a_case_s_extractions_are_made_in_the_declared_order(toy_study, tmp_path, monkeypatch):
    """What one of them makes on its way another may take up, as DenseRAUnet's features do."""
    made, extract = [], features.extract

    def noted(task):
        made.append([wanted.name for wanted in task.wanted])
        return extract(task)

    monkeypatch.setattr(features, "extract", noted)
    names = ["third", "first", "second"]
    declared = {"use": "toy_moments", "segmenter": "toy_centre"}
    extractors = {name: {**declared, "fail_at": name} for name in names}
    study = toy_study(extractors=extractors, runs=None, comparisons={})
    with open_execution(tmp_path, 1) as execution:
        plan_study(study, execution)
    assert {tuple(name for name in each if name in names) for each in made} == {tuple(names)}
