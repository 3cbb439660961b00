"""The methods paragraph says what the study file says, and what came out; another file gives other words."""

from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.report.study_report import report_of
from benchmark.report.writing.declared import declared_of
from benchmark.study.extraction import OF_EXTRACTION
from benchmark.study.reading import read_study

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def paragraph(toy_study, tmp_path):
    """Return the paragraphs by their titles, of the toy study with some of its keys replaced."""

    def write(**changes):
        with workers(1) as pool:
            report = report_of(run_study(toy_study(**changes), Execution(Store(tmp_path), pool)))
        return dict(line.split(". ", 1) for line in report.texts["methods.txt"].splitlines())

    return write


def words(value):
    """Return the names and numbers in what a YAML file says of a plug-in, as text has them."""
    if isinstance(value, dict):
        return [word for key, item in value.items() if key != "use" for word in (key, *words(item))]
    if isinstance(value, list):
        return [word for item in value for word in words(item)]
    return [f"{value:g}" if isinstance(value, float) else str(value)]


def test_each_parameter_that_the_default_study_sets_is_told():
    study, declared = read_study(ROOT / "runs.yaml"), yaml.safe_load((ROOT / "runs.yaml").read_text())
    told = {"cohort": (declared_of(study.cohort), declared["cohort"])}
    for name, plugin in study.segmenters.items():
        told[name] = (declared_of(plugin), declared["segmenters"][name])
    for name, extraction in study.extractors.items():
        of_plugin = declared["extractors"][name].keys() - {"segmenter", *OF_EXTRACTION}
        spec = {key: declared["extractors"][name][key] for key in of_plugin}
        told[name] = (declared_of(extraction.extractor), spec)
    assert sum(len(words(spec)) for _, spec in told.values()) > 30
    for text, spec in told.values():
        assert [word for word in words(spec) if word not in text] == []


def test_each_paragraph_has_the_numbers_of_the_results(paragraph):
    said = paragraph()
    assert said["Cohort"].startswith("40 cases of the cohort toy_cohort; 0 were excluded.")
    assert "Analysed are the 40 cases of 40 patients" in said["Cohort"]
    assert said["Outcome"] == "The label of the cohort (20 zero, 20 nonzero)."
    assert said["Regions"] == "toy_centre: toy_centre."
    assert said["Features"] == "moments: 5 features by toy_moments in the region toy_centre."
    steps = "VarianceThreshold 0, then CorrelationFilter 0.9, then StandardScaler, then LogisticRegression"
    assert f"logistic_regression: {steps}, tried C 0.1, 1.0" in said["Models"]
    for name in ("cacbench", "numpy", "scikit-learn"):
        assert f"{name} {version(name)}" in said["Software"]
    assert "Weights by SHA-256: none." in said["Software"]


def test_components_are_told_with_where_they_are_learnt(paragraph):
    moments = {"use": "toy_moments", "segmenter": "toy_centre", "components": 2}
    reduced = "in the region toy_centre, reduced to 2 principal components in the training fold."
    assert paragraph(extractors={"moments": moments})["Features"].endswith(reduced)


def test_an_exclusion_is_counted_once_with_its_reason(paragraph):
    twice = {name: {"use": "toy_moments", "segmenter": "toy_centre"} for name in ("moments", "again")}
    said = paragraph(cohort={"use": "toy_cohort", "broken": [3]}, extractors=twice)
    assert "1 was excluded (1 × read: toy-003" in said["Cohort"]
    assert "Analysed are the 39 cases" in said["Cohort"]


def test_another_study_file_gives_other_words(paragraph):
    plain = paragraph()
    other = paragraph(
        seed=7,
        protocol={"folds": 4, "inner_folds": 2},
        comparisons={"tests": ["mcnemar"], "metrics": ["accuracy"], "rope": 0.05},
    )
    for title, before, after in (
        ("Protocol", "seed 0", "seed 7"),
        ("Protocol", "stratified 3-fold", "stratified 4-fold"),
        ("Protocol", "by 3-fold cross-validation within", "by 2-fold cross-validation within"),
        ("Statistics", "Nadeau and Bengio", "by McNemar's exact test; p-values"),
        ("Statistics", "on accuracy, f1 by", "on accuracy by"),
        ("Statistics", "±0.01", "±0.05"),
    ):
        assert before in plain[title]
        assert before not in other[title]
        assert after in other[title]


def test_the_flat_protocol_is_called_optimistic(paragraph):
    said = paragraph(protocol={"folds": 3, "selection": "flat"})["Protocol"]
    assert "on the folds that are reported, which is optimistic" in said
    assert "filters and scaling were learnt" in said


def test_the_digests_of_weights_are_the_plugins_own(toy_study, tmp_path, monkeypatch):
    study = toy_study()
    plugin = study.extractors["moments"].extractor
    monkeypatch.setattr(type(plugin), "weights_digest", lambda self: "abc123")
    with workers(1) as pool:
        text = report_of(run_study(study, Execution(Store(tmp_path), pool))).texts["methods.txt"]
    assert "Weights by SHA-256: moments abc123." in text


def test_of_a_file_its_name_is_told_and_no_place(tmp_path):
    (tmp_path / "scans.csv").write_text("case_id,image\na,a.nii.gz\n")
    (tmp_path / "ours.yaml").write_text(
        "name: ours\ncohort: {use: manifest, path: scans.csv}\nsegmenters: {whole_image: {}}\n"
        "extractors: {radiomics: {segmenter: whole_image}}\nclassifiers: {random_forest: {}}\n"
    )
    assert declared_of(read_study(tmp_path / "ours.yaml").cohort) == " (path scans.csv)"
