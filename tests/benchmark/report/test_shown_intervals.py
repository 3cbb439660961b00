"""A study whose model says yes to every case: wherever an interval is shown, it has a width and its method a name."""

import json

import pandas as pd
import pytest
import yaml
from statsmodels.stats.proportion import proportion_confint
from typer.testing import CliRunner

from benchmark.cli import app
from benchmark.report.headline import headline_of
from benchmark.report.tracking.database import open_database

STUDY = {
    "name": "few",
    "cohort": {"use": "toy_cohort", "zero": 6, "nonzero": 10},
    "segmenters": {"toy_centre": {}},
    "extractors": {"moments": {"use": "toy_moments", "segmenter": "toy_centre"}},
    # LightGBM needs 20 cases in each leaf: of 16 it cannot split any and says how many are positive.
    "classifiers": {"lightgbm": {"grid": {"n_estimators": [5]}}},
    "protocol": {"folds": 2, "inner_folds": 2},
}
RUN = "moments/lightgbm"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the folder of results and what the console said."""
    folder = tmp_path_factory.mktemp("few")
    (folder / "few.yaml").write_text(yaml.safe_dump(STUDY))
    arguments = ["run", str(folder / "few.yaml"), "--results", str(folder / "r"), "--jobs", "1", "--full"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return folder / "r", done.output


def test_the_json_names_the_method_and_no_interval_has_zero_width(finished):
    results, _ = finished
    text = (results / "few" / "study.json").read_text()
    metrics = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["runs"][RUN]
    low, high = proportion_confint(10, 16, method="wilson")
    assert metrics["accuracy"] == pytest.approx(
        {"value": 0.625, "low": low, "high": high, "method": "wilson"}
    )
    assert metrics["sensitivity"]["value"] == 1
    assert all(found["high"] - found["low"] > 0.1 for found in metrics.values())


def test_the_console_and_the_page_name_it_beside_the_numbers(finished):
    results, said = finished
    page = (results / "few" / "report.html").read_text()
    assert "0.625 [0.39, 0.82] (wilson)" in " ".join(said.split())
    assert "0.625 [0.386, 0.815] (wilson)" in page
    for text in (" ".join(said.split()), page):
        assert "a method in brackets: every resample has the same value" in text


def test_mlflow_has_the_interval_and_its_method_as_a_tag(finished):
    results, _ = finished
    module = open_database(results)
    runs = module.search_runs(experiment_names=["few"], output_format="list")
    (run,) = (run for run in runs if run.info.run_name == RUN)
    low, high = proportion_confint(10, 16, method="wilson")
    assert run.data.metrics["interval/accuracy_low"] == pytest.approx(low)
    assert run.data.metrics["interval/accuracy_high"] == pytest.approx(high)
    assert run.data.tags["interval.accuracy"] == "wilson"
    assert run.data.tags["interval.f1"] == "wilson of Jaccard"


def test_the_tables_say_which_interval_is_shown(finished):
    results, _ = finished
    tables = results / "few" / "tables"
    assert (pd.read_csv(tables / "summary.csv")["method"] != "bca").any()
    intervals = pd.read_csv(tables / "intervals.csv")
    assert intervals.groupby(["run", "metric"])["shown"].sum().eq(1).all()


def test_a_number_without_an_interval_is_guarded_by_its_value_alone():
    facts = {
        "cases": 4,
        "excluded": 0,
        "cohort_hash": "",
        "parameters": {},
        "versions": {},
        "processor": "",
        "runs": {"a/b": {"macro_f1": {"value": 0.25, "low": None, "high": None, "method": "not estimable"}}},
    }
    assert headline_of(facts)["runs"]["a/b"]["macro_f1"] == {"value": 0.25, "tolerance": 0.0}
