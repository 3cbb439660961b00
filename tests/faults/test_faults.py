"""A short version of `make faults`: nothing is lost, doubled, wrong or hung, and nothing ends in a traceback."""

import shutil
import signal
import subprocess
import sys

import pytest

from tests.faults import trial as trial_module
from tests.faults.files import files_damaged
from tests.faults.processes import ended_by
from tests.faults.run import Base, attempt, table
from tests.faults.trial import Outcome, copied

SHORT = {"killed": ended_by(signal.SIGKILL), "damaged": files_damaged}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return Base(tmp_path_factory.mktemp("faults"))


@pytest.mark.slow
@pytest.mark.parametrize("fault", SHORT.values(), ids=SHORT)
def test_a_fault_leaves_no_trace(base, tmp_path, fault):
    outcome = attempt(fault, base, tmp_path / "trial", seed=3)
    assert outcome.times >= 1
    assert outcome == Outcome(times=outcome.times)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("time.sleep(100)", None),
        ("time.sleep(1); print('slept')", "slept\n"),
        ("[0 for _ in iter(lambda: time.process_time() < 4, False)]; print('worked')", "worked\n"),
    ],
    ids=["waits for ever", "waits a little", "works for longer than one may wait"],
)
def test_a_hang_is_told_from_work_by_processor_time(monkeypatch, does, said):
    monkeypatch.setattr(trial_module, "SILENT_S", 3)
    monkeypatch.setattr(trial_module, "STILL_S", 0.02)
    command = [sys.executable, "-c", f"import sys, time; sys.stdout = sys.stderr; {does}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert trial_module.said_in_time(process) == said
    process.kill()
    process.wait()


@pytest.mark.slow
def test_the_trial_sees_what_it_looks_for(base, tmp_path):
    trial = copied(base, tmp_path / "trial")
    shutil.copytree(base.results, trial.results, dirs_exist_ok=True)
    trial.check()
    assert trial.outcome == Outcome(times=1)
    predictions = trial.results / "toy" / "tables" / "predictions.csv"
    predictions.write_text(predictions.read_text().replace("0", "1", 1))
    trial.check()
    assert trial.outcome == Outcome(times=1, wrong=1)
    assert table({"spoilt": trial.outcome}).endswith("| spoilt | 1 | 0 | 0 | 1 | 0 | 0 |\n")


def test_a_run_that_ends_with_an_error_and_a_record_that_was_made_again_are_lost(base, tmp_path):
    trial = copied(base, tmp_path / "trial")
    shutil.copytree(base.results, trial.results, dirs_exist_ok=True)
    trial.note_records()
    min(trial.records).write_bytes(b"of another time")
    (trial.folder / "toy.yaml").write_text("no study")
    trial.run_again()
    assert trial.outcome == Outcome(times=1, lost=2)
