"""Explaining a run of a whole study, as the command does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from benchmark.analyses.explanation.explain import explain_run
from benchmark.analyses.explanation.report import report_of
from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.report.folder import Claim
from benchmark.report.report import publish
from benchmark.report.tables import summary
from benchmark.report.tracking.destination import tracking_uri

ROOT = Path(__file__).resolve().parents[4]
RADIOMICS = {
    "cohort": {"use": "toy_cohort", "zero": 12, "nonzero": 12},
    "extractors": {
        "radiomics": {"segmenter": "toy_centre", "families": ["firstorder", "ngtdm"]},
        "moments": {"use": "toy_moments", "segmenter": "toy_centre"},
    },
    "classifiers": {"logistic_regression": {"grid": {"C": [0.1]}}, "toy_nearest": {}},
    "protocol": {"folds": 2, "inner_folds": 2},
}


@pytest.fixture
def explain(tmp_path):
    def run(study, name=None, **options):
        with workers(1) as pool:
            return explain_run(
                study, name, Execution(Store(tmp_path / "store"), pool), permutations=5, **options
            )

    return run


def test_of_a_run_that_learns_from_components_every_feature_is_kept_and_can_matter(toy_study, explain):
    reduced = {**RADIOMICS["extractors"]["radiomics"], "components": 2}
    study = toy_study(**{**RADIOMICS, "extractors": {"radiomics": reduced}})
    found = explain(study)
    names = {*found.features.columns}
    assert set(found.tables["selection"]["feature"]) == names
    assert set(found.tables["selection"]["frequency"]) == {1.0}
    assert names <= {*found.tables["importance"].iloc[:, 0], *found.tables["importance"].iloc[:, 1]}
    with pytest.raises(UserError, match="the step components before the model mixes features"):
        explain(study, shap=True)


def test_the_reference_run_is_explained_on_what_the_study_found_and_a_repeat_computes_nothing(
    toy_study, explain, tmp_path
):
    study = toy_study(**RADIOMICS)
    with workers(1) as pool:
        result = run_study(study, Execution(Store(tmp_path / "store"), pool))
    found = explain(study, shap=True)
    assert found.run.name == "radiomics/logistic_regression"
    own = summary(result).query("run == 'radiomics/logistic_regression'").set_index("metric")
    everything = found.tables["ablation"].query("kept == 'all'").set_index("metric")
    for column in ("value", "low", "high"):
        assert everything[column].to_dict() == own[column].to_dict()
    assert set(found.tables["ablation"]["family"]) == {"", "firstorder", "ngtdm"}
    stored = {file: file.stat().st_mtime_ns for file in (tmp_path / "store").rglob("*.json")}
    again = explain(study, shap=True)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "store").rglob("*.json")} == stored
    for name, table in found.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name])


@pytest.mark.slow
def test_tables_figures_and_mlflow_hold_it(toy_study, explain, tmp_path):
    import mlflow

    study = toy_study(**RADIOMICS)
    report = publish(
        report_of(explain(study, shap=True)), Claim(tmp_path, Path(__file__), Path("toy"))
    ).report
    folder = tmp_path / report.folder
    assert folder == tmp_path / "toy" / "explain" / "radiomics_logistic_regression"
    tables = ["ablation", "importance", "selection", "shap", "shap_summary", "stability"]
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        ["report.html", "report.json"]
        + [f"{name}.csv" for name in tables]
        + [f"{name}.{suffix}" for name in ("ablation", "importance", "shap") for suffix in ("png", "svg")]
    )
    ablation = pd.read_csv(folder / "ablation.csv")
    assert ablation[ablation["kept"] != "all"][["value", "low", "high", "difference"]].notna().all(axis=None)
    mlflow.set_tracking_uri(tracking_uri(tmp_path))
    logged = mlflow.search_runs(experiment_names=["toy"]).iloc[0]
    assert logged["tags.mlflow.runName"] == "explain radiomics/logistic_regression"
    everything = ablation.query("kept == 'all' and metric == 'accuracy'")["value"].item()
    assert logged["metrics.ablation.all.accuracy"] == everything
    assert json.loads(json.dumps(report.facts))["run"] == "radiomics/logistic_regression"


def test_features_without_families_say_so_and_are_permuted_all_the_same(toy_study, explain, tmp_path):
    found = explain(toy_study(**RADIOMICS), "moments/toy_nearest")
    assert found.notes == ["the features of moments have no families by PyRadiomics' names: none is left out"]
    assert found.tables["ablation"]["kept"].unique().tolist() == ["all"]
    assert set(found.tables["importance"]["name"]) == {"mean", "sd", "max", "min", "n"}
    assert list(report_of(found).figures) == ["importance"]


def test_one_family_says_so(toy_study, explain):
    extractors = {"radiomics": {"segmenter": "toy_centre", "families": ["firstorder"]}}
    found = explain(toy_study(**{**RADIOMICS, "extractors": extractors}))
    assert found.notes == ["all features of radiomics are of one family, firstorder: none is left out"]


def test_a_run_the_study_does_not_have_is_refused_with_the_likeliest_one(toy_study, explain):
    with pytest.raises(
        UserError, match=r"--run radiomics/logistic: names no run of toy; .*radiomics/logistic_reg"
    ):
        explain(toy_study(**RADIOMICS), "radiomics/logistic")


def test_a_run_without_result_is_refused_with_its_reason_and_the_others(toy_study, explain):
    absent = {"use": "toy_moments", "segmenter": "toy_centre", "ready": False}
    study = toy_study(**{**RADIOMICS, "extractors": {"absent": absent, **RADIOMICS["extractors"]}})
    with pytest.raises(
        UserError,
        match=r"run absent/logistic_regression has no result: unavailable: no weights.*"
        r"choose by --run from radiomics/logistic_regression",
    ):
        explain(study)


def test_a_single_feature_is_refused(toy_study, explain, monkeypatch):
    from toy_plugins import MomentsExtractor

    monkeypatch.setattr(
        MomentsExtractor, "extract", lambda self, image, roi: pd.Series({"agatston": image.GetPixel(5, 5, 3)})
    )
    study = toy_study(**{**RADIOMICS, "extractors": {"moments": RADIOMICS["extractors"]["moments"]}})
    with pytest.raises(UserError, match="has one feature alone, agatston: nothing can be left out"):
        explain(study)


def test_shap_of_a_model_without_is_refused_in_one_sentence(toy_study, explain):
    with pytest.raises(
        UserError, match=r"moments/toy_nearest cannot be explained: fold 0: .*not KNeighborsClass"
    ):
        explain(toy_study(**RADIOMICS), "moments/toy_nearest", shap=True)


def cacbench(*arguments):
    command = [sys.executable, "-c", "from benchmark.cli import main; main()", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "plugin_package")}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)


@pytest.mark.slow
def test_the_command_prints_json_and_nothing_else_and_refuses_with_exit_code_2(toy_declaration, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({**toy_declaration, **RADIOMICS}, sort_keys=False))
    where = ("--results", tmp_path / "r", "--jobs", 1)
    done = cacbench("explain", study, "--json", *where)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert {"ablation", "importance", "selection", "stability", "notes"} <= set(facts)
    shown = cacbench("explain", study, *where)
    assert "firstorder left out" in shown.stdout
    assert "(Nogueira)" in shown.stdout
    refused = cacbench("explain", study, "--run", "nothing", *where)
    assert refused.returncode == 2
    assert refused.stderr.startswith("cacbench: --run nothing: names no run of toy")
    assert len(refused.stderr.splitlines()) == 1
