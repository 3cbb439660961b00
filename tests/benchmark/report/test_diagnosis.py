"""Each known failure signature fires on a study that shows it, with its number and the next run, and on no other."""

import json

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from benchmark.case import Exclusion
from benchmark.cli import app
from benchmark.pipeline.results import Features, StudyResult
from benchmark.report.diagnosis import as_table, diagnose
from benchmark.study.study import Study

GOOD = {"accuracy": 0.84, "sensitivity": 0.95, "specificity": 0.72}


def finished(exclusions=(), **runs):
    """A result with the given metrics per extractor, and its summary table."""
    study = Study.model_validate(
        {
            "name": "s",
            "cohort": {"use": "toy_cohort"},
            "segmenters": {
                "vessels": {"use": "reference"},
                "calcium": {"use": "threshold", "within": "vessels"},
                "everything": {"use": "whole_image"},
            },
            "extractors": {
                "plain": {"use": "radiomics", "segmenter": "vessels"},
                "dense": {"use": "radiomics", "segmenter": "calcium"},
                "whole": {"use": "radiomics", "segmenter": "everything"},
                "frozen": {"use": "ct_fm", "segmenter": "everything"},
                "control": {"use": "ct_fm", "segmenter": "everything", "weights": {"untrained": 0}},
            },
            "classifiers": {"random_forest": {}, "xgboost": {}},
        }
    )
    cases = pd.DataFrame({"label": [0, 1] * 20}, index=[f"c{number}" for number in range(40)])
    features = Features(cases, {}, list(exclusions), {}, {})
    empty = pd.DataFrame()
    result = StudyResult(study, features, list(cases.index), empty, empty, empty, {})
    rows = [
        {"run": name if "/" in name else f"{name}/random_forest", "metric": metric, "value": value}
        for name, changed in runs.items()
        for metric, value in {**GOOD, **changed}.items()
    ]
    return result, pd.DataFrame(rows, columns=["run", "metric", "value"])


def test_a_study_as_published_shows_nothing():
    assert diagnose(*finished(plain={}, dense={}, whole={}, frozen={"accuracy": 0.74})) == []
    columns = ["subject", "sign", "value", "limit", "cause", "next_run", "measured"]
    assert list(as_table([]).columns) == columns


@pytest.mark.parametrize(
    ("run", "metrics", "sign", "advice"),
    [
        ("plain", {"sensitivity": 0.62}, "sensitivity", "`vessels: {dilation_mm: 2}`"),
        ("whole", {"sensitivity": 0.62}, "sensitivity", "another segmenter than everything"),
        ("plain", {"specificity": 0.41}, "specificity", "`{use: threshold, within: vessels}`"),
        ("dense", {"specificity": 0.41}, "specificity", "`calcium: {hu: 150}`"),
        ("frozen", {"accuracy": 0.63}, "accuracy", "radiomics on the same ROI"),
    ],
)
def test_a_signature_fires_with_its_number_and_the_next_run(run, metrics, sign, advice):
    (found,) = diagnose(*finished(**{run: metrics}))
    assert found.subject == f"{run}/random_forest"
    assert (found.sign, found.value) == (sign, next(iter(metrics.values())))
    assert advice in found.next_run
    assert f"{found.value:.3f}" in str(found)


@pytest.mark.parametrize("metrics", [{"sensitivity": 0.70}, {"specificity": 0.60}, {"accuracy": 0.5}])
def test_at_the_limit_and_for_weak_radiomics_nothing_fires(metrics):
    assert diagnose(*finished(plain=metrics)) == []


def test_an_untrained_control_is_not_judged():
    assert diagnose(*finished(control={"accuracy": 0.5, "sensitivity": 0.5, "specificity": 0.5})) == []


def test_an_extractor_is_judged_by_its_most_accurate_run():
    weak = {"accuracy": 0.60, "sensitivity": 0.30}
    assert diagnose(*finished(**{"plain/random_forest": {}, "plain/xgboost": weak})) == []


def test_segmentation_failures_are_counted_once_per_case_with_their_wilson_interval():
    exclusions = [
        Exclusion("c1", "plain", "segment", "empty"),
        Exclusion("c1", "dense", "segment", "empty"),
        Exclusion("c2", "plain", "segment", "empty"),
        Exclusion("c3", "plain", "segment", "empty"),
        Exclusion("c4", "plain", "extract", "one voxel"),
    ]
    first, second = diagnose(*finished(exclusions, plain={}))
    assert (first.subject, first.sign, first.value) == ("vessels", "exclusion rate", 3 / 40)
    # Wilson, J Am Stat Assoc 1927;22:209: (p + z²/2n ± z √(p q/n + z²/4n²)) / (1 + z²/n), p = 3/40
    assert "3 of 40, 95 % interval 0.026 to 0.199" in first.cause
    assert "often" in first.cause
    assert "at times" in second.cause
    assert second.subject == "calcium"


@pytest.mark.slow
def test_it_is_printed_after_the_table_and_logged(tmp_path):
    study = {
        "name": "noise",
        "cohort": {"use": "toy_cohort", "contrast": 0.0, "broken": [3]},
        "segmenters": {"toy_centre": {}},
        "extractors": {"moments": {"use": "toy_moments", "segmenter": "toy_centre"}},
        "classifiers": {"logistic_regression": {"grid": {"C": [0.1]}}},
        "protocol": {"folds": 3, "inner_folds": 3},
    }
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    arguments = ["run", str(tmp_path / "s.yaml"), "--results", str(tmp_path / "r"), "--jobs", "1"]
    output = CliRunner().invoke(app, arguments).output
    assert output.index("accuracy") < output.index("diagnosis: moments/logistic_regression: ")
    facts = json.loads((tmp_path / "r" / "noise" / "study.json").read_text())
    table = pd.read_csv(tmp_path / "r" / "noise" / "tables" / "diagnosis.csv")
    assert len(table) == len(facts["diagnosis"]) >= 1
    assert all(sentence in output for sentence in facts["diagnosis"])
    logged = list((tmp_path / "r" / "mlartifacts").rglob("diagnosis.csv"))
    assert len(logged) == 1
    assert (tmp_path / "r" / "noise" / "tables" / "diagnosis.csv").read_bytes() == logged[0].read_bytes()


def constant(tmp_path, classifiers, **changes):
    """Run a study of few cases; return what it says, and the facts."""
    study = {
        "name": "few",
        "cohort": {"use": "toy_cohort", "zero": 8, "nonzero": 8},
        "segmenters": {"toy_centre": {}},
        "extractors": {"moments": {"use": "toy_moments", "segmenter": "toy_centre"}},
        "classifiers": classifiers,
        "protocol": {"folds": 2, "inner_folds": 2},
        **changes,
    }
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    arguments = ["run", str(tmp_path / "s.yaml"), "--results", str(tmp_path / "r"), "--jobs", "1"]
    output = CliRunner().invoke(app, arguments, catch_exceptions=False).output
    return output, json.loads((tmp_path / "r" / "few" / "study.json").read_text())


@pytest.mark.slow
def test_trees_that_cannot_split_are_said_to_and_the_advice_mends_it(tmp_path):
    few = {"lightgbm": {"grid": {"n_estimators": [5]}}, "toy_nearest": {}}
    output, facts = constant(tmp_path, few)
    assert facts["runs"]["moments/lightgbm"]["roc_auc"]["value"] == 0.5
    sentence = (
        "moments/lightgbm: spread of the probabilities within a fold is 0.000 (limit 0.00): its trees cannot split: "
        "8 training cases are fewer than twice min_child_samples (20); add `min_child_samples: [2]` to the grid of "
        "lightgbm, or cases to the cohort"
    )
    assert facts["diagnosis"] == [sentence]
    assert f"diagnosis: {sentence}" in output
    mended = {"lightgbm": {"grid": {"n_estimators": [5], "min_child_samples": [2]}}, "toy_nearest": {}}
    _, facts = constant(tmp_path, mended)
    assert facts["diagnosis"] == []
    assert facts["runs"]["moments/lightgbm"]["roc_auc"]["value"] > 0.7


@pytest.mark.slow
def test_what_the_grid_chose_is_what_is_named(tmp_path):
    grid = {"n_estimators": [5], "min_child_samples": [6]}
    _, facts = constant(tmp_path, {"lightgbm": {"grid": grid}})
    assert "8 training cases are fewer than twice min_child_samples (6)" in facts["diagnosis"][0]


@pytest.mark.slow
def test_any_other_model_that_tells_no_case_from_another_is_named_too(tmp_path):
    _, facts = constant(tmp_path, {"logistic_regression": {"grid": {"C": [1e-300]}}})
    (sentence,) = facts["diagnosis"]
    assert "every case of a fold is given the same probability, whatever its features" in sentence
    assert "run another classifier than logistic_regression" in sentence


@pytest.mark.slow
def test_permuted_labels_are_looked_at_too(tmp_path):
    protocol = {"folds": 2, "inner_folds": 2, "permute_labels": True}
    _, facts = constant(tmp_path, {"lightgbm": {"grid": {"n_estimators": [5]}}}, protocol=protocol)
    assert "its trees cannot split" in facts["diagnosis"][0]


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"score": [0.5, 0.5, 0.4, 0.4]}, True),
        ({"score": [0.5, 0.6, 0.4, 0.4]}, False),
        ({"score": [0.5] * 4, "probability_0": [0.5] * 4, "probability_1": [0.5] * 4}, True),
        ({"score": [0.5] * 4, "probability_0": [0.5] * 4, "probability_1": [0.2, 0.3, 0.2, 0.3]}, False),
    ],
)
def test_a_run_is_constant_if_all_its_probabilities_are_in_every_fold(columns, named):
    result, summary = finished(plain={})
    result.failed = {run.name: "" for run in result.study.all_runs() if run.name != "plain/random_forest"}
    about = {"run": "plain/random_forest", "repeat": 0, "fold": [0, 0, 1, 1]}
    result.predictions = pd.DataFrame({**about, **columns})
    result.folds = pd.DataFrame({**about, "n_train": 20})
    result.choices = pd.DataFrame({**about, "parameters": "{}"})
    assert [finding.subject for finding in diagnose(result, summary)] == ["plain/random_forest"] * named


def test_a_fold_of_one_case_says_nothing_of_that():
    result, summary = finished(plain={})
    result.failed = {run.name: "" for run in result.study.all_runs() if run.name != "plain/random_forest"}
    about = {"run": "plain/random_forest", "repeat": 0, "fold": [0, 1, 2]}
    result.predictions = pd.DataFrame({**about, "score": 0.5})
    assert diagnose(result, summary) == []
