"""A short version of `make faults`: nothing is lost, doubled, wrong or hung, and nothing ends in a traceback."""

import shutil
import signal

import pytest

from tests.faults.files import files_damaged
from tests.faults.processes import ended_by
from tests.faults.run import Base, attempt, table
from tests.faults.trial import Outcome, copied

SHORT = {"killed": ended_by(signal.SIGKILL), "damaged": files_damaged}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return Base(tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize("fault", SHORT.values(), ids=SHORT)
def test_a_fault_leaves_no_trace(base, tmp_path, fault):
    outcome = attempt(fault, base, tmp_path / "trial", seed=3)
    assert outcome.times >= 1
    assert outcome == Outcome(times=outcome.times)


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
