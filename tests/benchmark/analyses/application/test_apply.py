"""A finished run, frozen, on another cohort, from the command line to the tables."""

import json
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
import skops.io
import yaml
from typer.testing import CliRunner

from benchmark.cli import app
from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.features import extract_features
from benchmark.study.study import Study

TOY = {
    "name": "toy",
    "cohort": {"use": "toy_cohort", "zero": 40, "nonzero": 40},
    "segmenters": {"toy_centre": {}},
    "extractors": {"moments": {"use": "toy_moments", "segmenter": "toy_centre"}},
    "classifiers": {"logistic_regression": {"grid": {"C": [0.1, 1.0]}}, "toy_nearest": {}},
    "protocol": {"folds": 3, "inner_folds": 3, "threshold": "youden"},
}
RUN = "moments/logistic_regression"


def cohort(**changes):
    """Other patients than the study's: their names, and with them the noise, are numbered on."""
    return {"use": "toy_cohort", "zero": 30, "nonzero": 30, "called": "new", **changes}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The toy study, finished, in a folder of its own."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "toy.yaml").write_text(yaml.safe_dump(TOY))
    result = CliRunner().invoke(
        app, ["run", str(folder / "toy.yaml"), "--results", str(folder / "r"), "--jobs", "1"]
    )
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "f")
    return tmp_path / "f"


def apply(folder, other, *more, run=RUN):
    if isinstance(other, dict):
        (folder / "other.yaml").write_text(yaml.safe_dump({"name": "other", "cohort": other}))
        other = folder / "other.yaml"
    arguments = [
        "apply",
        str(folder / "toy.yaml"),
        run,
        str(other),
        "--results",
        str(folder / "r"),
        "--jobs",
        "1",
    ]
    return CliRunner().invoke(app, [*arguments, *more])


def applied(folder, other, *more, run=RUN):
    result = apply(folder, other, *more, run=run)
    assert result.exit_code == 0, result.output
    return result


def table(folder, name, run=RUN):
    return pd.read_csv(folder / "r/toy/apply/other" / run.replace("/", "_") / "tables" / f"{name}.csv")


def test_the_frozen_model_is_the_one_that_was_fitted_on_all_cases(folder):
    applied(folder, cohort())
    found = table(folder, "predictions").set_index("case_id")
    (model,) = [
        json.loads(file.read_bytes().partition(b"\n")[2])
        for file in (folder / "r/store/models").rglob("*.json")
        if b'"model__C"' in file.read_bytes()
    ]
    content = bytes.fromhex(model["skops"])
    pipeline = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
    study = Study.model_validate({**TOY, "cohort": cohort()})
    with workers(1) as pool:
        features = extract_features(study, Execution(Store(folder / "fresh"), pool)).tables["moments"]
    probability = pipeline.predict_proba(features)[:, 1]
    assert found.loc[features.index, "score"].to_numpy() == pytest.approx(probability, abs=1e-12)
    assert found["predicted"].tolist() == (found["score"] > model["threshold"]).astype(int).tolist()
    assert model["threshold"] != 0.5


def test_performance_stands_beside_the_inner_estimate_that_the_study_reported(folder):
    applied(folder, cohort())
    performance = table(folder, "performance").set_index("metric")
    summary = pd.read_csv(folder / "r/toy/tables/summary.csv").query("run == @RUN").set_index("metric")
    for metric in summary.index:
        assert performance.loc[metric, "inner"] == summary.loc[metric, "value"]
    predictions = table(folder, "predictions")
    right = (predictions["label"] == predictions["predicted"]).mean()
    assert performance.loc["accuracy", "value"] == pytest.approx(right)
    assert (performance["difference"] == performance["value"] - performance["inner"]).all()
    assert (performance["difference_low"] < performance["difference_high"]).all()
    assert set(performance.index) >= {"accuracy", "roc_auc", "brier"}


def test_a_paler_spot_on_the_other_scanner_is_a_drop_that_is_said(folder):
    result = applied(folder, cohort(contrast=60.0, zero=60, nonzero=60), "--json")
    facts = json.loads(result.stdout)
    assert "accuracy" in facts["sentences"][0]
    assert "is lower than" in facts["sentences"][0]
    assert "too low on average" in " ".join(facts["sentences"])
    accuracy = facts["performance"][0]
    assert accuracy["difference_high"] < 0
    assert (facts["cases"], facts["labelled"], facts["trained_on"]) == (120, 120, 80)
    page = (folder / "r/toy/apply/other/moments_logistic_regression/report.html").read_text()
    assert "data:image/" in page


def test_a_second_call_computes_nothing_and_gives_the_same_bytes(folder):
    place = folder / "r/toy/apply/other/moments_logistic_regression"
    applied(folder, cohort())
    before = {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}
    stored = {file for file in (folder / "r/store").rglob("*") if file.is_file()}
    applied(folder, cohort())
    assert {file: file.read_bytes() for file in place.rglob("*") if file.is_file()} == before
    assert {file for file in (folder / "r/store").rglob("*") if file.is_file()} == stored


def test_a_cleared_store_makes_the_same_model_again_and_says_so(folder):
    applied(folder, cohort())
    before = table(folder, "predictions")
    shutil.rmtree(folder / "r/store")
    result = applied(folder, cohort())
    assert "was made again from the study's features" in result.output
    pd.testing.assert_frame_equal(table(folder, "predictions"), before, check_exact=True)


def test_nothing_that_is_stored_is_executed_or_even_loaded(folder, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a stored model was loaded")

    monkeypatch.setattr(skops.io, "loads", refuse)
    monkeypatch.setattr(pickle, "loads", refuse)
    applied(folder, cohort(), "--json")


def test_several_scans_of_a_patient_are_resampled_together(folder):
    facts = json.loads(applied(folder, cohort(scans=3), "--json").stdout)
    assert (facts["cases"], facts["patients"]) == (60, 20)


def test_cases_without_labels_are_predicted_alone(folder):
    facts = json.loads(applied(folder, cohort(labelled=False), "--json").stdout)
    assert facts["labelled"] == 0
    assert "predictions alone" in facts["sentences"][0]
    assert len(table(folder, "predictions")) == 60


def test_a_run_is_applied_whatever_the_order_of_the_other_cohorts_features(folder):
    facts = json.loads(applied(folder, cohort(), "--json", run="moments/toy_nearest").stdout)
    assert facts["run"] == "moments/toy_nearest"


# What cannot be applied: a sentence each


def refused(result):
    """Return the sentence; a `UserError` is what ends the command line with exit code 2."""
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


@pytest.mark.parametrize(
    ("run", "other", "said"),
    [
        (
            "moments/logistic_regresion",
            cohort(),
            "names no run of toy; did you mean 'moments/logistic_regression'?",
        ),
        (RUN, {"use": "toy_cohort"}, "20 of its scans trained moments/logistic_regression"),
        (
            RUN,
            cohort(broken=list(range(60))),
            "other cannot give the features of moments/logistic_regression: ",
        ),
    ],
    ids=["no such run", "the same scans", "no features"],
)
def test_what_cannot_be_applied_is_refused_with_a_sentence(folder, run, other, said):
    assert said in refused(apply(folder, other, run=run))


def test_an_unfinished_study_is_refused(folder):
    shutil.rmtree(folder / "r/toy")
    assert "there is no finished study; run `cacbench run` first" in refused(apply(folder, cohort()))


def edit(folder, change):
    file = folder / "r/toy/study.json"
    facts = json.loads(file.read_text())
    change(facts)
    file.write_text(json.dumps(facts))


def test_a_run_made_in_another_precision_is_refused_with_what_to_declare(folder):
    edit(folder, lambda facts: facts["made_of"][RUN]["extractor"].update(precision="bf16"))
    said = refused(apply(folder, cohort()))
    assert "its extractor moments was made in bf16" in said
    assert "declare `precision: bf16`" in said


def test_a_run_made_with_another_version_is_refused_with_both(folder):
    def older(facts):
        facts["made_of"][RUN]["classifier"]["fingerprint"] = "0" * 64
        facts["versions"]["scikit-learn"] = "0.1"

    edit(folder, older)
    said = refused(apply(folder, cohort()))
    assert "its classifier logistic_regression is another now (scikit-learn 0.1 then," in said
    assert "run the study again" in said


def test_a_run_of_results_that_do_not_say_what_they_were_made_of_is_refused(folder):
    edit(folder, lambda facts: facts.pop("made_of"))
    assert "of an earlier cacbench: run the study again" in refused(apply(folder, cohort()))


def test_a_run_without_result_is_refused_with_the_reason(folder):
    def failed(facts):
        del facts["runs"][RUN]
        facts["without_result"] = {RUN: "unavailable: no weights"}

    edit(folder, failed)
    assert "has no result to freeze: unavailable: no weights" in refused(apply(folder, cohort()))


def test_results_of_other_labels_than_the_cohort_has_now_are_refused(folder):
    file = folder / "r/toy/tables/predictions.csv"
    predictions = pd.read_csv(file)
    predictions.loc[predictions["case_id"] == "toy-007", "label"] = 1
    predictions.to_csv(file, index=False)
    assert "1 cases are no longer what run moments/logistic_regression was tested on, toy-007" in refused(
        apply(folder, cohort())
    )


def test_another_cohort_that_lacks_a_feature_is_refused_with_its_name(folder, monkeypatch):
    import toy_plugins  # as the registry finds it

    extract = toy_plugins.MomentsExtractor.extract

    def poorer(self, image, roi):
        return extract(self, image, roi).iloc[1:]

    applied(folder, cohort())  # so that the study's own features are in the store
    monkeypatch.setattr(toy_plugins.MomentsExtractor, "extract", poorer)
    said = refused(apply(folder, cohort(called="third")))
    assert "other: lacks 1 of the" in said


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("o.yaml", "name: o\nsegmenters: {}\n", "has no `cohort`"),
        ("o.yaml", "cohort: {use: manifst, path: x.csv}\n", "manifest"),
        ("o.csv", "case_id,label\na,1\n", "no column 'image'"),
        ("gone.yaml", None, "no such study file"),
    ],
)
def test_another_cohort_that_cannot_be_read_is_refused(folder, name, content, said):
    if content is not None:
        (folder / name).write_text(content)
    assert said in refused(apply(folder, folder / name))


def test_a_decision_curve_and_calibration_are_tables(folder):
    applied(folder, cohort())
    curve = table(folder, "decision_curve")
    predictions = table(folder, "predictions")
    at = curve.loc[np.isclose(curve["threshold"], 0.5)].iloc[0]
    called = predictions["score"] > 0.5
    expected = (
        (called & (predictions["label"] == 1)).sum() - (called & (predictions["label"] == 0)).sum()
    ) / 60
    assert at["net_benefit"] == pytest.approx(expected)
    assert table(folder, "calibration")["cases"].sum() == 60
