"""A folder of results belongs to one study, and holds what its last report wrote and nothing else of cacbench."""

import json
import shutil
from pathlib import Path

import mlflow
import pytest
import yaml
from typer.testing import CliRunner

from benchmark.cli import app
from benchmark.errors import UserError
from benchmark.report.folder import Claim
from benchmark.report.tracking.database import open_database


def cacbench(*arguments):
    more = [] if arguments[0] in ("power", "check") else ["--jobs", "1"]
    done = CliRunner().invoke(app, [*map(str, arguments), *more])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


TOY = {
    "name": "toy",
    "cohort": {"use": "toy_cohort"},
    "segmenters": {"toy_centre": {}},
    "extractors": {"moments": {"use": "toy_moments", "segmenter": "toy_centre"}},
    "classifiers": {"logistic_regression": {"grid": {"C": [0.1, 1.0]}}, "toy_nearest": {}},
    "protocol": {"folds": 3, "inner_folds": 3},
}


@pytest.fixture
def declare(tmp_path):
    """Write a study file of the name `toy`; return its path."""

    def write(file="toy.yaml", **changes):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump({**TOY, **changes}))
        return path

    return write


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a study file and its results."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "toy.yaml").write_text(yaml.safe_dump(TOY))
    cacbench("run", folder / "toy.yaml", "--results", folder / "r")
    return folder


@pytest.fixture
def results(tmp_path, finished):
    """Results of the study `toy.yaml` that lies beside them."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path / "r"


FEWER = {"classifiers": {"toy_nearest": {}}}


@pytest.mark.slow
def test_a_study_that_was_edited_takes_its_own_folder_again(declare, results):
    cacbench("run", declare(**FEWER), "--results", results)
    assert list(json.loads((results / "toy" / "study.json").read_text())["runs"]) == ["moments/toy_nearest"]


def test_another_study_of_the_name_is_refused_before_the_work(declare, results):
    page = (results / "toy" / "report.html").read_bytes()
    other = declare("other.yaml", protocol={"folds": 4, "inner_folds": 3})
    stored = sorted((results / "store").rglob("*"))
    with pytest.raises(
        UserError, match=r"r/toy: holds another study of this name, declared in .*toy\.yaml; give"
    ):
        cacbench("run", other, "--results", results)
    assert sorted((results / "store").rglob("*")) == stored
    assert (results / "toy" / "report.html").read_bytes() == page


@pytest.mark.parametrize("command", ["audit", "explain", "quality"])
def test_no_analysis_of_another_study_goes_below_it(declare, results, command):
    with pytest.raises(UserError, match="holds another study of this name"):
        cacbench(command, declare("other.yaml", **FEWER), "--results", results)


@pytest.mark.parametrize("command", ["power", "check"])
def test_what_reads_a_finished_study_refuses_that_of_another(declare, results, command):
    with pytest.raises(UserError, match="name the study that it holds"):
        cacbench(command, declare("other.yaml", **FEWER), "--results", results)


@pytest.mark.parametrize(
    ("cohort", "why"),
    [
        ({"use": "toy_cohort", "contrast": 10.0}, "of a cohort that is declared otherwise"),
        ({"use": "toy_cohort", "zero": 30}, "of a cohort that is declared otherwise"),
    ],
)
def test_another_cohort_in_the_same_file_is_another_study(declare, results, cohort, why):
    with pytest.raises(UserError, match=why):
        cacbench("run", declare(cohort=cohort), "--results", results)


@pytest.mark.parametrize(
    ("cases", "same"), [("abcdef", True), ("abc", True), ("cdefgh", True), ("cxyz", False), ("xyz", False)]
)
def test_cases_may_come_and_go_but_half_of_them_stay(tmp_path, cases, same):
    claim = Claim(tmp_path, Path(__file__), Path("s"), "cohort", tuple("abcd"))
    (tmp_path / "s").mkdir()
    claim.record(Path("s"), [])
    later = Claim(tmp_path, Path(__file__), Path("s"), "cohort", tuple(cases))
    if same:
        later.require()
    else:
        with pytest.raises(UserError, match=r"of other cases: \d of its 4 are in this one"):
            later.require()


@pytest.mark.slow
def test_force_replaces_another_study_and_leaves_nothing_of_it(declare, results):
    first = declare()
    cacbench("power", first, "--results", results, "--sizes", "50,100")
    (results / "toy" / "notes.txt").write_text("mine")
    (results / "toy" / "power" / "notes.txt").write_text("mine")
    cacbench("run", declare("other.yaml", **FEWER), "--results", results, "--force")
    assert (results / "toy" / "notes.txt").read_text() == "mine"
    assert [file.name for file in (results / "toy" / "power").iterdir()] == ["notes.txt"]
    assert list(json.loads((results / "toy" / "study.json").read_text())["runs"]) == ["moments/toy_nearest"]
    with pytest.raises(UserError, match=r"declared in .*other"):
        cacbench("run", first, "--results", results)


@pytest.mark.slow
def test_a_robustness_study_may_have_the_name_of_the_study_it_is_about(
    declare, results, tmp_path, toy_declaration
):
    file = tmp_path / "robustness.yaml"
    again = {"study": TOY, "conditions": {"dim": {"cohort": {"contrast": 100}}}}
    file.write_text(yaml.safe_dump(again))
    cacbench("run", declare(), "--results", results)
    cacbench("robustness", file, "--results", results)
    cacbench("run", declare(), "--results", results)
    assert (results / "toy" / "robustness" / "report.html").exists()


def test_a_file_that_a_later_run_does_not_write_goes_and_what_is_not_ours_stays(declare, results):
    study = declare()
    listed = json.loads((results / ".written" / "toy.json").read_text())
    stale = results / "toy" / "tables" / "of_before.csv"
    stale.write_text("a table that this version no longer writes")
    listed["files"].append("tables/of_before.csv")
    del listed["sha256"]  # as an earlier version wrote it
    (results / ".written" / "toy.json").write_text(json.dumps(listed))
    (results / "toy" / "tables" / "own.csv").write_text("somebody's")
    cacbench("run", study, "--results", results)
    assert not stale.exists()
    assert (results / "toy" / "tables" / "own.csv").exists()
    written = {
        path.relative_to(results / "toy").as_posix()
        for path in (results / "toy").rglob("*")
        if path.is_file()
    }
    recorded = json.loads((results / ".written" / "toy.json").read_text())["files"]
    assert written == {*recorded, "tables/own.csv"}


def test_the_explanation_of_a_run_leaves_that_of_another_run(declare, results):
    study = declare()
    cacbench("explain", study, "--results", results, "--run", "moments/toy_nearest")
    cacbench("explain", study, "--results", results, "--run", "moments/logistic_regression")
    assert {file.name for file in (results / "toy" / "explain").iterdir()} == {
        "moments_toy_nearest",
        "moments_logistic_regression",
    }


def test_a_record_names_no_file_outside_its_folder(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "precious.txt").write_text("precious")
    claim = Claim(tmp_path, Path(__file__), Path("s"))
    claim.record(Path("s"), [])
    record = json.loads((tmp_path / ".written" / "s.json").read_text())
    record["files"] = ["../precious.txt", str(tmp_path / "precious.txt")]
    del record["sha256"]  # as an earlier version wrote it, or somebody with a purpose
    (tmp_path / ".written" / "s.json").write_text(json.dumps(record))
    claim.record(Path("s"), [])
    assert (tmp_path / "precious.txt").exists()


@pytest.mark.parametrize("damage", ["a digit", "a key", "cut short", "a number", "of another folder"])
def test_a_damaged_record_makes_no_other_study_of_the_one_it_is_of(tmp_path, damage):
    for name in ("s", "t"):
        (tmp_path / name).mkdir()
    claim, other = (Claim(tmp_path, Path(__file__), Path(s), f"c1{s}", ("a", "b")) for s in ("s", "t"))
    claim.record(Path("s"), [])
    other.record(Path("t"), [])
    file = tmp_path / ".written" / "s.json"
    whole = file.read_text()
    file.write_text(
        {
            "a digit": whole.replace("c1s", "c7s"),
            "a key": whole.replace("cohort", "cohoru"),
            "cut short": whole[:40],
            "a number": "7",
            "of another folder": (tmp_path / ".written" / "t.json").read_text(),
        }[damage]
    )
    claim.require()
    claim.record(Path("s"), [])
    assert file.read_text() == whole


@pytest.mark.slow
def test_a_study_that_moved_with_its_results_or_without_is_still_the_same(declare, results, tmp_path):
    study = declare("project/toy.yaml")
    inside = tmp_path / "project" / "r"
    cacbench("run", study, "--results", inside)
    shutil.copytree(tmp_path / "project", tmp_path / "copy")
    cacbench("run", tmp_path / "copy" / "toy.yaml", "--results", tmp_path / "copy" / "r")
    inside.rename(tmp_path / "moved")
    cacbench("run", study, "--results", tmp_path / "moved")


@pytest.mark.slow
def test_a_folder_that_was_removed_by_hand_is_free_again(declare, results):
    shutil.rmtree(results / "toy")
    cacbench("run", declare("other.yaml", **FEWER), "--results", results)


@pytest.mark.slow
def test_mlflow_holds_the_very_files_that_were_written_and_none_of_another_report(declare, results, tmp_path):
    study = declare()
    cacbench("power", study, "--results", results, "--sizes", "50,100")
    cacbench("run", declare(**FEWER), "--results", results)
    open_database(results)
    run = mlflow.search_runs(
        experiment_names=["toy"], output_format="list", filter_string="run_name = 'toy'"
    )[0]
    (tmp_path / "held").mkdir()
    held = Path(mlflow.MlflowClient().download_artifacts(run.info.run_id, "", str(tmp_path / "held")))
    recorded = json.loads((results / ".written" / "toy.json").read_text())["files"]
    assert {"study.json", "report.html", "tables/summary.csv"} <= set(recorded)
    for name in recorded:
        assert (held / name).read_bytes() == (results / "toy" / name).read_bytes(), name
    assert not (held / "power").exists()
