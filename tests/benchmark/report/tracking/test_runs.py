"""What MLflow's users find, read back through MLflow's own client."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import psutil
import pytest
import yaml

from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.report.folder import Claim
from benchmark.report.report import publish
from benchmark.report.study_report import report_of
from benchmark.report.tables import all_tables
from benchmark.report.tracking.database import experiment_id, open_database
from benchmark.report.tracking.destination import destination, tracking_uri
from benchmark.report.tracking.runs import _log_model
from benchmark.report.verdict.sentence import verdict
from benchmark.study.reading import read_study
from benchmark.study.study import Study


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracking")
    declaration = {
        "name": "toy",
        "cohort": {"use": "toy_cohort"},
        "segmenters": {"toy_centre": {}},
        "extractors": {
            "moments": {"use": "toy_moments", "segmenter": "toy_centre"},
            "absent": {"use": "toy_moments", "segmenter": "toy_centre", "ready": False},
        },
        "classifiers": {
            "random_forest": {"grid": {"n_estimators": [5]}},
            "xgboost": {"grid": {"n_estimators": [5]}},
            "lightgbm": {"grid": {"n_estimators": [5]}},
            "logistic_regression": {},
        },
        "protocol": {"folds": 3, "inner_folds": 3},
    }
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(declaration))
    study = read_study(file)
    with workers(1) as pool:
        result = run_study(study, Execution(Store(folder / "store"), pool))
    claim = Claim(folder, file, Path("toy"), began=time.time() - 100)
    (folder / "began").write_text(json.dumps(claim.began))
    publish(report_of(result), claim)
    mlflow.set_tracking_uri(tracking_uri(folder))
    runs = mlflow.search_runs(experiment_names=["toy"], output_format="list")
    return folder, result, {run.info.run_name: run for run in runs}


def test_a_study_is_a_parent_run_and_each_row_a_child(logged):
    _, result, runs = logged
    children = {name: run for name, run in runs.items() if name != "toy"}
    rules = {"majority", "maximum HU >= 130", "Agatston > 0"}
    assert set(children) == {*result.study.run_names(), *rules}
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {runs["toy"].info.run_id}
    assert {name for name, run in children.items() if run.data.tags.get("kind") == "rule"} == rules


def test_the_parent_is_described_by_the_verdict_and_skill_is_a_metric(logged):
    _, result, runs = logged
    tables = all_tables(result)
    sentences = verdict(tables["claims"], tables["methods"], len(result.case_ids))
    assert runs["toy"].data.tags["mlflow.note.content"] == "\n\n".join(sentences)
    skill = tables["skill"].set_index("run")["skill"]
    for name in (*(run.name for run in result.all_runs()), "majority"):
        best = tables["methods"]["best_rule"].iloc[0]
        assert runs[name].data.metrics.get("skill", 0) == (0 if name == best else pytest.approx(skill[name]))


def test_a_child_holds_metrics_intervals_folds_parameters_and_fingerprints(logged):
    _, result, runs = logged
    run = runs["moments/random_forest"]
    mine = result.folds[result.folds["run"] == "moments/random_forest"]
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "fold_accuracy")
    assert [(item.step, item.value) for item in history] == list(enumerate(mine["accuracy"]))
    assert (
        run.data.metrics["interval/accuracy_low"]
        <= run.data.metrics["accuracy"]
        <= run.data.metrics["interval/accuracy_high"]
    )
    assert run.data.params["segmenter"] == "toy_centre"
    assert run.data.params["protocol.folds"] == "3"
    classifier = result.study.classifiers["random_forest"]
    assert run.data.tags["fingerprint.classifier"] == classifier.fingerprint()
    assert {"git_commit", "cohort_hash", "version.scikit-learn"} <= set(run.data.tags)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    assert run.data.tags.get("mlflow.source.git.commit", "") == commit.stdout.strip()


def test_the_parent_holds_headline_metrics_data_target_comparisons_and_the_studys_duration(logged):
    _, result, runs = logged
    parent = runs["toy"]
    methods = all_tables(result)["methods"].set_index("method")
    for name in ("accuracy", "skill"):
        assert parent.data.metrics[f"{name}/moments"] == methods.loc["moments", name]
    (item,) = parent.inputs.dataset_inputs
    assert item.dataset.name == "toy.cases"
    assert parent.data.tags["cohort_hash"].startswith(item.dataset.digest)
    assert {"target.use", "comparisons.rope", "comparisons.tests", "cohort.zero"} <= set(parent.data.params)
    began = json.loads((logged[0] / "began").read_text())
    assert parent.info.start_time == int(1000 * began)
    assert parent.info.end_time >= max(run.info.end_time for name, run in runs.items() if name != "toy")


def test_a_models_metrics_name_the_data_they_were_measured_on(logged):
    _, _, runs = logged
    run = runs["moments/random_forest"]
    (model,) = run.outputs.model_outputs
    found = mlflow.get_logged_model(model.model_id)
    shown = {metric.key: (metric.value, metric.dataset_name) for metric in found.metrics}
    assert shown["accuracy"] == (run.data.metrics["accuracy"], "toy.moments")
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "accuracy")
    assert len(history) == 1


@pytest.mark.parametrize(
    ("name", "own"),
    [("xgboost", "xgboost"), ("lightgbm", "lightgbm"), ("random_forest", ""), ("logistic_regression", "")],
)
def test_a_model_asks_for_what_it_needs_and_nothing_else(logged, name, own):
    _, _, runs = logged
    uri = f"runs:/{runs[f'moments/{name}'].info.run_id}/model"
    lines = Path(mlflow.pyfunc.get_model_dependencies(uri)).read_text().splitlines()
    asked = {line.partition("==")[0] for line in lines}
    assert asked >= {"mlflow", "skops", "scikit-learn", "numpy", "pandas", "scipy"}
    assert not asked & {"torch", "monai", "timm", "SimpleITK", "pyradiomics-bhklab", "python"}
    assert {each.partition("-")[0] for each in asked} & {"xgboost", "lightgbm"} == ({own} if own else set())
    assert [line for line in lines if "+" in line or "==" not in line] == []


def test_the_experiment_is_shown_as_runs_and_models(logged):
    assert mlflow.get_experiment_by_name("toy").tags["mlflow.experimentKind"] == "custom_model_development"


def test_the_data_set_is_an_input_of_the_run(logged):
    _, _, runs = logged
    (item,) = runs["moments/xgboost"].inputs.dataset_inputs
    assert item.dataset.name == "toy.moments"
    assert json.loads(item.dataset.profile)["num_rows"] == 40


def test_a_run_without_result_failed_with_its_reason(logged):
    _, _, runs = logged
    assert runs["absent/xgboost"].info.status == "FAILED"
    assert runs["absent/xgboost"].data.tags["reason"] == "unavailable: no weights: fetch them"


def test_the_parent_holds_the_study_the_tables_the_figure_and_the_environment(logged):
    _, _, runs = logged
    client = mlflow.MlflowClient()

    def under(path):
        return {item.path for item in client.list_artifacts(runs["toy"].info.run_id, path)}

    assert {
        "study.yaml",
        "report.html",
        "comparison.svg",
        "comparison.png",
        "tables",
        "environment",
    } <= under("")
    assert {"tables/comparisons.csv", "tables/summary.csv"} <= under("tables")
    assert "environment/requirements.txt" in under("environment")


@pytest.mark.parametrize("name", ["random_forest", "xgboost", "lightgbm", "logistic_regression"])
def test_every_model_loads_and_predicts_as_it_was_fitted(logged, name):
    _, result, runs = logged
    model = mlflow.pyfunc.load_model(f"runs:/{runs[f'moments/{name}'].info.run_id}/model")
    table = result.features.tables["moments"]
    probabilities = model.predict(table)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    predicted = np.array(model.metadata.metadata["labels"])[probabilities.argmax(axis=1)]
    labels = result.features.cases.loc[table.index, "label"]
    assert (predicted == labels).mean() > 0.6
    uri = f"runs:/{runs[f'moments/{name}'].info.run_id}/model"
    assert (mlflow.sklearn.load_model(uri).predict(table) == predicted).all()
    assert model.metadata.signature.inputs.input_names() == list(table.columns)


@pytest.fixture
def another_database(tmp_path):
    before = mlflow.get_tracking_uri()
    open_database(tmp_path)
    yield tmp_path
    mlflow.set_tracking_uri(before)


def test_the_model_of_a_run_that_trained_a_network_takes_activations(another_database):
    declaration = {
        "name": "tuned",
        "cohort": {"use": "toy_cohort", "zero": 9, "nonzero": 9, "contrast": 400.0},
        "segmenters": {"toy_centre": {}},
        "extractors": {
            "tuned": {
                "use": "finetune_slices",
                "segmenter": "toy_centre",
                "encoder": "test_efficientnet",
                "weights": {"untrained": 3},
                "input_size": 64,
                "slabs": 2,
                "window_hu": [-300, 500],
            }
        },
        "classifiers": {"finetuned": {"epochs": [2], "head_learning_rate": 0.01}},
        "protocol": {"folds": 2, "inner_folds": 2},
    }
    with workers(1) as pool:
        result = run_study(
            Study.model_validate(declaration), Execution(Store(another_database / "store"), pool)
        )
    (run,) = result.all_runs()
    experiment = experiment_id(mlflow, "tuned", destination(another_database))
    with mlflow.start_run(experiment_id=experiment) as logged_run:
        _log_model(mlflow, result, run)
    model = mlflow.pyfunc.load_model(f"runs:/{logged_run.info.run_id}/model")
    taken = result.features.learnt_from("tuned", result.study.learner(run), result.case_ids)
    assert model.metadata.signature.inputs.inputs[0].shape == (-1, *taken.shape[1:])
    assert (
        model.predict(taken).argmax(axis=1) == result.features.cases.loc[result.case_ids, "label"]
    ).mean() > 0.9


@pytest.mark.slow
def test_mlflow_models_predict_works_on_a_features_csv(logged):
    folder, result, runs = logged
    result.features.tables["moments"].to_csv(folder / "features.csv", index=False)
    uri = f"runs:/{runs['moments/xgboost'].info.run_id}/model"
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "predict",
        "-m",
        uri,
        "-i",
        folder / "features.csv",
        "-o",
        folder / "predicted.json",
        "-t",
        "csv",
        "--env-manager",
        "local",
    ]
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": tracking_uri(folder),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    predicted = json.loads((folder / "predicted.json").read_text())["predictions"]
    assert len(predicted) == 40
    assert all(sum(probabilities) == pytest.approx(1) for probabilities in predicted)


def test_no_artifact_is_a_pickle(logged):
    folder, *_ = logged
    files = [file for file in (folder / "mlartifacts").rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if file.suffix in {".pkl", ".pickle", ".joblib"}]


def test_predictions_are_logged_per_run(logged):
    _, _, runs = logged
    path = mlflow.artifacts.download_artifacts(
        f"runs:/{runs['moments/lightgbm'].info.run_id}/predictions.csv"
    )
    table = pd.read_csv(path)
    assert len(table) == 40
    assert set(table["run"]) == {"moments/lightgbm"}


@pytest.mark.slow
def test_the_ui_serves_this_store_on_the_loopback_address_alone(logged):
    folder, *_ = logged
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "from benchmark.cli import main; main()", "ui"]
    server = subprocess.Popen(
        [*command, "--results", folder, "--port", str(port)],
        stderr=(said := folder / "said.txt").open("w"),
        stdout=subprocess.DEVNULL,
    )
    try:
        body = answer(f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/get-by-name?experiment_name=toy")
        experiment = json.loads(body)["experiment"]
        assert experiment["name"] == "toy"
        assert f"http://127.0.0.1:{port}/#/experiments/{experiment['experiment_id']}/runs" in said.read_text()
        listening = {
            connection.laddr.ip
            for process in (psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True))
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
        }
        assert listening == {"127.0.0.1"}
    finally:
        for process in psutil.Process(server.pid).children(recursive=True):
            process.terminate()
        server.terminate()
        server.wait(30)


def answer(url, seconds=90):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            return urllib.request.urlopen(url, timeout=5).read()
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"{url} did not answer within {seconds} s")
