"""MLflow's store stays usable where a results folder is moved, copied, shared, or named as nobody expects."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from benchmark.errors import UserError
from benchmark.report.tracking.database import open_database, open_tracking, relocate
from benchmark.report.tracking.destination import destination, tracking_uri
from benchmark.report.tracking.live import live_run


def log(results, name="first", text="said"):
    """Log a run with one artifact; return its id."""
    with live_run(destination(results), "study", name, {"a": 1}) as into:
        into(lambda module: module.log_text(text, "folder/note.txt"))
        return mlflow.active_run().info.run_id


def note_of(run_id):
    return mlflow.artifacts.load_text(f"runs:/{run_id}/folder/note.txt")


@pytest.mark.slow
def test_a_moved_folder_takes_its_artifacts_along_and_the_old_one_is_not_made_again(tmp_path):
    old, new = tmp_path / "old", tmp_path / "elsewhere" / "new"
    first = log(old)
    new.parent.mkdir()
    old.rename(new)
    second = log(new, "second")
    assert not old.exists()
    assert (note_of(first), note_of(second)) == ("said", "said")
    places = {run.info.artifact_uri for run in mlflow.MlflowClient().search_runs(["1"])}
    assert all(place.startswith((new / "mlartifacts").as_uri()) for place in places)


def test_a_copied_folder_reads_and_writes_its_own_artifacts(tmp_path):
    first = log(tmp_path / "original")
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    (tmp_path / "copy" / "mlartifacts" / first / "artifacts" / "folder" / "note.txt").write_text(
        "of the copy"
    )
    open_database(tmp_path / "copy")
    assert note_of(first) == "of the copy"
    open_database(tmp_path / "original")
    assert note_of(first) == "said"


def test_a_database_copied_without_artifacts_still_finds_the_old_ones(tmp_path):
    first = log(tmp_path / "original")
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "original" / "mlflow.db", tmp_path / "copy")
    second = log(tmp_path / "copy", "second")
    assert note_of(first) == "said"
    assert (tmp_path / "copy" / "mlartifacts" / second).is_dir()


def test_the_artifacts_of_an_experiment_somebody_keeps_elsewhere_stay_there(tmp_path):
    module = open_database(tmp_path / "r")
    elsewhere = (tmp_path / "elsewhere").as_uri()
    module.create_experiment("own", artifact_location=elsewhere)
    relocate(tmp_path / "r")
    assert module.get_experiment_by_name("own").artifact_location == elsewhere


@pytest.mark.slow
@pytest.mark.parametrize("own", [False, True])
def test_first_runs_at_once_share_one_database_and_one_experiment(tmp_path, own):
    uri = f"sqlite:///{tmp_path}/elsewhere.db" if own else ""
    code = (
        "import sys; from pathlib import Path\n"
        "from benchmark.report.tracking.destination import destination\n"
        "from benchmark.report.tracking.live import live_run\n"
        "with live_run(destination(Path(sys.argv[1]), sys.argv[3] or None), 'study', sys.argv[2], {}): pass"
    )
    (standing := tmp_path / "standing").mkdir()
    where = {"cwd": standing, "env": {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[4])}}
    together = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path, str(i), uri], stderr=subprocess.PIPE, text=True, **where
        )
        for i in range(3)
    ]
    said = [process.communicate(timeout=300)[1] for process in together]
    assert [process.returncode for process in together] == [0, 0, 0], said
    assert said == ["", "", ""]
    module = open_tracking(destination(tmp_path, uri))
    runs = module.search_runs(experiment_names=["study"], output_format="list")
    assert {run.info.run_name for run in runs} == {"0", "1", "2"}
    assert not any(standing.iterdir())
    home = (tmp_path / "mlartifacts").as_uri()
    assert {run.info.artifact_uri.startswith(f"{home}/") for run in runs} == {True}


def test_an_experiment_deleted_in_mlflow_is_restored_and_said_to_be(tmp_path, capsys):
    first = log(tmp_path)
    mlflow.delete_experiment("1")
    second = log(tmp_path, "second")
    assert (
        "the experiment study was deleted in MLflow; it is restored with its runs" in capsys.readouterr().err
    )
    assert {run.info.run_id for run in mlflow.MlflowClient().search_runs(["1"])} == {first, second}


@pytest.mark.parametrize("name", ["ü \"b'", "a%20b", "a#b", "a?b=100%"])
def test_any_name_of_a_folder_will_do(tmp_path, name):
    run = log(tmp_path / name)
    assert note_of(run) == "said"
    assert {path.name for path in tmp_path.iterdir()} == {name}
    assert {".mlflow.db.lock", "mlartifacts", "mlflow.db"} == {
        path.name for path in (tmp_path / name).iterdir()
    }
    (tmp_path / name).rename(tmp_path / f"{name} moved")
    open_database(tmp_path / f"{name} moved")
    assert note_of(run) == "said"


def test_an_ordinary_folder_has_the_address_that_one_would_write_oneself(tmp_path):
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"


def _text(file: Path) -> None:
    file.write_text("no database, but longer than the header of one would be. " * 20)


@pytest.mark.parametrize("spoil", [_text, Path.mkdir])
def test_what_is_no_database_is_named_and_left_alone(tmp_path, spoil):
    spoil(tmp_path / "mlflow.db")
    with pytest.raises(UserError, match=r"mlflow\.db: cannot be used as MLflow's database \(.*move it away"):
        open_database(tmp_path)
    assert (tmp_path / "mlflow.db").exists()


@pytest.mark.slow
def test_the_database_of_another_mlflow_is_named_with_the_remedy(tmp_path):
    import sqlite3

    open_database(tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of_the_future'")
    code = "import sys; from pathlib import Path; from benchmark.report.tracking.database import open_database as o; o(Path(sys.argv[1]))"  # noqa: E501
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, env=os.environ
    )
    assert "UserError: " in done.stderr
    assert "mlflow db upgrade" in done.stderr
