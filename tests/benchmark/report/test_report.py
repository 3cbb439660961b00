"""The nine analyses hand over alike: a page, tables, figures, JSON, and a run of MLflow with the study's file."""

import json
from itertools import product

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from benchmark.cli import app
from benchmark.report.report import with_interval
from benchmark.report.tracking.destination import tracking_uri
from tests.benchmark.report.browser import chromium, serious_violations, why_no_browser

SEGMENTATION = {
    "name": "few",
    "cohorts": {
        "chest": {
            "use": "phantom",
            "zero": 1,
            "nonzero": 2,
            "coverage_mm": 90,
            "pixel_mm": 2.0,
            "noise_sd_hu": 5,
            "disease": {"median_score": 400, "sigma_ln": 0.2},
            "slice_thickness_mm": 5.0,
        }
    },
    "segmenters": {
        "rule": {"use": "threshold", "within": {"use": "reference"}},
        "heart": {"use": "reference"},
    },
    "replicates": 100,
}
ANALYSES = {
    "run": ("toy", "toy", "study.json"),
    "audit": ("toy", "toy/audit", "report.json"),
    "explain": ("toy", "toy/explain/moments_logistic_regression", "report.json"),
    "power": ("toy", "toy/power", "report.json"),
    "curve": ("toy", "toy/curve", "report.json"),
    "apply": ("toy", "toy/apply/others/moments_logistic_regression", "report.json"),
    "quality": ("toy", "toy/quality", "report.json"),
    "robustness": ("toy", "toy/robustness", "report.json"),
    "segmentation": ("few", "few", "report.json"),
}
OPTIONS = {
    "audit": ["--run", "moments/logistic_regression", "--permutations", "5"],
    "explain": ["--run", "moments/logistic_regression"],
    "power": ["--sizes", "50,100"],
    "curve": ["--scans", "1"],
}


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    toy = {
        "name": "toy",
        "cohort": {"use": "toy_cohort"},
        "segmenters": {"toy_centre": {}},
        "extractors": {"moments": {"use": "toy_moments", "segmenter": "toy_centre"}},
        "classifiers": {"logistic_regression": {"grid": {"C": [0.1, 1.0]}}, "toy_nearest": {}},
        "protocol": {"folds": 3, "inner_folds": 3},
    }
    contents = {
        "toy.yaml": toy,
        "robustness.yaml": {"study": toy, "conditions": {"dim": {"cohort": {"contrast": 100}}}},
        "segmentation.yaml": SEGMENTATION,
        "others.yaml": {"name": "others", "cohort": {"use": "toy_cohort", "called": "other"}},
    }
    for name, content in contents.items():
        (folder / name).write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture(scope="module", params=list(ANALYSES))
def done(request, studies):
    """Run one analysis from the command line; return its name, what it printed, and the results' folder."""
    command = request.param
    special = {"robustness": "robustness.yaml", "segmentation": "segmentation.yaml"}
    arguments = [command, str(studies / special.get(command, "toy.yaml")), "--results", str(studies / "r")]
    named = ["moments/logistic_regression", str(studies / "others.yaml")] if command == "apply" else []
    arguments[2:2] = named
    arguments += OPTIONS.get(command, []) + ([] if command == "power" else ["--jobs", "1"])
    printed = [CliRunner().invoke(app, arguments + more, catch_exceptions=False) for more in ([], ["--json"])]
    assert [result.exit_code for result in printed] == [0, 0]
    return command, printed[0].output, printed[1].stdout, studies / "r"


def test_every_analysis_is_handed_over_alike(done):
    command, shown, as_json, results = done
    experiment, place, facts_file = ANALYSES[command]
    folder = results / place

    page = (folder / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert f"<h1>{experiment}" in page
    assert "<table" in page
    assert "data:image/" in page
    assert "https://" not in page

    tables = list(folder.glob("*.csv")) + list((folder / "tables").glob("*.csv"))
    assert len(tables) >= 1
    assert json.loads((folder / facts_file).read_text()) == json.loads(as_json)
    assert str(folder / "report.html") in shown

    mlflow.set_tracking_uri(tracking_uri(results))
    runs = mlflow.search_runs(experiment_names=[experiment], output_format="list")
    held = {
        run.info.run_name: {item.path for item in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
        for run in runs
        if "mlflow.parentRunId" not in run.data.tags
    }
    named = {"run": "toy", "explain": "explain moments/logistic_regression", "segmentation": "few"}
    named["apply"] = "apply moments/logistic_regression to others"
    artifacts = held[named.get(command, command)]
    assert {"report.html", "environment"} <= artifacts
    assert any(path.endswith(".yaml") for path in artifacts)


@pytest.mark.slow
@pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser())
def test_every_page_fits_says_nothing_on_the_console_and_can_be_read_by_all(done):
    command, _, _, results = done
    with chromium() as browser:
        for width, scheme in product((1280, 390), ("light", "dark")):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            said = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.on("pageerror", lambda error, said=said: said.append(str(error)))
            page.goto((results / ANALYSES[command][1] / "report.html").as_uri())
            page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, scheme)
            assert serious_violations(page) == [], (width, scheme)
            assert said == []
            assert page.locator("img").count() >= 1
            page.close()


@pytest.mark.slow
def test_the_same_results_give_the_same_page(studies):
    page = studies / "again" / "toy" / "report.html"
    arguments = ["run", str(studies / "toy.yaml"), "--results", str(studies / "again"), "--jobs", "1"]
    pages, said = [], []
    for _ in range(2):
        said.append(CliRunner().invoke(app, arguments, catch_exceptions=False).output)
        pages.append(page.read_bytes())
    assert pages[0] == pages[1]
    assert "120 feature vectors extracted and 8 models fitted" in said[0]
    assert "0 feature vectors extracted and 0 models fitted" in said[1]


@pytest.mark.parametrize(
    ("numbers", "options", "text"),
    [
        ((0.5, 0.25, 0.75), {}, "0.500 [0.25, 0.75]"),
        ((0.5, 0.25, 0.75), {"digits": 1, "ends": 3, "sign": "+"}, "+0.5 [+0.250, +0.750]"),
        ((0.5, np.nan, np.nan), {}, "0.500"),
        ((np.nan, 0.1, 0.2), {}, ""),
        ((pd.NA, 0.1, 0.2), {}, ""),
        ((0.5, 0.25, 0.75), {"method": "wilson"}, "0.500 [0.25, 0.75] (wilson)"),
        ((0.5, None, None), {"method": "not estimable"}, "0.500 (not estimable)"),
    ],
)
def test_a_value_with_its_interval_is_written_in_one_way(numbers, options, text):
    assert with_interval(*numbers, **options) == text
