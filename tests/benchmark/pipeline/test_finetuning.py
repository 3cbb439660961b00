"""A study whose runs train a network: beside frozen ones, on the same folds, from the same store."""

import copy
import shutil

import numpy as np
import pytest
import skops.io
from pydantic import ValidationError

from benchmark.analyses.explanation.explain import explain_run
from benchmark.analyses.leakage.audit import audit_study
from benchmark.analyses.robustness.run import measure_robustness
from benchmark.analyses.robustness.study import RobustnessStudy
from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline import run
from benchmark.pipeline.activations import pack, unpack
from benchmark.pipeline.run import run_study
from benchmark.report.study_report import report_of
from benchmark.report.tables import summary
from benchmark.report.tracking.runs import _trusted_types
from benchmark.study.study import Study

ENCODER = {"encoder": "test_efficientnet", "weights": {"untrained": 3}, "input_size": 64, "slabs": 2}
TUNED = {"use": "finetune_slices", "segmenter": "toy_centre", "window_hu": [-300, 500], **ENCODER}
DECLARED = {
    "name": "toy",
    "cohort": {"use": "toy_cohort", "zero": 10, "nonzero": 10, "contrast": 400.0},
    "segmenters": {"toy_centre": {}},
    "extractors": {
        "moments": {"use": "toy_moments", "segmenter": "toy_centre"},
        "head": {**TUNED, "depth": "head"},
        "last_stage": {**TUNED, "depth": "last_stage"},
    },
    "classifiers": {
        "logistic_regression": {"grid": {"C": [0.1]}},
        "finetuned": {"epochs": [1, 4], "learning_rate": 1e-4, "head_learning_rate": 1e-2},
    },
    "runs": [
        "moments/logistic_regression",
        "head/logistic_regression",
        "head/finetuned",
        "last_stage/finetuned",
    ],
    "protocol": {"folds": 3, "inner_folds": 3},
}
LAST_STAGE = {**DECLARED, "runs": ["last_stage/finetuned"]}


def do(declaration, store, jobs=1):
    with workers(jobs) as pool:
        return run_study(Study.model_validate(declaration), Execution(Store(store), pool))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The study's result and its store."""
    store = tmp_path_factory.mktemp("finished") / "store"
    return do(DECLARED, store), store


@pytest.fixture
def extracted(finished, tmp_path):
    """A store that has the features and nothing else."""
    shutil.copytree(finished[1] / "features", tmp_path / "store" / "features")
    return tmp_path / "store"


def of_last_stage(result):
    mine = result.predictions[result.predictions["run"] == "last_stage/finetuned"]
    return mine.reset_index(drop=True)


def test_its_report_says_what_is_trained_and_a_run_that_tells_no_case_apart_is_found(finished):
    result = copy.copy(finished[0])
    result.predictions = result.predictions.copy()
    constant = result.predictions["run"] == "last_stage/finetuned"
    result.predictions.loc[constant, "probability_1"] = 0.5
    report = report_of(result)
    assert "finetuned: FinetunedNetwork" in report.texts["methods.txt"]
    told = report.tables["diagnosis"].set_index("subject").loc[["last_stage/finetuned"], "sign"]
    assert "spread of the probabilities within a fold" in set(told)


def test_trained_and_frozen_runs_stand_side_by_side_and_learn_what_can_be_learnt(finished):
    result, _ = finished
    assert result.failed == {}
    values = summary(result).query("metric == 'roc_auc'").set_index("run")
    assert (values.loc[["head/finetuned", "last_stage/finetuned"], "value"] > 0.9).all()
    cases = result.predictions.groupby("run")["case_id"].agg(list)
    assert len({tuple(ids) for ids in cases}) == 1, "same cases, same folds"
    chosen = result.choices.query("run == 'last_stage/finetuned'")["parameters"]
    assert chosen.str.contains("model__epochs").all()


def test_killed_while_it_trains_a_study_loses_the_fold_in_flight_and_ends_as_if_it_had_not_been(
    finished, extracted, monkeypatch
):
    evaluate, calls = run.evaluate, []

    def killed_in_the_third(task):
        calls.append(task)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(task)

    monkeypatch.setattr(run, "evaluate", killed_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        do(LAST_STAGE, extracted)
    monkeypatch.undo()
    resumed = do(LAST_STAGE, extracted)
    assert (resumed.features.computed, resumed.fitted) == (0, 1 + 1), "one fold and the final model"
    assert of_last_stage(resumed).equals(of_last_stage(finished[0]))


@pytest.mark.slow
def test_two_processes_train_to_the_bit_what_one_trains_from_the_same_stored_activations(finished, extracted):
    result = do(LAST_STAGE, extracted, jobs=2)
    assert (result.features.computed, result.fitted) == (0, 4)
    assert of_last_stage(result).equals(of_last_stage(finished[0]))


def test_the_final_model_takes_activations_and_its_types_are_trusted(finished):
    result, _ = finished
    trained = next(one for one in result.all_runs() if one.name == "last_stage/finetuned")
    content = result.models[trained.name].content
    named = skops.io.get_untrusted_types(data=content)
    model = skops.io.loads(content, trusted=_trusted_types(named, result.study, trained))
    taken = result.features.learnt_from("last_stage", result.study.learner(trained), result.case_ids)
    assert taken.shape[:3] == (20, 2, 2)
    labels = result.study.target.codes(result.features.cases.loc[result.case_ids])
    assert (model.predict(taken) == labels).mean() > 0.9


def test_without_a_list_of_runs_the_pair_that_cannot_be_is_named():
    sentence = (
        r"moments/finetuned: this classifier trains a network.*`finetune_i3resnet`; list the other runs"
    )
    with pytest.raises(ValidationError, match=sentence):
        Study.model_validate({**DECLARED, "runs": None})


def test_missing_weights_make_its_runs_unavailable_and_leave_the_others(extracted, tmp_path):
    absent = {**TUNED, "weights": {"file": str(tmp_path / "none.safetensors")}}
    result = do({**DECLARED, "extractors": {**DECLARED["extractors"], "last_stage": absent}}, extracted)
    assert "no such weights file" in result.failed["last_stage/finetuned"]
    assert len(result.all_runs()) == 3


def test_an_encoder_that_cannot_be_parted_excludes_every_case_with_the_reason(tmp_path):
    eva = {**TUNED, "encoder": "vit_tiny_patch16_dinov3_qkvb"}
    with pytest.raises(UserError, match=r"every one of the 20 cases was excluded.*cannot be parted"):
        do({**LAST_STAGE, "extractors": {"last_stage": eva}}, tmp_path)


def test_too_few_cases_for_the_inner_split_are_refused_before_anything_is_computed(tmp_path):
    few = {"use": "toy_cohort", "zero": 10, "nonzero": 3}
    with pytest.raises(UserError, match="2 of them in a training fold, too few for 3 inner folds"):
        do({**LAST_STAGE, "cohort": few}, tmp_path)
    assert not (tmp_path / "features").exists()


def test_what_takes_a_table_apart_refuses_a_run_that_trains_a_network(tmp_path):
    study = Study.model_validate(DECLARED)
    with workers(1) as pool:
        execution = Execution(Store(tmp_path), pool)
        with pytest.raises(UserError, match=r"run head/finetuned trains a network .*explain needs"):
            explain_run(study, "head/finetuned", execution)
        with pytest.raises(UserError, match=r"run head/finetuned trains a network .*audit needs"):
            audit_study(study, ["head/finetuned"], 2, execution)
        again = RobustnessStudy(study, {"again": study})
        with pytest.raises(UserError, match=r"run head/finetuned trains a network .*robustness needs"):
            measure_robustness(again, execution)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, ">f4"])
def test_activations_survive_the_store_to_the_bit(dtype):
    array = np.random.default_rng(0).normal(50, 20, (2, 3, 4, 5)).astype(dtype)
    again = unpack(pack(array))
    assert again.shape == array.shape
    assert (again == array).all()
