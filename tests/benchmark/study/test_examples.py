"""The studies that come with cacbench are run by name, from a file that one may change."""

import pytest
from typer.testing import CliRunner

from benchmark.cli import app
from benchmark.errors import UserError
from benchmark.study.examples import copy_example, examples
from benchmark.study.reading import read_study


def test_the_default_study_and_those_of_the_folder_are_there():
    names = set(examples())
    assert {"phantoms", "first", "families", "robustness"} <= names
    assert read_study(examples()["phantoms"]).name == "phantoms"


def test_a_copy_is_the_study_and_is_made_once(tmp_path):
    file = copy_example("phantoms", tmp_path)
    assert file == tmp_path / "phantoms.yaml"
    again, shipped = (read_study(each).model_dump(mode="json") for each in (file, examples()["phantoms"]))
    assert again == shipped
    assert copy_example("phantoms", tmp_path) == file


def test_what_somebody_changed_is_neither_overwritten_nor_passed_over(tmp_path):
    file = copy_example("first", tmp_path)
    file.write_text(file.read_text() + "seed: 3\n")
    with pytest.raises(UserError, match=r"first.yaml: is there and says something else; run it by its name"):
        copy_example("first", tmp_path)
    assert read_study(file).seed == 3


def test_a_name_that_is_none_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(UserError, match=r"--example phantom: there is none of this name.*phantoms"):
        copy_example("phantom", tmp_path)


@pytest.mark.slow
def test_the_command_runs_it_where_one_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    smaller = ["--set", "cohort.zero=6", "--set", "cohort.nonzero=6", "--only", "calcium_volumes"]
    done = CliRunner().invoke(app, ["run", "--example", "first", "--jobs", "1", *smaller])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "first.yaml").is_file()
    assert (tmp_path / "results" / "first" / "report.html").is_file()
