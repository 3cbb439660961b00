"""Killing or interrupting a study at any moment loses at most what was in flight."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.study.study import Study

PACKAGE = Path(__file__).parents[2] / "plugin_package"


def start(tmp_path, declaration, jobs=2):
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump(declaration))
    command = [
        sys.executable,
        "-c",
        "from benchmark.cli import main; main()",
        "run",
        str(study),
        "--jobs",
        str(jobs),
        "--results",
        str(tmp_path / "results"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    return subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_heed_ctrl_c,
    )


def _heed_ctrl_c():
    """Undo what a shell does to the tests when it starts them in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for_results(store, count, process):
    for _ in range(600):
        if len(list(store.rglob("*.json"))) >= count or process.poll() is not None:
            return
        time.sleep(0.05)


def children(process_id):
    """The processes that a process, in whichever of its threads, has started."""
    return " ".join(file.read_text() for file in Path(f"/proc/{process_id}/task").glob("*/children")).split()


def running(process_id):
    try:
        return "State:\tZ" not in Path(f"/proc/{process_id}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no /proc to find the workers in")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_whoever_ends_the_command_alone_ends_its_workers_too(tmp_path, toy_declaration, how):
    toy_declaration["cohort"] = {"use": "toy_cohort", "zero": 400, "nonzero": 400}
    process = start(tmp_path, toy_declaration)
    wait_for_results(tmp_path / "results" / "store", 50, process)
    workers = children(process.pid)
    assert len(workers) >= 2
    os.kill(process.pid, how)
    _, errors = process.communicate(timeout=30)
    if how == signal.SIGTERM:
        assert process.returncode == 130
        assert "what was finished is kept" in errors
    for _ in range(200):
        if not any(map(running, workers)):
            return
        time.sleep(0.05)
    raise AssertionError("workers go on without the command that started them")


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_what_was_finished_before_the_signal_is_not_done_again(tmp_path, toy_declaration, how):
    toy_declaration["cohort"] = {"use": "toy_cohort", "zero": 400, "nonzero": 400}
    toy_declaration["classifiers"] = {"toy_nearest": {}}
    process = start(tmp_path, toy_declaration)
    store = tmp_path / "results" / "store"
    wait_for_results(store, 50, process)
    os.killpg(process.pid, how)
    _, errors = process.communicate(timeout=60)
    finished = list((store / "features").rglob("[0-9a-f]*.json"))
    assert 50 <= len(finished) < 800, errors
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "what was finished is kept" in errors
        assert "Traceback" not in errors
    with workers(1) as pool:
        result = run_study(Study.model_validate(toy_declaration), Execution(Store(store), pool))
    assert result.features.computed == 3 * 800 - len(
        finished
    )  # the features, what the rules and the audit look at
    assert len(result.case_ids) == 800


@pytest.mark.slow
def test_a_case_that_kills_the_only_process_is_left_out_of_a_study_that_goes_on(tmp_path, toy_declaration):
    toy_declaration["cohort"] = {"use": "toy_cohort", "deadly": [3]}
    process = start(tmp_path, toy_declaration, jobs=1)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    excluded = (tmp_path / "results" / "toy" / "tables" / "exclusions.csv").read_text().splitlines()
    assert excluded[1:] == ["toy-003,moments,extract,its worker process was killed (out of memory?)"]
