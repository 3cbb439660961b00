import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from benchmark.analyses.forecast import Forecast, Step, forecast
from benchmark.cli import app
from benchmark.execution.execution import open_execution
from benchmark.pipeline.run import run_study


def test_what_was_done_is_not_left_and_what_was_timed_is_kept(toy_study, tmp_path):
    study = toy_study()
    with open_execution(tmp_path, 1) as execution:
        before = forecast(study, execution)
        after = forecast(study, execution)
        run_study(study, execution)
        done = forecast(study, execution)
    scans = before.steps[0]
    assert scans.tasks == scans.left == before.cases
    assert after.steps[0].left == before.cases - 3
    assert done.steps[0].left == 0
    assert {step.step for step in done.steps[1:]} == {f"folds of {run.name}" for run in study.all_runs()}


def test_the_last_task_of_a_step_is_waited_for():
    steps = [Step("scans", 30, 21, 10.0), Step("folds", 6, 6, 5.0)]
    found = Forecast("s", 30, 0, steps, 7.0, 500.0, 1.0)
    assert found.seconds_with(1) == 7 + 210 + 30
    assert found.seconds_with(10) == 7 + 3 * 10 + 5
    assert found.record()["cpu_hours_left"] == pytest.approx(240 / 3600)


STUDY = (
    "name: small\ncohort: {use: phantom, generation: 1, zero: 10, nonzero: 10}\nsegmenters: {reference: {}}\n"
    "extractors: {radiomics: {segmenter: reference}}\nclassifiers: {logistic_regression: {}}\n"
)


@pytest.mark.slow
def test_what_a_scan_takes_is_counted_where_it_is_extracted(tmp_path):
    (tmp_path / "small.yaml").write_text(STUDY)
    command = [sys.executable, "-c", "import cacbench; cacbench.main()", "plan", "small.yaml", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True)
    assert json.loads(done.stdout)["steps"][0]["seconds"] > 0.1, "a phantom of 24 slices is rendered"


def test_the_command_prints_it_and_its_json(tmp_path):
    study = tmp_path / "small.yaml"
    study.write_text(STUDY)
    told = CliRunner().invoke(app, ["plan", str(study), "--results", str(tmp_path / "r"), "--scans", "2"])
    assert told.exit_code == 0, told.output
    assert "features of a scan" in told.output
    assert "time by workers" in told.output
    as_json = CliRunner().invoke(
        app, ["plan", str(study), "--results", str(tmp_path / "r"), "--scans", "2", "--json"]
    )
    found = json.loads(as_json.stdout)
    assert found["steps"][0]["left"] == 18
    assert set(found["expected_seconds_on_workers"]) == {"1", "2", "10", "100"}
