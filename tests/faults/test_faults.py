"""A short version of `make faults`: nothing is lost, doubled, wrong or hung, and nothing ends in a traceback."""

import shutil

import pytest

from tests.faults.run import Base, attempt, table
from tests.faults.trial import Outcome, copied

SHORT = ("the command killed (SIGKILL)", "stored files damaged")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return Base(tmp_path_factory.mktemp("faults"), cases=12)


@pytest.mark.parametrize("name", SHORT)
def test_a_fault_leaves_no_trace(base, tmp_path, name):
    outcome = attempt(name, base, tmp_path / "trial", seed=3, cases=12)
    assert outcome.times >= 1
    assert outcome == Outcome(times=outcome.times)


def test_the_trial_sees_what_it_looks_for(base, tmp_path):
    trial = copied(base, tmp_path / "trial", cases=12)
    shutil.copytree(base.results, trial.results, dirs_exist_ok=True)
    trial.check()
    assert trial.outcome == Outcome(times=1)
    predictions = trial.results / "toy" / "tables" / "predictions.csv"
    predictions.write_text(predictions.read_text().replace("0", "1", 1))
    trial.check()
    assert trial.outcome == Outcome(times=1, wrong=1)
    assert table({"spoilt": trial.outcome}).endswith("| spoilt | 1 | 0 | 0 | 1 | 0 | 0 |\n")
