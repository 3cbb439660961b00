"""Tables that are read again are those that would be made."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmark.execution.execution import open_execution
from benchmark.pipeline.run import run_study
from benchmark.report import kept_tables
from benchmark.report.kept_tables import tables_of
from benchmark.report.tables import all_tables


@pytest.fixture(scope="module")
def finished(toy_content, tmp_path_factory):
    from benchmark.study.study import Study

    cohort = {"use": "toy_cohort", "broken": [3], "sites": [0.0, 20.0], "scans": 2}
    study = Study.model_validate({**toy_content, "cohort": cohort})
    with open_execution(tmp_path_factory.mktemp("results"), 1) as execution:
        return run_study(study, execution)


@pytest.fixture
def made(monkeypatch):
    """What was made, and not read."""
    kinds = []
    monkeypatch.setattr(kept_tables, "all_tables", lambda result: kinds.append(1) or all_tables(result))
    return kinds


@pytest.fixture
def store(tmp_path):
    with open_execution(tmp_path, 1) as execution:
        return execution.store


def assert_same(one, other):
    assert list(one) == list(other)
    for name, table in one.items():
        pd.testing.assert_frame_equal(table, other[name], check_exact=True)


def test_they_are_made_once_and_read_as_they_were_made(finished, store, made):
    expected = all_tables(finished)
    for _ in range(3):
        assert_same(tables_of(finished, store), expected)
    assert len(made) == 1


def test_what_was_done_just_now_makes_no_others(finished, store, made):
    tables_of(finished, store)
    again = replace(finished, fitted=7, features=replace(finished.features, computed=9))
    assert_same(tables_of(again, store), all_tables(finished))
    assert len(made) == 1


def changed_score(result):
    predictions = result.predictions.copy()
    predictions.loc[0, "score"] = np.nextafter(predictions.loc[0, "score"], 1)
    return replace(result, predictions=predictions)


@pytest.mark.parametrize(
    "change",
    [
        changed_score,
        lambda result: replace(result, failed={"another/run": "no weights"}),
        lambda result: replace(result, study=result.study.model_copy(update={"seed": 1})),
        lambda result: replace(result, features=replace(result.features, exclusions=[])),
    ],
    ids=["a score's last bit", "a run without result", "the seed", "an exclusion"],
)
def test_whatever_they_tell_of_makes_others(finished, store, made, change):
    tables_of(finished, store)
    other = change(finished)
    assert_same(tables_of(other, store), all_tables(other))
    assert len(made) == 2


def test_a_table_that_would_not_come_back_as_it_is_is_made_each_time(finished, store, monkeypatch):
    mixed = pd.DataFrame({"value": [1, "one", None]}, dtype=object)
    monkeypatch.setattr(kept_tables, "all_tables", lambda result: all_tables(result) | {"mixed": mixed})
    for _ in range(2):
        pd.testing.assert_frame_equal(tables_of(finished, store)["mixed"], mixed)
    assert not list(store.folder.rglob("*.zip"))


def test_damaged_ones_are_made_again(finished, store, made, capsys):
    expected = tables_of(finished, store)
    (file,) = store.folder.rglob("*.zip")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    assert_same(tables_of(finished, store), expected)
    assert "damaged" in capsys.readouterr().err
    assert len(made) == 2
