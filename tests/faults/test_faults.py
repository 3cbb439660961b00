"""A short version of `make faults`: nothing is lost, doubled, wrong or hung, and nothing ends in a traceback."""

from dataclasses import replace

import pytest

from tests.faults.faults import FAULTS
from tests.faults.run import Base, attempt, table
from tests.faults.trial import Outcome

SHORT = ("the command killed (SIGKILL)", "stored files damaged")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return Base(tmp_path_factory.mktemp("faults"), cases=6)


@pytest.mark.parametrize("name", SHORT)
def test_a_fault_leaves_no_trace(base, tmp_path, name):
    outcome = attempt(name, base, tmp_path / "trial", seed=3, cases=6)
    assert outcome.times >= 1
    assert outcome == Outcome(times=outcome.times)


def test_the_trial_sees_what_it_looks_for(base, tmp_path, monkeypatch):
    def spoilt(trial, random):
        trial.finish(trial.start())
        table = trial.results / "toy" / "tables" / "predictions.csv"
        table.write_text(table.read_text().replace("0", "1", 1))
        trial.check()

    monkeypatch.setitem(FAULTS, "spoilt", spoilt)
    assert replace(attempt("spoilt", base, tmp_path / "trial", seed=1, cases=6), times=0) == Outcome(wrong=1)
    assert table({"spoilt": Outcome(times=1, wrong=1)}).endswith("| spoilt | 1 | 0 | 0 | 1 | 0 | 0 |\n")
