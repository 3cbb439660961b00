"""A study from Python is the command line's study: the same files, the same numbers."""

import json
from html import escape
from pathlib import Path

import pandas as pd
import pytest
import yaml

import cacbench
from benchmark.cli import app
from benchmark.study.study import Study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("python")


@pytest.fixture(scope="module")
def finished(folder):
    declaration = {
        "name": "toy",
        "cohort": {"use": "toy_cohort"},
        "segmenters": {"toy_centre": {}},
        "extractors": {"moments": {"use": "toy_moments", "segmenter": "toy_centre"}},
        "classifiers": {"logistic_regression": {"grid": {"C": [0.1, 1.0]}}, "toy_nearest": {}},
        "protocol": {"folds": 3, "inner_folds": 3},
    }
    (folder / "toy.yaml").write_text(yaml.safe_dump(declaration))
    return cacbench.run(cacbench.read(folder / "toy.yaml"), folder / "python")


@pytest.mark.slow
def test_it_writes_what_the_command_writes(finished, folder):
    from typer.testing import CliRunner

    arguments = ["run", str(folder / "toy.yaml"), "--results", str(folder / "command"), "--jobs", "1"]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    one, other = (
        {file.relative_to(at): file for file in at.rglob("*") if file.is_file()}
        for at in (folder / "python" / "toy", folder / "command" / "toy")
    )
    assert one.keys() == other.keys()
    facts = Path("study.json")
    assert [
        name for name in one if one[name].read_bytes() != other[name].read_bytes() and name != facts
    ] == []
    without_clock = [
        {**json.loads(files[facts].read_text()), "seconds_per_case": 0} for files in (one, other)
    ]
    assert without_clock[0] == without_clock[1]
    assert finished.page == folder / "python" / "toy" / "report.html"


def test_the_summary_is_the_table_that_lies_there(finished, folder):
    read = pd.read_csv(folder / "python" / "toy" / "tables" / "summary.csv")
    pd.testing.assert_frame_equal(finished.summary, read, check_dtype=False)
    assert set(finished.methods["method"]) >= {"moments", "majority"}


def test_two_runs_are_compared_by_the_declared_tests(finished):
    table = finished.compare("moments/toy_nearest", "moments/logistic_regression")
    shown = finished.tables["comparisons"]
    for name in ("metric", "test", "difference", "low", "high", "p"):
        pd.testing.assert_series_equal(table[name], shown[name], check_dtype=False)
    turned = finished.compare("moments/logistic_regression", "moments/toy_nearest", ["roc_auc"])
    assert set(turned["metric"]) == {"roc_auc"}
    assert (turned["run"] == "moments/logistic_regression").all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("moments/toy_neares", "moments/toy_nearest"), "did you mean 'moments/toy_nearest'"),
        (("moments/toy_nearest", "moments/logistic_regression", ["acuracy"]), "did you mean 'accuracy'"),
    ],
)
def test_a_run_or_metric_that_is_not_there_is_named(finished, arguments, said):
    with pytest.raises(cacbench.UserError, match=said):
        finished.compare(*arguments)


def test_a_notebook_shows_verdict_and_methods(finished):
    page = finished._repr_html_()
    assert "<table" in page
    assert "moments" in page
    assert all(escape(sentence) in page for sentence in finished.verdict)
    assert repr(finished).startswith("toy: 2 runs. 40 cases (20 ")
    assert len(finished.plot().axes) == 2


def test_a_study_without_file_is_refused_before_the_work(finished):
    declared = Study.model_validate(yaml.safe_load(finished.result.study.file.read_text()))
    with pytest.raises(cacbench.UserError, match=r"was not read from a file.*use `cacbench\.read`"):
        cacbench.run(declared)


def test_a_study_file_that_is_not_there_is_named():
    with pytest.raises(cacbench.UserError, match=r"nowhere\.yaml: no such study file"):
        cacbench.read("nowhere.yaml")
