"""A failure of MLflow's own database costs no result and is made up; what is there is not logged again."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import pytest
import yaml
from matplotlib.figure import Figure
from typer.testing import CliRunner

from benchmark.analyses.study_run import read
from benchmark.analyses.study_run import run as start
from benchmark.cli import app
from benchmark.execution.progress import silent
from benchmark.report.folder import claim_folder
from benchmark.report.report import publish
from benchmark.report.study_report import report_of
from benchmark.report.tracking import database, once
from benchmark.report.tracking.destination import destination, tracking_uri
from benchmark.report.tracking.live import live_run


@pytest.fixture
def run(tmp_path, toy_declaration):
    """Run the toy study; return what it printed."""
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(toy_declaration))

    def start(*more):
        arguments = [
            "run",
            str(tmp_path / "toy.yaml"),
            "--results",
            str(tmp_path / "r"),
            "--jobs",
            "1",
            *more,
        ]
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done

    return start


def parents(results):
    runs = mlflow.MlflowClient(tracking_uri(results)).search_runs(["1"])
    return sorted(run.info.run_name for run in runs if "mlflow.parentRunId" not in run.data.tags)


def forget_stores():
    """Have MLflow open databases anew, as a new process does."""
    mlflow.tracking._tracking_service.utils._tracking_store_registry._get_store_with_resolved_uri.cache_clear()


def spoil(file, how):
    if how == "corrupt":
        file.write_bytes(b"no database at all, but longer than its header is" * 50)
    elif how == "newer":
        with sqlite3.connect(file) as connection:
            connection.execute("UPDATE alembic_version SET version_num = 'of_the_future'")
    else:
        held = sqlite3.connect(file)
        held.execute("BEGIN EXCLUSIVE")
        return held.close
    return lambda: None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("corrupt", "file is not a database"),
        ("newer", "bring it up to date with `mlflow db upgrade`"),
        ("locked", "database is locked"),
    ],
)
def test_a_database_out_of_order_is_two_warnings_and_the_next_start_makes_it_up(
    run, tmp_path, monkeypatch, how, said
):
    monkeypatch.setattr(database, "PATIENCE_S", 0.2)
    database.open_database(tmp_path / "r")
    good = (tmp_path / "r" / "mlflow.db").read_bytes()
    mend = spoil(tmp_path / "r" / "mlflow.db", how)
    forget_stores()
    first = run()
    warnings = [line for line in first.stderr.splitlines() if line.startswith("MLflow: ")]
    assert len(warnings) == 2
    assert all(said in line for line in warnings)
    assert "MLflow: run" not in first.stdout
    assert (tmp_path / "r" / "toy" / "study.json").exists()
    mend()
    (tmp_path / "r" / "mlflow.db").write_bytes(good)
    forget_stores()
    assert "MLflow: run" in run().stdout
    assert parents(tmp_path / "r") == ["toy"]


@pytest.mark.slow
def test_a_repeat_names_the_run_it_repeats_and_has_nothing_else(run, tmp_path):
    run()
    client = mlflow.MlflowClient(tracking_uri(tmp_path / "r"))
    (first,) = client.search_runs(["1"], "attributes.run_name = 'toy'")
    models = len(client.search_logged_models(["1"]))
    assert f"MLflow: a repeat of run {first.info.run_id}" in run().stdout
    (repeat,) = client.search_runs(["1"], "attributes.run_name = 'toy (repeat)'")
    assert repeat.data.tags["cacbench.repeat_of"] == first.info.run_id
    assert client.list_artifacts(repeat.info.run_id) == []
    assert client.search_runs(["1"], f"tags.`mlflow.parentRunId` = '{repeat.info.run_id}'") == []
    assert len(client.search_logged_models(["1"])) == models


@pytest.mark.slow
def test_a_repeat_draws_no_figure_and_leaves_every_file_as_it_was(run, tmp_path, monkeypatch):
    run()
    before = {file: file.read_bytes() for file in (tmp_path / "r" / "toy").rglob("*") if file.is_file()}
    drawn, save = [], Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda *args, **kw: drawn.append(kw["format"]) or save(*args, **kw)
    )
    run()
    after = {file: file.read_bytes() for file in (tmp_path / "r" / "toy").rglob("*") if file.is_file()}
    assert (drawn, after) == ([], before)
    assert sum(file.suffix == ".svg" for file in before) == 5
    run("--set", "comparisons.metrics=[f1]", "--force")
    assert drawn == ["svg", "png"]  # the comparison alone shows something else


@pytest.mark.slow
def test_a_run_that_somebody_deleted_is_logged_again_whole_whatever_repeats_it(run, tmp_path):
    run()
    run()
    client = mlflow.MlflowClient(tracking_uri(tmp_path / "r"))
    for logged in client.search_runs(["1"]):
        if logged.info.run_name != "toy (repeat)":
            client.delete_run(logged.info.run_id)
    assert "MLflow: run" in run().stdout
    assert len(client.search_runs(["1"], "tags.`mlflow.parentRunId` != ''")) == 5


@pytest.mark.slow
def test_results_that_were_computed_again_are_logged_again(run, tmp_path):
    import shutil

    run()
    shutil.rmtree(tmp_path / "r" / "store")
    assert "MLflow: run" in run().stdout
    assert parents(tmp_path / "r") == ["toy", "toy"]


@pytest.mark.slow
def test_the_experiment_of_the_command_line_takes_the_place_of_the_studys(run, tmp_path):
    assert "of experiment ours" in run("--experiment", "ours").stdout
    assert mlflow.MlflowClient(tracking_uri(tmp_path / "r")).get_experiment_by_name("toy") is None


def test_json_stays_json_where_nothing_can_be_logged(run):
    done = run("--json", "--tracking-uri", "postgresql://user:secret@127.0.0.1:9/none")
    assert done.stdout.startswith("{")
    assert done.stderr.count("MLflow: ") == 2
    assert "secret" not in done.output


def test_a_run_that_is_filled_as_work_goes_on_survives_the_loss_of_its_database(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(database, "PATIENCE_S", 0.2)
    results = tmp_path / "r"
    with live_run(destination(results), "training", "net", {"steps": 2}) as log:
        log(lambda module: module.log_metrics({"loss": 1.0}, step=0))
        (results / "mlflow.db").write_bytes(b"gone" * 1000)
        log(lambda module: module.log_metrics({"loss": 0.5}, step=1))
        log(lambda module: module.log_metrics({"loss": 0.2}, step=2))
    assert capsys.readouterr().err.count("nothing is logged to") == 1
    with live_run(destination(tmp_path / "other"), "training", "net", {}) as log:
        log(lambda module: module.log_metrics({"loss": 1.0}, step=0))
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_results_that_took_another_time_are_the_same_results(tmp_path, toy_declaration):
    """Two studies that start together compute the same scans, and the store keeps the seconds of one of them."""
    file = tmp_path / "toy.yaml"
    file.write_text(yaml.safe_dump(toy_declaration))
    study = read(file)
    result = start(study, tmp_path / "r", progress=silent).result
    result.features.seconds = {name: seconds + 1 for name, seconds in result.features.seconds.items()}
    result.features.computed = result.fitted = 0
    where = destination(tmp_path / "r", None, None)
    claim = claim_folder(where, Path(study.name), file, {"": study.cohort}, False)
    assert "a repeat of run" in publish(report_of(result), claim).logged.place


def computed_just_now(folder):
    return once.Finished(
        "toy", "toy", "digest", repeats=False, attempt=folder / "toy.logging", began=time.time()
    )


def test_of_the_same_study_at_once_the_second_to_end_is_a_repeat_and_a_later_one_is_not(tmp_path):
    where = destination(tmp_path / "r")
    one, other = computed_just_now(tmp_path), computed_just_now(tmp_path)
    assert "MLflow: run" in once.log_once(where, one, lambda _: None).place
    assert "a repeat of run" in once.log_once(where, other, lambda _: None).place
    assert "MLflow: run" in once.log_once(where, computed_just_now(tmp_path), lambda _: None).place
    assert parents(tmp_path / "r") == ["toy", "toy", "toy (repeat)"]


def test_who_logs_the_same_meanwhile_waits_and_takes_nothing_for_broken_off(tmp_path, monkeypatch):
    monkeypatch.setattr(once, "PATIENCE_S", 0.2)
    where, same, said = destination(tmp_path / "r"), computed_just_now(tmp_path), []

    def another_comes(_):
        with ThreadPoolExecutor() as pool:
            said.append(pool.submit(once.log_once, where, same, lambda _: None).result().warning)

    assert "MLflow: run" in once.log_once(where, same, another_comes).place
    assert "another cacbench has held the logging of this analysis for 0.2 s" in said[0]
    assert parents(tmp_path / "r") == ["toy"]


def test_a_database_that_is_removed_while_it_is_filled_is_told_in_one_sentence(tmp_path, capfd):
    where = destination(tmp_path / "r")

    def removed_meanwhile(mlflow):
        (tmp_path / "r" / "mlflow.db").unlink()
        mlflow.log_metric("accuracy", 1.0)

    warning = once.log_once(where, computed_just_now(tmp_path), removed_meanwhile).warning
    assert "attempt to write a readonly database" in warning
    assert "Traceback" not in capfd.readouterr().err
