"""What is done once for all runs stays done once: counted, never timed."""

import pytest

from benchmark.execution.execution import open_execution
from benchmark.pipeline.run import plan_study, run_study
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


def test_the_tasks_of_an_extractor_hold_one_table(toy_study, tmp_path):
    study = toy_study()
    with open_execution(tmp_path, 1) as execution:
        plan = plan_study(study, execution)
    tables = {id(task.X) for task in plan.fold_tasks().values()} | {
        id(plan.final_task(run).X) for run in plan.runs
    }
    assert len(tables) == len(study.extractors)
    assert len(plan.runs) > len(study.extractors)
