"""The report says whose weights a study rests on, under which licence, and what they have learnt from."""

import pytest

from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.plugins.registry import build
from benchmark.report.study_report import report_of


def used(**declared):
    return build("feature_extractor", declared).provenance_used()


@pytest.mark.slow
def test_the_table_names_published_weights_and_neither_controls_nor_what_has_none(toy_study, tmp_path):
    imagenet = {"use": "slices", "segmenter": "toy_centre", "input_size": 32}
    moments = {"use": "toy_moments", "segmenter": "toy_centre"}
    untrained = {**imagenet, "weights": {"untrained": 0}}
    study = toy_study(
        cohort={"use": "toy_cohort", "zero": 6, "nonzero": 6, "contrast": 400.0},
        extractors={"moments": moments, "imagenet": imagenet, "control": untrained},
        runs=[f"{name}/logistic_regression" for name in ("moments", "imagenet", "control")],
        protocol={"folds": 3, "inner_folds": 2},
        comparisons={},
    )
    if not (state := study.extractors["imagenet"].extractor.availability()).ready:
        pytest.skip(state.reason)
    with workers(1) as pool:
        report = report_of(run_study(study, Execution(Store(tmp_path), pool)))
    assert report.tables["weights"].to_numpy().tolist() == [
        ["imagenet", "Apache-2.0", "photographs (ImageNet)", "nobody"]
    ]
    assert "Weights of others" in [section.title for section in report.sections]


def test_licences_that_forbid_commercial_use_are_marked():
    assert used(use="monai_encoder", encoder="vista3d").terms == "NVIDIA License (NON-COMMERCIAL)"
    assert used(use="slices", encoder="dale_ct").terms.endswith("(NON-COMMERCIAL)")
    assert used(use="finetune_ct_fm").terms == "Apache-2.0"


def test_what_one_encoder_of_several_has_learnt_from_is_its_own():
    assert used(use="i3resnet", encoder="merlin").may_hold.startswith("Stanford")
    assert used(use="i3resnet").trained_on != used(use="i3resnet", encoder="merlin").trained_on
    assert used(use="radimagenet", backbone="densenet121") == used(
        use="slices", encoder="radimagenet_densenet121"
    )


def test_of_a_model_of_timm_the_licence_is_timm_s_and_the_rest_is_not_stated():
    told = used(use="slices", encoder="convnext_tiny.fb_in22k")
    assert (told.licence, told.trained_on) == ("apache-2.0", "")


def test_a_file_on_disk_is_taken_at_its_word_and_that_is_said(tmp_path):
    told = used(use="ct_fm", weights={"file": str(tmp_path / "model.safetensors")})
    assert told.licence == "Apache-2.0, if the file is the published one"


def test_untrained_weights_and_features_without_weights_are_nobody_s():
    assert used(use="ct_fm", weights={"untrained": 0}) is None
    assert used(use="radiomics") is None
