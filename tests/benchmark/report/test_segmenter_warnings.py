"""What a segmenter says against its own findings reaches tables, page, diagnosis and MLflow, case by case."""

import json

import mlflow
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from benchmark.cli import app
from benchmark.report.tracking.destination import tracking_uri


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doubted")
    declaration = {
        "name": "doubted",
        "cohort": {"use": "toy_cohort"},
        "segmenters": {"sure": {"use": "toy_centre"}, "unsure": {"use": "toy_centre", "doubted_hu": 380}},
        "extractors": {
            "first": {"use": "toy_moments", "segmenter": "unsure"},
            "second": {"use": "toy_moments", "segmenter": "unsure"},
            "third": {"use": "toy_moments", "segmenter": "sure"},
        },
        "classifiers": {"logistic_regression": {"grid": {"C": [1.0]}}},
        "protocol": {"folds": 3, "inner_folds": 3},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(declaration))
    arguments = ["run", str(folder / "study.yaml"), "--results", str(folder / "r"), "--jobs", "1"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return folder / "r", done.output


@pytest.fixture(scope="module")
def warned(finished):
    anomalies = pd.read_csv(finished[0] / "doubted" / "tables" / "anomalies.csv")
    return anomalies[anomalies["severity"] == "severe"]


def test_each_doubted_case_is_an_anomaly_once_whatever_the_number_of_extractors(finished, warned):
    cases = pd.read_csv(finished[0] / "doubted" / "tables" / "cases.csv")
    assert set(warned["segmenter"]) == {"unsure"}
    assert set(warned["anomaly"]) == {"bright"}
    assert warned["case_id"].is_unique
    assert 0 < len(warned) < len(cases)


def test_the_page_and_the_console_say_so(finished, warned):
    folder, output = finished
    page = (folder / "doubted" / "report.html").read_text()
    assert "Warnings of segmenters" in page
    assert "more than 380 HU in the cube" in page
    said = f"{len(warned)} × severe warning of unsure: bright"
    assert said in page
    assert said in " ".join(output.split())


def test_the_diagnosis_gives_the_share_of_scans_and_advice(finished, warned):
    facts = json.loads((finished[0] / "doubted" / "study.json").read_text())
    (sentence,) = [one for one in facts["diagnosis"] if "severe warning" in one]
    assert sentence.startswith(f"unsure: share of scans with a severe warning is {len(warned) / 40:.3f}")
    assert facts["anomalies"]["notable warning of unsure: toy"] == len(warned)


def test_mlflow_counts_the_doubted_cases_of_each_row(finished, warned):
    mlflow.set_tracking_uri(tracking_uri(finished[0]))
    runs = mlflow.search_runs(experiment_names=["doubted"], output_format="list")
    metrics = {run.info.run_name: run.data.metrics for run in runs}
    for name, cases in (("first", len(warned)), ("second", len(warned)), ("third", 0)):
        row = metrics[f"{name}/logistic_regression"]
        assert row["cases_warned_severe"] == row["cases_warned_notable"] == cases
