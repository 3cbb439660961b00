"""Where runs are logged, and what people are told of it."""

import pytest

from benchmark.report.tracking.destination import destination, tracking_uri, without_credentials


@pytest.mark.parametrize(
    ("given", "environment", "found"),
    [
        ((None, None), {}, (None, "")),
        ((None, None), {"MLFLOW_TRACKING_URI": "http://a", "MLFLOW_EXPERIMENT_NAME": "e"}, ("http://a", "e")),
        (
            ("http://b", "f"),
            {"MLFLOW_TRACKING_URI": "http://a", "MLFLOW_EXPERIMENT_NAME": "e"},
            ("http://b", "f"),
        ),
        (("http://b", None), {"MLFLOW_EXPERIMENT_NAME": "e"}, ("http://b", "e")),
        ((None, None), {"MLFLOW_TRACKING_URI": ""}, (None, "")),
    ],
)
def test_the_command_line_goes_before_the_environment_and_that_before_the_folder(
    tmp_path, monkeypatch, given, environment, found
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    where = destination(tmp_path, *given)
    assert (where.uri, where.experiment) == (found[0] or tracking_uri(tmp_path), found[1])
    assert where.embedded is (found[0] is None)


def test_the_address_of_the_folders_own_database_is_the_folders_own(tmp_path):
    assert destination(tmp_path, f"sqlite:///{tmp_path}/mlflow.db").embedded
    other = destination(tmp_path, f"sqlite:///{tmp_path}/other.db")
    assert not other.embedded
    assert other.sqlite_file == tmp_path / "other.db"


def test_no_password_is_shown(tmp_path):
    where = destination(tmp_path, "https://user:secret@host.example/mlflow/")
    assert where.place == "https://host.example/mlflow/"
    assert where.seen_by("3", "abc") == "https://host.example/mlflow/#/experiments/3/runs/abc"
    assert destination(tmp_path, "postgresql://u:p@q@h/db").place == "postgresql://h/db"
    assert without_credentials("API request to http://u:p@h/x failed") == "API request to http://h/x failed"
