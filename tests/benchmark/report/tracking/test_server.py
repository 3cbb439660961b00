"""A study logged to a real MLflow server: all of it, once, whatever the server does in between."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
import yaml

from benchmark.report.tracking.service import Server, why_no_postgres
from tests.benchmark.report.tracking.servers import family, free_port


class Tracking:
    """What `make tracking` runs."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self):
        command = [
            sys.executable,
            "-m",
            "benchmark.report.tracking.service",
            str(self.folder),
            str(self.port),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        assert self.process.stdout.readline().startswith(f"{self.uri}: MLflow")

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0


@pytest.fixture
def study(tmp_path, toy_declaration):
    file = tmp_path / "toy.yaml"
    file.write_text(yaml.safe_dump(toy_declaration))
    return file


@pytest.fixture
def server(tmp_path):
    """MLflow's server before PostgreSQL, or before SQLite where there is none."""
    sqlite = Server(tmp_path, f"sqlite:///{tmp_path}/server.db", free_port())
    one = sqlite if why_no_postgres() else Tracking(tmp_path / "tracking")
    one.start()
    yield one
    one.stop()


ROOT = Path(__file__).resolve().parents[4]
PLACES = [str(ROOT), str(ROOT / "tests" / "plugin_package"), os.environ.get("PYTHONPATH", "")]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(PLACES),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
}


def run_python(code, arguments, folder, **environment):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env={**ENVIRONMENT, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def cacbench(tmp_path):
    """Run a command in a folder of its own, for MLflow puts artifacts where one stands."""
    code = "from benchmark.cli import main; main()"
    return lambda *arguments, **environment: run_python(code, arguments, tmp_path, **environment)


def logged(uri, experiment="toy"):
    """Return the runs of an experiment by status and name, and how many models it has."""
    client = mlflow.MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        return [], 0
    runs = client.search_runs([found.experiment_id])
    return sorted((run.info.run_name, run.info.status) for run in runs), len(
        client.search_logged_models([found.experiment_id])
    )


RUNS = ["moments/logistic_regression", "moments/toy_nearest"]
WHOLE = sorted((name, "FINISHED") for name in ("toy", *RUNS, "majority", "maximum HU >= 130", "Agatston > 0"))


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_twice_where_the_server_is_away_for_a_while(
    server, study, tmp_path, cacbench
):
    arguments = ("run", study, "--results", tmp_path / "r", "--jobs", 1)
    server.stop()
    away = cacbench(*arguments, MLFLOW_TRACKING_URI=server.uri)
    said = [line for line in away.stderr.splitlines() if line.startswith("MLflow: ")]
    assert len(said) == 2
    assert "the results are complete on disk, and the same command logs them" in said[1]
    facts = (tmp_path / "r" / "toy" / "study.json").read_bytes()
    server.start()
    back = cacbench(*arguments, MLFLOW_TRACKING_URI=server.uri)
    assert "0 feature vectors extracted and 0 models fitted" in back.stdout
    assert f"of experiment toy, {server.uri}/#/experiments/1/runs/" in back.stdout
    assert logged(server.uri) == (WHOLE, 2)
    again = cacbench(*arguments, MLFLOW_TRACKING_URI=server.uri)
    first = back.stdout.rpartition("/runs/")[2].strip()
    assert f"MLflow: a repeat of run {first}" in again.stdout
    assert logged(server.uri) == (sorted([*WHOLE, ("toy (repeat)", "FINISHED")]), 2)
    assert (tmp_path / "r" / "toy" / "study.json").read_bytes() == facts
    assert not (tmp_path / "r" / "mlflow.db").exists()
    mlflow.set_tracking_uri(server.uri)
    model = mlflow.pyfunc.load_model(
        f"models:/{mlflow.search_logged_models(['1'], output_format='list')[0].model_id}"
    )
    assert model.metadata.metadata["labels"] == [0, 1]
    assert json.loads(model.metadata.signature.to_dict()["outputs"])[0]["tensor-spec"]["shape"] == [-1, 2]


@pytest.mark.slow
def test_what_a_server_lost_half_way_left_is_removed_and_made_up(server, study, tmp_path, cacbench):
    arguments = ("run", study, "--results", tmp_path / "r", "--jobs", 1, "--tracking-uri", server.uri)
    half = (
        "import os, signal, sys\n"
        "from benchmark.report.tracking import runs\n"
        "real = runs._log_model\n"
        "seen = []\n"
        "def log_model(*given):\n"
        "    real(*given)\n"
        "    seen.append(1)\n"
        f"    for pid in {family(server.process)} if len(seen) == 2 else []: os.kill(pid, signal.SIGKILL)\n"
        "runs._log_model = log_model\n"
        "from benchmark.cli import main; main()"
    )
    done = run_python(half, arguments, tmp_path)
    server.process.wait(30)
    assert "MLflow: not logged to" in done.stderr
    server.start()
    broken, models = logged(server.uri)
    assert ("toy", "RUNNING") in broken
    assert models == 2
    cacbench(*arguments)
    assert logged(server.uri) == (WHOLE, 2)


@pytest.mark.slow
def test_models_go_to_the_registry_and_runs_to_the_experiment_that_the_environment_names(
    cacbench, server, study, tmp_path
):
    registry = f"sqlite:///{tmp_path}/registry.db"
    environment = {
        "MLFLOW_TRACKING_URI": server.uri,
        "MLFLOW_REGISTRY_URI": registry,
        "MLFLOW_EXPERIMENT_NAME": "ours",
    }
    cacbench("run", study, "--results", tmp_path / "r", "--jobs", 1, "--register", **environment)
    assert logged(server.uri, "ours") == (WHOLE, 2)
    assert logged(server.uri) == ([], 0)
    registered = mlflow.MlflowClient(registry_uri=registry).search_registered_models()
    assert {model.name for model in registered} == {f"toy.{name.replace('/', '.')}" for name in RUNS}
    assert not mlflow.MlflowClient(server.uri, server.uri).search_registered_models()


def test_the_page_of_a_server_is_named_and_nothing_started(cacbench):
    assert (
        cacbench("ui", MLFLOW_TRACKING_URI="https://me:secret@host.example").stdout
        == "https://host.example\n"
    )
