"""The command line as its users meet it: in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from benchmark import __version__

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "plugin_package")}


def cacbench(*arguments, cwd=ROOT):
    command = [sys.executable, "-c", "from benchmark.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT)


@pytest.fixture
def study(tmp_path, toy_declaration):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(toy_declaration))
    return file


def test_help_imports_no_library_of_the_numbers():
    code = "import sys, benchmark.cli; print([m for m in ('numpy', 'pandas', 'torch', 'mlflow', 'sklearn', 'SimpleITK', 'pydantic') if m in sys.modules])"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_the_packages():
    assert cacbench("--version").stdout.strip() == f"cacbench {__version__}"


def test_a_run_ends_in_a_table_and_the_paths_of_what_it_wrote(study, tmp_path):
    done = cacbench("run", study, "--results", tmp_path / "r", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert "moments/toy_nearest" in done.stdout
    assert "40 features extracted and 8 models fitted" in done.stdout
    for line in done.stdout.splitlines()[-4:]:
        assert Path(line.strip()).exists(), line
    page = (tmp_path / "r" / "toy" / "report.html").read_text()
    assert "moments/toy_nearest" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_json_output_is_json_and_nothing_else(study, tmp_path):
    done = cacbench("run", study, "--results", tmp_path / "r", "--jobs", 1, "--json")
    facts = json.loads(done.stdout)
    assert facts["cases"] == 40
    assert set(facts["runs"]["moments/toy_nearest"]["accuracy"]) == {"value", "low", "high", "method"}
    assert json.loads(cacbench("validate", study, "--json").stdout)["runs"] == {
        "moments/logistic_regression": "ready",
        "moments/toy_nearest": "ready",
    }


def test_validate_refuses_cases_that_cannot_be_split(tmp_path, toy_declaration):
    toy_declaration["cohort"] = {"use": "toy_cohort", "zero": 20, "nonzero": 2}
    (tmp_path / "few.yaml").write_text(yaml.safe_dump(toy_declaration))
    done = cacbench("validate", tmp_path / "few.yaml")
    assert done.returncode == 2
    assert "only 2 cases have label 1, too few for 3 folds" in done.stderr


def test_list_shows_every_kind_with_parameters_and_state():
    described = json.loads(cacbench("list", "--json").stdout)
    assert list(described) == ["cohort", "segmenter", "feature_extractor", "classifier", "trainer"]
    assert described["classifier"]["random_forest"]["state"] == "ready"
    assert "zero" in described["cohort"]["toy_cohort"]["parameters"]
    assert "random_forest" in cacbench("list").stdout


@pytest.mark.parametrize(("name", "read"), [("f.parquet", pd.read_parquet), ("f.csv", pd.read_csv)])
def test_features_are_written_for_other_tools(study, tmp_path, name, read):
    done = cacbench("features", study, "--out", tmp_path / name, "--results", tmp_path / "r", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    table = read(tmp_path / name)
    assert list(table.columns[:5]) == ["case_id", "label", "cac_score", "group", "protocol"]
    assert "moments:mean" in table.columns
    assert len(table) == 40


def test_check_guards_what_update_wrote_and_exits_1_when_a_number_moves(study, tmp_path):
    results, headline = tmp_path / "r", tmp_path / "headline.json"
    arguments = (study, "--results", results, "--headline", headline)
    assert cacbench("run", study, "--results", results, "--jobs", 1).returncode == 0
    assert cacbench("check", *arguments, "--update").returncode == 0
    assert cacbench("check", *arguments).returncode == 0
    content = json.loads(headline.read_text())
    content["toy"]["runs"]["moments/toy_nearest"]["accuracy"]["value"] -= 0.5
    headline.write_text(json.dumps(content))
    moved = cacbench("check", *arguments)
    assert moved.returncode == 1
    assert "1 of" in moved.stdout
    assert "moments/toy_nearest" in moved.stdout


def test_strict_makes_an_unavailable_run_an_error(study, tmp_path, toy_declaration):
    toy_declaration["extractors"]["absent"] = {
        "use": "toy_moments",
        "segmenter": "toy_centre",
        "ready": False,
    }
    study.write_text(yaml.safe_dump(toy_declaration))
    refused = cacbench("run", study, "--results", tmp_path / "r", "--jobs", 1, "--strict")
    assert refused.returncode == 2
    assert "absent/toy_nearest is unavailable: no weights: fetch them" in refused.stderr
    assert cacbench("run", study, "--results", tmp_path / "r", "--jobs", 1).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere.yaml"], "nowhere.yaml: no such study file"),
        (
            ["check", "runs.yaml", "--results", "nowhere"],
            "nowhere/phantoms/study.json: there is no finished study",
        ),
        (["score", "nowhere.nii.gz"], "nowhere.nii.gz"),
        (["score", "nowhere.nii.gz", "--connectivity", "5"], "--connectivity: "),
        (["features", "runs.yaml", "--out", "f.xlsx"], "end the name in .parquet or .csv"),
        (
            ["features", "runs.yaml", "--out", "f.csv", "--extractor", "x"],
            "--extractor x: runs.yaml declares radiomics",
        ),
        (["ui", "--results", "nowhere"], "no MLflow database yet; run `cacbench run` first"),
        (["run", "--jobs", "0"], "--jobs"),
        (["rum"], "No such command"),
    ],
)
def test_a_mistake_is_exit_code_2_and_a_sentence_without_a_traceback(arguments, message):
    done = cacbench(*arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_a_mistake_in_the_study_file_names_file_line_place_and_remedy(study):
    study.write_text(study.read_text().replace("toy_cohort", "toy_cohrt"))
    done = cacbench("run", study)
    assert done.returncode == 2
    assert "study.yaml:" in done.stderr
    assert "did you mean 'toy_cohort'?" in done.stderr
