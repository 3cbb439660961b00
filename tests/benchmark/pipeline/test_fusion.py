"""Reports beside scans in a whole study: the same cases and folds, and no word of a report in what is written."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import ValidationError
from typer.testing import CliRunner

from benchmark.analyses.explanation.explain import explain_run
from benchmark.analyses.leakage.audit import audit_study
from benchmark.analyses.study_run import read, run
from benchmark.cli import app
from benchmark.cohorts.phantom import PhantomCohort
from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.progress import silent
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.phantom.reports import phrases
from benchmark.pipeline import case_checks, features
from benchmark.pipeline.case_checks import check_cases
from benchmark.pipeline.features import extract_features
from benchmark.pipeline.run import plan_study, run_study
from benchmark.plugins.base import WHOLE, Availability
from benchmark.plugins.reports import GIVEN, OF_REPORT
from benchmark.report.diagnosis import diagnose
from benchmark.report.headline import made_of
from benchmark.report.tables import all_tables
from benchmark.study.study import Study
from feature_extractors.reports.embedding import ReportEmbedding

COARSE = {"field_of_view_mm": 60, "pixel_mm": 3.0, "coverage_mm": 30, "slice_thickness_mm": 3.0}
MOMENTS = {"use": "toy_moments", "segmenter": "whole_image"}
TEXT = {"use": "report_bow", "segmenter": "whole_image"}
EMBEDDED = {"use": "report_embedding", "segmenter": "whole_image", "max_tokens": 32}


def declaration(reports=None, **changes):
    return {
        "name": "fusion",
        "cohort": {"use": "phantom", "zero": 20, "nonzero": 20, **COARSE, "reports": reports or {}},
        "segmenters": {"whole_image": {}},
        "extractors": {
            "image": MOMENTS,
            "text": TEXT,
            "unstated": {**TEXT, "without_statements": True},
            "other": {**TEXT, "permuted": True},
            "both": {**MOMENTS, "beside": "text"},
            "both_permuted": {**MOMENTS, "beside": "other"},
        },
        "classifiers": {
            "early": {"use": "early_fusion", "C": [0.3], "report_weight": [1.0]},
            "late": {"use": "late_fusion", "image_c": [0.1], "report_c": [1.0], "folds": 2},
            "plain": {"use": "logistic_regression", "grid": {"C": [0.1]}},
        },
        "runs": ["image/early", "text/early", "unstated/early", "both/early", "both/late", "both/plain"],
        "protocol": {"folds": 3, "inner_folds": 2},
        "yardsticks": None,
        **changes,
    }


def declared(reports=None, **changes):
    return Study.model_validate(declaration(reports, **changes))


@pytest.fixture(scope="module")
def execution(tmp_path_factory):
    with workers(1) as pool:
        yield Execution(Store(tmp_path_factory.mktemp("results") / "store"), pool)


@pytest.fixture(scope="module")
def result(execution):
    return run_study(declared(), execution)


def test_two_extractions_stand_side_by_side_case_by_case(result):
    tables = result.features.tables
    assert list(tables["both"]) == [*tables["image"], *tables["text"]]
    assert tables["both"][list(tables["image"])].equals(tables["image"])
    assert tables["both"][list(tables["text"])].equals(tables["text"])
    assert result.features.computed == 40, "the scan's features are extracted once"


def test_image_text_and_both_are_tested_on_the_same_cases_and_folds(result):
    assert result.failed == {}
    tested = result.predictions.groupby("run")[["fold", "case_id"]].apply(
        lambda rows: frozenset(map(tuple, rows.to_numpy()))
    )
    assert len(tested) == 6
    assert len(set(tested)) == 1
    assert len(tested.iloc[0]) == 40


def test_a_case_without_a_report_takes_part_with_zeros(result):
    text = result.features.tables["text"]
    silent = text[GIVEN] == 0
    assert 0 < silent.sum() < 15
    assert not text[silent].any(axis=None)
    assert set(text.index) == set(result.case_ids)


def test_a_permuted_table_has_the_same_rows_for_other_cases_whatever_their_order(result, execution):
    text, other = (result.features.tables[name].loc[result.case_ids] for name in ("text", "other"))
    assert not text.equals(other)
    assert sorted(map(tuple, text.to_numpy())) == sorted(map(tuple, other.to_numpy()))
    again = extract_features(declared(seed=0), execution).tables["other"]
    assert again.loc[other.index].equals(other)
    another = extract_features(declared(seed=1), execution).tables["other"]
    assert not another.loc[other.index].equals(other)


@pytest.mark.slow
def test_permuted_reports_add_nothing_to_the_image(execution):
    """200 phantoms' reports, four permutations of each under early and late fusion; the image is planted and weak."""
    from classifiers.fusion.early import EarlyFusion
    from classifiers.fusion.late import LateFusion

    cases = PhantomCohort(zero=100, nonzero=100, reports={}).cases()
    read = declared().extractors["text"].extractor.read
    y = np.array([case.label for case in cases])
    text = np.array([read(case.report) for case in cases])
    names = ("f0", "f1", *read("").index)
    gains = {"as written": [], "permuted": []}
    for seed in range(8):
        random = np.random.default_rng(seed)
        image = random.normal(size=(200, 2)) + 0.8 * y[:, None]
        train, test = np.split(random.permutation(200), [120])
        alone = EarlyFusion().told(names[:2]).estimator(seed).fit(image[train], y[train])
        for name, order in (("as written", np.arange(200)), ("permuted", random.permutation(200))):
            X = np.c_[image, text[order]]
            for classifier in (EarlyFusion(), LateFusion()):
                fused = classifier.told(names).estimator(seed).fit(X[train], y[train])
                gains[name].append(fused.score(X[test], y[test]) - alone.score(image[test], y[test]))
    spread = np.std(gains["permuted"]) / np.sqrt(8)  # two classifiers of a draw are not two draws
    assert np.mean(gains["permuted"]) < 2 * spread
    assert np.mean(gains["permuted"]) < 0.01
    assert np.mean(gains["as written"]) > np.mean(gains["permuted"]) + 0.03


class InPairs(PhantomCohort):
    """Every two cases of a label are one patient's."""

    def cases(self):
        cases = sorted(super().cases(), key=lambda case: case.label)
        return [replace(case, patient=f"patient {place // 2}") for place, case in enumerate(cases)]


def test_patients_with_several_scans_stay_whole_in_the_stacking_too(execution):
    plan = plan_study(declared(cohort=InPairs(zero=20, nonzero=20, reports={}, **COARSE)), execution)
    by_name = {run.name: plan.final_task(run) for run in plan.runs}
    late, early = by_name["both/late"], by_name["both/early"]
    assert late.features == (*early.features, WHOLE)
    patients = plan.cases["patient"].to_numpy()
    assert len(set(zip(late.X[:, -1], patients, strict=True))) == len(set(patients)) == 20
    assert late.classifier.estimator(0)[-1].whole == len(late.features) - 1


# The leak guard


def test_the_guard_says_that_text_states_the_label_and_what_is_left_without(result):
    found = [
        item for item in diagnose(result, all_tables(result)["summary"]) if "states the label" in item.sign
    ]
    (guard,) = found
    stated = result.features.stated["text"]
    right = sum(said == bool(result.features.cases.loc[case, "label"]) for case, said in stated.items())
    assert guard.subject == "text"
    assert guard.value == len(stated) / 40
    assert f"{len(stated)} of 40 cases have a sentence" in guard.cause
    assert f"{right / len(stated):.0%} of these say what the label says" in guard.cause
    summary = all_tables(result)["summary"].query("metric == 'accuracy'").set_index("run")["value"]
    assert f"with them: text {summary['text/early']:.3f}" in guard.next_run
    assert f"without: unstated {summary['unstated/early']:.3f}" in guard.next_run


def test_the_guard_is_silent_where_nothing_is_stated_and_asks_for_the_row_that_is_missing(execution):
    vague = {"right": 0, "vague": 1, "missing": 0, "contradicting": 0, "no_report": 0}
    only = {"extractors": {"image": MOMENTS, "text": TEXT}, "runs": ["image/early", "text/early"]}
    silent = run_study(declared(vague, **only), execution)
    assert silent.features.stated == {}
    assert not [item for item in diagnose(silent, all_tables(silent)["summary"]) if "states" in item.sign]
    (guard,) = (
        item
        for result in [run_study(declared(**only), execution)]
        for item in diagnose(result, all_tables(result)["summary"])
        if "states" in item.sign
    )
    assert guard.next_run.endswith("an extractor like text with `without_statements: true`")


def test_the_guard_leaves_out_an_encoder_that_is_not_available_here(execution, monkeypatch):
    missing = Availability(ready=False, reason="its weights are not here")
    monkeypatch.setattr(ReportEmbedding, "availability", lambda _: missing)
    extractors = {"image": MOMENTS, "text": TEXT, "meaning": EMBEDDED}
    study = declared(extractors=extractors, runs=["image/early", "text/early", "meaning/early"])
    result = run_study(study, execution)
    assert "meaning" not in result.features.tables
    found = diagnose(result, all_tables(result)["summary"])
    assert [item.subject for item in found if "states the label" in item.sign] == ["text"]


# No word of a report is written


@pytest.mark.slow
def test_no_name_and_no_sentence_of_a_report_is_in_any_file(tmp_path):
    file = tmp_path / "fusion.yaml"
    file.write_text(yaml.safe_dump(declaration()))
    study = read(file)
    run(study, tmp_path, progress=silent)
    applied(tmp_path, file)
    people = [
        "Brandvold",
        "Castellane",
        "Winterbourne",
        "Achterberg",
        *(name.split()[1] for name in phrases.PATIENTS),
    ]
    words = [*people, "Heart size is normal", "Dictated", "IMPRESSION"]
    texts = [case.report for case in study.cohort.cases()]
    assert all(any(word in text for text in texts) for word in words), "the words are in the reports"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 50
    for path in files:
        content = unpacked(path.read_bytes())
        assert not [word for word in words if word.encode() in content], path


def applied(folder, file):
    """A joint row is applied to another cohort with reports, and refuses one that has none."""
    other = {"use": "phantom", "zero": 8, "nonzero": 8, "seed": "other", **COARSE}
    for name, cohort in (("with", {**other, "reports": {}}), ("without", other)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, "cohort": cohort}))
    arguments = [
        "apply",
        str(file),
        "both/late",
        str(folder / "with.yaml"),
        "--results",
        str(folder),
        "--jobs",
        "1",
    ]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    arguments[3] = str(folder / "without.yaml")
    refused = CliRunner().invoke(app, arguments)
    assert "without cannot give the features of both/late" in str(refused.exception)
    assert "none of the 16 cases has one" in str(refused.exception)


@pytest.mark.slow
def test_an_embedding_of_the_reports_is_learnt_from_alone_beside_and_behind_the_image(tmp_path):
    pytest.importorskip("transformers")
    from tests.feature_extractors.sentence_encoders import write_encoder

    write_encoder(tmp_path / "encoder")
    file, meaning = tmp_path / "fusion.yaml", {**EMBEDDED, "weights": {"folder": "encoder"}}
    extractors = {"image": MOMENTS, "meaning": meaning, "both": {**MOMENTS, "beside": "meaning"}}
    runs = ["image/early", "meaning/early", "meaning/plain", "both/early", "both/late"]
    file.write_text(yaml.safe_dump(declaration(extractors=extractors, runs=runs)))
    study = read(file)
    result = run(study, tmp_path, progress=silent)
    facts = json.loads((tmp_path / "fusion" / "study.json").read_text())
    assert set(facts["runs"]) == set(runs)
    assert facts["weights"]["meaning"] == study.extractors["meaning"].extractor.weights_digest()
    assert len(set(result.tables["predictions"].groupby("run")["case_id"].apply(frozenset))) == 1
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        content = unpacked(path.read_bytes())
        assert not [
            word for word in ("Heart size", "heart size is", "Dictated") if word.encode() in content
        ], path


def test_without_its_encoder_a_row_is_unavailable_with_the_reason_and_the_others_have_results(execution):
    extractors = {
        "image": MOMENTS,
        "text": TEXT,
        "meaning": {**EMBEDDED, "weights": {"folder": "nowhere"}},
        "both": {**MOMENTS, "beside": "meaning"},
    }
    runs = ["image/early", "text/early", "meaning/early", "both/late"]
    result = run_study(declared(extractors=extractors, runs=runs), execution)
    assert set(result.failed) == {"meaning/early", "both/late"}
    for reason in result.failed.values():
        assert reason.startswith("unavailable: ")
        assert "no such weights file" in reason or "pip install 'cacbench[reports]'" in reason


def test_an_encoder_that_lacks_a_file_makes_its_row_unavailable_and_no_other(tmp_path, execution):
    pytest.importorskip("transformers")
    from tests.feature_extractors.sentence_encoders import write_encoder

    folder = write_encoder(tmp_path)
    (folder / "tokenizer.json").unlink()
    extractors = {"image": MOMENTS, "text": {**EMBEDDED, "weights": {"folder": str(folder)}}}
    result = run_study(declared(extractors=extractors, runs=["image/early", "text/early"]), execution)
    assert "tokenizer.json: no such weights file" in result.failed["text/early"]
    assert set(result.failed) == {"text/early"}


def unpacked(content):
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return content + b"".join(packed.read(name) for name in packed.namelist())


@pytest.mark.slow
def test_no_report_is_sent_to_a_worker(execution, monkeypatch, tmp_path):
    sent = []
    for place, name in ((features, "ExtractionTask"), (case_checks, "CheckTask")):
        original = getattr(place, name)
        monkeypatch.setattr(
            place, name, lambda case, *more, of=original: sent.append(case) or of(case, *more)
        )
    study = declared()
    with workers(1) as pool:
        extract_features(study, Execution(Store(tmp_path), pool))
        check_cases(study, study.cohort.cases(), execution)
    assert len(sent) == 80
    assert {case.report for case in sent} == {""}


# What a joint row depends on


def test_a_joint_row_is_made_of_both_extractors(execution):
    study = declared()
    run = next(run for run in study.all_runs() if run.name == "both/plain")
    assert list(made_of(study, run)) == ["segmenter", "extractor", "classifier", "beside", "beside_segmenter"]
    assert list(study.names_of(run)) == list(study.plugins_of(run))
    assert study.names_of(run)["beside"] == "text"


def test_a_row_whose_neighbour_cannot_run_is_unavailable_and_not_the_image_alone(execution):
    extractors = {
        "image": MOMENTS,
        "network": {"use": "radimagenet", "segmenter": "whole_image", "weights": {"file": "absent.pt"}},
        "both": {**MOMENTS, "beside": "network"},
    }
    extracted = extract_features(
        declared(extractors=extractors, runs=["image/plain", "both/plain"]), execution
    )
    assert set(extracted.unavailable) == {"network", "both"}
    assert extracted.unavailable["both"] == extracted.unavailable["network"]
    assert set(extracted.tables) == {"image"}


@pytest.mark.slow
def test_the_features_of_one_row_are_written_joined_and_alone(tmp_path):
    (tmp_path / "fusion.yaml").write_text(yaml.safe_dump(declaration()))
    out = tmp_path / "both.csv"
    arguments = [
        "features",
        str(tmp_path / "fusion.yaml"),
        "--extractor",
        "both",
        "--out",
        str(out),
        "--jobs",
        "1",
    ]
    result = CliRunner().invoke(app, [*arguments, "--results", str(tmp_path)], catch_exceptions=False)
    assert result.exit_code == 0
    table = pd.read_csv(out)
    assert len(table) == 40
    assert sum(name.startswith(OF_REPORT) for name in table) == len(
        declared().extractors["text"].extractor.read("")
    )
    assert not [column for column in table if "permuted" in column or ":report" in column]


# What cannot be done


def test_a_cohort_without_any_report_is_refused_before_anything_is_extracted(tmp_path):
    study = declared(cohort={"use": "phantom", "zero": 12, "nonzero": 12, **COARSE})
    with workers(1) as pool:
        execution = Execution(Store(tmp_path), pool)
        with pytest.raises(
            UserError, match=r"extractor text reads reports, and none of the 24 cases has one: fill in"
        ):
            run_study(study, execution)
    assert not list(tmp_path.rglob("features/*/*"))


@pytest.mark.parametrize(
    ("both", "message"),
    [
        ({**MOMENTS, "beside": "txet"}, "'txet' names no extractor of this study; did you mean 'text'"),
        ({**MOMENTS, "beside": "both"}, "both stands beside another itself"),
        ({**MOMENTS, "beside": "text", "permutd": True}, "permutd"),
    ],
)
def test_a_mistake_in_what_stands_beside_is_answered_where_it_is(both, message):
    with pytest.raises(ValidationError, match=message):
        declared(
            extractors={"image": MOMENTS, "text": TEXT, "both": both}, runs=["image/early", "both/early"]
        )


def test_two_extractors_with_the_same_features_are_not_joined(execution):
    extractors = {"image": MOMENTS, "twice": {**MOMENTS, "beside": "image"}}
    with pytest.raises(
        UserError, match=r"extractors\.twice\.beside: twice and image both have a feature called"
    ):
        plan_study(declared(extractors=extractors, runs=["twice/plain"]), execution)


def test_a_classifier_of_one_extractors_features_does_not_learn_from_two():
    with pytest.raises(
        ValidationError, match="combat learns from one extractor's features, and both has two"
    ):
        declared(classifiers={"combat": {}}, runs=["both/combat"])


def test_explain_and_audit_refuse_what_knows_columns_by_their_place_and_take_what_does_not(execution):
    with pytest.raises(UserError, match="both/late learns from image and report apart, which explain cannot"):
        explain_run(declared(), "both/late", execution)
    with pytest.raises(UserError, match="both/early learns from image and report apart, which audit cannot"):
        audit_study(declared(), ["both/early"], 20, execution)
    explained = explain_run(declared(), "both/plain", execution, permutations=2)
    assert OF_REPORT in explained.tables["importance"].to_string()
    assert any(name.startswith(OF_REPORT) for name in explained.features)
