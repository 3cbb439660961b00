"""A study that is made anew has the same numbers to the last bit; what was made otherwise is named."""

import json
import sqlite3
from contextlib import closing

import pytest
import yaml
from typer.testing import CliRunner

from benchmark.analyses.reproduction.difference import made_otherwise, numbers_side_by_side
from benchmark.analyses.reproduction.held import held_by
from benchmark.cli import app
from benchmark.cli import main as command_line
from benchmark.report.tracking.destination import destination

STUDY = {
    "name": "toy",
    "cohort": {"use": "toy_cohort"},
    "segmenters": {"toy_centre": {}},
    "extractors": {"moments": {"use": "toy_moments", "segmenter": "toy_centre"}},
    "classifiers": {"logistic_regression": {"grid": {"C": [0.1, 1.0]}}, "toy_nearest": {}},
    "protocol": {"folds": 3, "inner_folds": 3},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A finished study, one of whose keys was changed on the command line."""
    folder = tmp_path_factory.mktemp("held")
    (folder / "toy.yaml").write_text(yaml.safe_dump(STUDY))
    arguments = [
        "run",
        folder / "toy.yaml",
        "--results",
        folder / "r",
        "--jobs",
        "1",
        "-q",
        "--set",
        "protocol.inner_folds=2",
    ]
    assert CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False).exit_code == 0
    return folder / "r"


@pytest.fixture
def reproduce(tmp_path, results):
    def call(origin, *options):
        options = (*options, "--results", results, "--out", tmp_path / "out", "--jobs", 1)
        return CliRunner().invoke(app, ["reproduce", *map(str, (origin, *options))], catch_exceptions=False)

    return call


@pytest.mark.slow
def test_from_its_folder_every_number_comes_out_the_same(reproduce, results):
    done = reproduce(results / "toy")
    assert done.exit_code == 0
    count = len(numbers_side_by_side(*[json.loads((results / "toy" / "study.json").read_text())] * 2))
    assert count > 100
    assert f"toy: all {count} numbers are the same as in {results / 'toy'}" in done.stdout
    assert "made otherwise" not in done.stdout


@pytest.mark.slow
def test_from_a_childs_run_the_parents_study_is_made_anew(reproduce, results):
    with closing(sqlite3.connect(results / "mlflow.db")) as database:
        named = dict(database.execute("SELECT name, run_uuid FROM runs").fetchall())
    done = reproduce(named["moments/toy_nearest"], "--json")
    said = json.loads(done.stdout)
    assert done.exit_code == 0
    assert said["held"] == f"run {named['toy']} of {results / 'mlflow.db'}"
    assert (said["different"], said["otherwise"]) == ([], [])


@pytest.mark.slow
def test_one_changed_parameter_is_named_and_what_it_changes(reproduce, results, tmp_path):
    (tmp_path / "other.yaml").write_text(
        yaml.safe_dump({**STUDY, "protocol": {"folds": 4, "inner_folds": 3}})
    )
    done = reproduce(results / "toy", "--study", tmp_path / "other.yaml", "--json")
    said = json.loads(done.stdout)
    assert done.exit_code == 1
    assert said["otherwise"] == ["parameter protocol.folds: 3 before, 4 now"]
    assert 0 < len(said["different"]) < said["numbers"]


@pytest.mark.slow
def test_a_number_that_differs_is_shown_before_and_now(reproduce, results, tmp_path):
    copy = tmp_path / "r" / "toy"
    copy.mkdir(parents=True)
    facts = json.loads((results / "toy" / "study.json").read_text())
    facts["runs"]["moments/toy_nearest"]["accuracy"]["value"] -= 1e-12
    (copy / "study.json").write_text(json.dumps(facts))
    (copy / "study.yaml").write_text((results / "toy" / "study.yaml").read_text())
    done = reproduce(copy)
    assert done.exit_code == 1
    assert f"toy: 1 of {len(numbers_side_by_side(facts, facts))} numbers are others" in done.stdout
    assert "runs: moments/toy_nearest: accuracy: value" in done.stdout


def test_relative_paths_start_where_the_study_file_was_or_where_one_is_told(results, tmp_path):
    where = destination(results)
    assert held_by(str(results / "toy"), where, None).base.resolve() == results.parent.resolve()
    assert held_by(str(results / "toy"), where, tmp_path).base == tmp_path


@pytest.mark.parametrize(
    ("origin", "options", "message"),
    [
        ("nothing", [], "neither the folder of a finished study"),
        ("0" * 32, [], "cannot be read (Run with id"),
        ("{results}/store", [], "there is no finished study"),
        ("{results}/toy", ["--out", "{results}"], "holds the study itself"),
        ("{results}/toy", ["--study", "{results}/../named.yaml"], "declares the study named"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(results, monkeypatch, capsys, origin, options, message):
    (results.parent / "named.yaml").write_text(yaml.safe_dump({**STUDY, "name": "named"}))
    arguments = ["reproduce", origin, "--results", "{results}", "--out", "{results}/../out", *options]
    monkeypatch.setattr("sys.argv", ["cacbench", *(text.format(results=results) for text in arguments)])
    with pytest.raises(SystemExit) as ended:
        command_line()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_a_database_is_not_made_where_there_is_none(tmp_path):
    with pytest.raises(Exception, match="no MLflow database"):
        held_by("0" * 32, destination(tmp_path / "none"), None)
    assert not (tmp_path / "none").exists()


NOW = {
    "parameters": {"protocol.folds": 5},
    "versions": {"numpy": "2.4.6"},
    "weights": {"denseraunet": "aa"},
    "processor": "A",
    "cohort_hash": "h",
    "made_of": {"a/b": {"extractor": {"fingerprint": "1", "precision": ""}}},
    "without_result": {},
}


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        ({"parameters": {"protocol.folds": 3}}, "parameter protocol.folds: 3 before, 5 now"),
        ({"parameters": {}}, "parameter protocol.folds: absent before, 5 now"),
        ({"versions": {"numpy": "2.4.5"}}, "version of numpy: 2.4.5 before, 2.4.6 now"),
        ({"weights": {"denseraunet": "bb"}}, "weights of denseraunet: bb before, aa now"),
        ({"processor": "B"}, "processor: B before, A now"),
        ({"cohort_hash": "i"}, "cohort: other cases, labels or groups"),
        (
            {"made_of": {"a/b": {"extractor": {"fingerprint": "2", "precision": ""}}}},
            "plug-ins of a/b: another extractor, by its fingerprint",
        ),
    ],
)
def test_what_was_made_otherwise_is_named(before, sentence):
    assert made_otherwise({**NOW, **before}, NOW, ("", "")) == [sentence]


def test_what_an_earlier_version_did_not_record_is_said_and_commits_are_compared_where_known():
    bare = {key: value for key, value in NOW.items() if key not in ("parameters", "weights", "cohort_hash")}
    assert made_otherwise(bare, NOW, ("", "c")) == ["parameters: not recorded", "weights: not recorded"]
    assert made_otherwise(NOW, NOW, ("b", "c")) == ["commit: b before, c now"]
    lost = {**NOW, "without_result": {"a/b": "no weights"}}
    assert made_otherwise(NOW, lost, ("c", "c")) == ["a/b: no result now: no weights"]


def test_a_number_that_only_one_has_is_different():
    table = numbers_side_by_side({"cases": 3, "runs": {"a": {"f1": 0.5}}}, {"cases": 3, "runs": {}})
    assert table.set_index("number")["same"].to_dict() == {"cases": True, "runs: a: f1": False}
