import json

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from benchmark.cli import app
from benchmark.errors import UserError


@pytest.fixture
def study(tmp_path, toy_declaration):
    third = {"weak": {"use": "logistic_regression", "grid": {"C": [0.001]}}}
    classifiers = {**toy_declaration["classifiers"], **third}
    conditions = {"dim": {"cohort": {"contrast": 100}}, "same": {}}
    file = tmp_path / "again.yaml"
    content = {"study": {**toy_declaration, "classifiers": classifiers}, "conditions": conditions}
    file.write_text(yaml.safe_dump(content))
    return file


def invoke(*arguments):
    return CliRunner().invoke(app, ["robustness", *map(str, arguments)], catch_exceptions=False)


def test_the_command_writes_tables_and_figures_logs_them_and_prints_what_changed(study, tmp_path):
    done = invoke(study, "--results", tmp_path / "r", "--jobs", 1)
    folder = tmp_path / "r" / "toy" / "robustness"
    assert {path.name for path in (folder / "tables").iterdir()} == {
        "exclusions.csv",
        "performance.csv",
        "predictions.csv",
        "ranks.csv",
        "reliability.csv",
        "stability.csv",
    }
    names = ("stability", "performance", "ranks_accuracy", "ranks_f1")
    figures = {f"{name}.{suffix}" for name in names for suffix in ("svg", "png")}
    assert {path.name for path in folder.glob("*.*")} == figures | {"report.html", "report.json"}
    changed = pd.read_csv(folder / "tables" / "performance.csv").set_index(["run", "condition", "metric"])
    row = changed.loc["moments/logistic_regression", "dim", "accuracy"]
    assert row["difference"] < 0
    assert f"{row['value']:.3f}" in done.output
    assert f"{row['difference']:+.3f}" in done.output
    assert (changed.xs("same", level="condition")["difference"] == 0).all()

    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'r' / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("toy").experiment_id])
    assert run.data.metrics["accuracy.dim.moments/logistic_regression"] == pytest.approx(row["value"])
    assert run.data.params["dim.cohort"] != run.data.params["base.cohort"]


def test_json_output_is_json_and_nothing_else(study, tmp_path):
    shown = json.loads(invoke(study, "--results", tmp_path / "r", "--jobs", 1, "--json").stdout)
    assert {row["condition"] for row in shown["performance"]} == {"base", "dim", "same"}
    assert {row["family"] for row in shown["stability"]} == {"all"}
    assert len(shown["ranks"]) == 6


def test_a_study_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(UserError, match="no such study file"):
        invoke(tmp_path / "nothing.yaml")
