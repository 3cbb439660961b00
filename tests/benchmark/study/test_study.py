import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from benchmark.analyses.segmentation.study import SegmentationStudy
from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.report.tables import comparisons
from benchmark.study.reading import read_study
from benchmark.study.schema import study_schema

ROOT = Path(__file__).resolve().parents[3]
STUDIES = [ROOT / "runs.yaml", *sorted((ROOT / "tests" / "studies").glob("*.yaml"))]


def write(folder, declaration):
    file = folder / "study.yaml"
    file.write_text(
        declaration if isinstance(declaration, str) else yaml.safe_dump(declaration, sort_keys=False)
    )
    return file


def refusal(folder, declaration):
    with pytest.raises(UserError) as caught:
        read_study(write(folder, declaration))
    return str(caught.value)


def test_runs_are_the_product_of_extractors_and_classifiers_unless_listed(tmp_path, toy_declaration):
    study = read_study(write(tmp_path, toy_declaration))
    assert study.run_names() == ["moments/logistic_regression", "moments/toy_nearest"]
    toy_declaration["runs"] = ["moments/toy_nearest"]
    assert read_study(write(tmp_path, toy_declaration)).run_names() == ["moments/toy_nearest"]


def test_a_name_that_is_a_plugins_needs_no_use(tmp_path, toy_declaration):
    toy_declaration["classifiers"] = {"xgboost": None, "forest": {"use": "random_forest"}}
    study = read_study(write(tmp_path, toy_declaration))
    assert [type(plugin).__name__ for plugin in study.classifiers.values()] == ["XGBoost", "RandomForest"]


def test_a_segmenter_may_refer_to_one_declared_before_it(tmp_path, toy_declaration):
    toy_declaration["segmenters"] = {
        "wide": {"use": "reference", "dilation_mm": 2.0},
        "dense": {"use": "threshold", "within": "wide"},
        "toy_centre": {},
    }
    study = read_study(write(tmp_path, toy_declaration))
    assert study.segmenters["dense"].within == study.segmenters["wide"]


@pytest.mark.parametrize(
    ("change", "place", "remedy"),
    [
        ({"cohrt": {}}, "cohrt: unknown key", "did you mean 'cohort'"),
        ({"cohorts": {}}, "cohorts: unknown key", "did you mean 'cohort'"),
        (
            {"cohort": {"use": "toy_cohrt"}},
            "cohort: no cohort is called 'toy_cohrt'",
            "did you mean 'toy_cohort'",
        ),
        ({"cohort": {"use": "toy_cohort", "zer": 1}}, "cohort.zer: unknown key", "did you mean 'zero'"),
        ({"cohort": {"use": "toy_cohort", "zero": "many"}}, "cohort.zero", "valid integer"),
        ({"cohort": {"use": "toy_cohort", "zero": -1}}, "cohort.zero", "greater than or equal to 0"),
        ({"classifiers": {"xgbost": {}}}, "classifiers.xgbost", "did you mean 'xgboost'"),
        ({"classifiers": {"xgboost": {"gird": {}}}}, "classifiers.xgboost.gird", "did you mean 'grid'"),
        (
            {"classifiers": {"forest": {"use": "random_forest", "grid": {"mx_depth": [2]}}}},
            "classifiers.forest.grid.mx_depth: unknown parameter",
            "did you mean 'max_depth'",
        ),
        ({"classifiers": {}}, "classifiers", "at least one plug-in"),
        (
            {"extractors": {"moments": {"use": "toy_moments"}}},
            "extractors.moments.segmenter",
            "there are: toy_centre",
        ),
        (
            {"extractors": {"moments": {"use": "toy_moments", "segmentr": "toy_centre"}}},
            "extractors.moments.segmentr: unknown key",
            "did you mean 'segmenter'?",
        ),
        (
            {"extractors": {"moments": {"use": "toy_moments", "segmenter": "toy_centre", "componets": 2}}},
            "extractors.moments.componets: unknown key",
            "did you mean 'components'?",
        ),
        (
            {"extractors": {"moments": {"use": "toy_moments", "segmenter": "toy_center"}}},
            "extractors.moments.segmenter: 'toy_center' names no segmenter",
            "did you mean 'toy_centre'?",
        ),
        ({"extractors": {"moments": 5}}, "extractors.moments: must be a mapping", "{segmenter: NAME}"),
        (
            {"extractors": {"moments": "toy_moments"}},
            "extractors.moments: must be a mapping",
            "{segmenter: NAME}",
        ),
        ({"protocol": {"folds": 1}}, "protocol.folds", "greater than or equal to 2"),
        ({"protocol": {"fold": 5}}, "protocol.fold: unknown key", "did you mean 'folds'"),
        (
            {"comparisons": {"reference": "moments/xgboost"}},
            "comparisons.reference: 'moments/xgboost' names no run",
            "moments/toy_nearest",
        ),
        ({"runs": ["moments/xgboost"]}, "runs: 'moments/xgboost' names no run", "moments/toy_nearest"),
        ({"name": "a/b"}, "name", "match pattern"),
        ({"protocol": {"folds": "1_0"}}, "protocol.folds: '1_0' is no number in plain digits", "as in 1000"),
        ({"seed": float("nan")}, "seed: must be a finite number", "finite"),
        (
            {"classifiers": {"logistic_regression": {"grid": {"C": [1.0, float("inf")]}}}},
            "classifiers.logistic_regression.grid.C.1: must be a finite number",
            "finite",
        ),
        (
            {"cohort": {"use": "toy_cohort", "contrast": "nan"}},
            "cohort.contrast: must be a finite number",
            "finite",
        ),
        (
            {"comparisons": {"metrics": ["f1", "f1"]}},
            "comparisons.metrics: 'f1' is there twice",
            "name each once",
        ),
        (
            {"comparisons": {"tests": ["mcnemar"] * 2}},
            "comparisons.tests: 'mcnemar' is there",
            "name each once",
        ),
        (
            {"runs": ["moments/toy_nearest"] * 2},
            "runs: 'moments/toy_nearest' is there twice",
            "name each once",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_file_line_place_and_remedy(
    tmp_path, toy_declaration, change, place, remedy
):
    message = refusal(tmp_path, {**toy_declaration, **change})
    assert "\n" not in message
    assert message.startswith(f"{tmp_path / 'study.yaml'}:")
    assert place in message
    assert remedy in message


def test_the_line_is_the_one_the_mistake_stands_on(tmp_path, toy_declaration):
    text = yaml.safe_dump(toy_declaration, sort_keys=False).replace("folds: 3", "folds: three", 1)
    line = 1 + next(i for i, row in enumerate(text.splitlines()) if "three" in row)
    assert f"study.yaml:{line}: protocol.folds:" in refusal(tmp_path, text)


def test_several_mistakes_are_told_at_once(tmp_path, toy_declaration):
    message = refusal(tmp_path, {**toy_declaration, "seed": [1], "protocol": {"folds": 0}})
    assert len(message.splitlines()) >= 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "name: a\nseed: 1_000\n",
            "study.yaml:2: 1_000 is one thing to YAML 1.1 and another to YAML 1.2; write a",
        ),
        ("name: [", "study.yaml:1: not valid YAML: expected the node content"),
        ("name: a\nseed: 1\nname: b\n", "study.yaml:3: not valid YAML: 'name' is there already; remove one"),
        ("- a\n", "holds no study"),
        ("", "holds no study"),
        ("a: \x00", "not valid YAML"),
    ],
)
def test_what_is_no_study_is_refused(tmp_path, text, expected):
    assert expected in refusal(tmp_path, text)


@pytest.mark.parametrize("kind", ["robustness", "segmentation"])
def test_a_study_of_another_kind_is_refused_with_the_command_that_reads_it(kind):
    with pytest.raises(UserError, match=rf"{kind}\.yaml: is a study for `cacbench {kind}`"):
        read_study(ROOT / "studies" / f"{kind}.yaml")


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.yaml: no such study file"):
        read_study(tmp_path / "nowhere.yaml")


def test_the_exported_schema_is_up_to_date_and_valid():
    exported = json.loads((ROOT / "benchmark" / "study" / "runs.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(exported)
    assert exported == json.loads(json.dumps(study_schema())), (
        "run: cacbench schema --out benchmark/study/runs.schema.json"
    )


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.name)
def test_every_study_of_the_project_is_valid_and_names_its_schema(file):
    assert read_study(file).run_names()
    first, *_ = file.read_text().splitlines()
    schema = file.parent / first.removeprefix("# yaml-language-server: $schema=")
    jsonschema.validate(yaml.safe_load(file.read_text()), json.loads(schema.read_text()))


@pytest.mark.parametrize("file", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda file: file.name)
def test_study_files_of_every_kind_name_the_schema_and_agree_with_it(file):
    first, *_ = file.read_text().splitlines()
    assert (file.parent / first.removeprefix("# yaml-language-server: $schema=")).is_file()
    jsonschema.validate(yaml.safe_load(file.read_text()), study_schema())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("robustness", {"conditions": {"rescan": {"cohrt": {}}}}),
        ("robustness", {"study": {"name": "r"}}),
        ("segmentation", {"replicate": 100}),
        ("segmentation", {"cohorts": {"chest": {"use": "phantom", "zeros": 1}}}),
        ("segmentation", {"training": {"cohort": {"use": "phantom", "zeros": 1}}}),
    ],
)
def test_the_schema_refuses_mistakes_in_every_kind(name, change):
    declared = yaml.safe_load((ROOT / "studies" / f"{name}.yaml").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**declared, **change}, study_schema())


def test_the_schema_of_segmentation_has_the_fields_of_its_study():
    properties = study_schema()["else"]["then"]["properties"]
    assert properties.keys() == SegmentationStudy.model_fields.keys()


def test_the_schema_refuses_a_misspelt_parameter(toy_declaration):
    declaration = {**toy_declaration, "classifiers": {"xgboost": {"gird": {}}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(declaration, study_schema())


def test_declared_pairs_are_compared_and_no_others(toy_study, tmp_path):
    names = ["moments/toy_nearest", "moments/logistic_regression"]
    with workers(1) as pool:
        result = run_study(toy_study(comparisons={"pairs": [names]}), Execution(Store(tmp_path), pool))
    table = comparisons(result)
    assert set(zip(table["run"], table["reference"], strict=True)) == {tuple(names)}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (["moments/toy_nearest", "none"], "'none' names no run"),
        (["moments/toy_nearest"] * 2, "paired with itself"),
    ],
)
def test_pairs_that_cannot_be_compared_are_refused(toy_study, pair, message):
    with pytest.raises(ValueError, match=message):
        toy_study(comparisons={"pairs": [pair]})
