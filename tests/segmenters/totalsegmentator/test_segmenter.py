"""TotalSegmentator: the real package on a tiny network in its true folder layout, and all that may be missing.

The tiny network is nnU-Net's own U-Net with weights set by hand so that it finds what lies above a threshold in HU:
what comes back is known to the voxel.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from typer.testing import CliRunner

from benchmark.case import Scan
from benchmark.cli import app
from benchmark.errors import CaseError, UserError
from benchmark.plugins.registry import build
from segmenters.totalsegmentator import process as totalsegmentator_process
from segmenters.totalsegmentator.installation import DATASETS, LICENSED, Installation
from segmenters.totalsegmentator.segmenter import LABELS, TotalSegmentatorSegmenter

installed = pytest.mark.skipif(
    importlib.util.find_spec("totalsegmentator") is None,
    reason="the extra is absent: pip install 'cacbench[totalsegmentator]'",
)
LICENCE = "aca_" + "0" * 14
CORONARY_HU, HEART_HU = 250.0, -50.0


@pytest.fixture(autouse=True)
def _no_installation_of_the_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("TOTALSEG_HOME_DIR", str(tmp_path / "home"))
    monkeypatch.delenv("TOTALSEG_WEIGHTS_PATH", raising=False)


@pytest.fixture
def licence(tmp_path):
    file = tmp_path / "licence.txt"
    file.write_text(LICENCE + "\n")
    return file


# The whole path, with the real package


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The weights folder of the coronary task: the vessel network and the one that finds the heart."""
    folder = tmp_path_factory.mktemp("weights")
    vessels, heart = DATASETS["coronary_arteries"].values()
    write_network(folder / vessels, "nnUNetTrainerSkeletonRecall", "3d_fullres_high", 0.7, {1: CORONARY_HU})
    write_network(
        folder / heart, "nnUNetTrainer_4000epochs_NoMirroring", "3d_fullres", 6.0, {51: HEART_HU}, classes=117
    )
    return folder


def write_network(folder, trainer, configuration, spacing, thresholds, classes=1):
    """Write a network that gives a label to the voxels above a threshold, as nnU-Net would save a trained one."""
    import torch
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    arguments = {
        "n_stages": 2,
        "features_per_stage": [2, 2],
        "kernel_sizes": [[1, 1, 1]] * 2,
        "strides": [[1, 1, 1], [2, 2, 2]],
        "n_conv_per_stage": [1, 1],
        "n_conv_per_stage_decoder": [1],
        "conv_bias": True,
        "norm_op": None,
        "norm_op_kwargs": {},
        "dropout_op": None,
        "dropout_op_kwargs": None,
    }
    network = PlainConvUNet(
        input_channels=1,
        num_classes=classes + 1,
        conv_op=torch.nn.Conv3d,
        nonlin=torch.nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
        deep_supervision=False,
        **arguments,
    )
    for name, values in network.named_parameters():
        values.data.zero_()
        if name.startswith("encoder.stages.0") and name.endswith("conv.weight"):
            values.data[:, 0] = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)  # the value, and its opposite
        if name.startswith("decoder.stages.0") and name.endswith("conv.weight"):
            values.data[0, 2], values.data[1, 3] = 1.0, 1.0  # what skipped the lower level
        if name == "decoder.seg_layers.0.weight":
            for label in thresholds:
                values.data[label] = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
        if name == "decoder.seg_layers.0.bias":
            values.data[0] = 0.0
            values.data[1:] = -100.0
            for label, hu in thresholds.items():
                values.data[label] = -hu / 100 * 1.0001
    # Two leaky ReLUs of slope 0.01 keep a value v as v (v > 0) in one channel and 1e-4 v in the other.
    home = folder / f"{trainer}__nnUNetPlans__{configuration}"
    (home / "fold_0").mkdir(parents=True)
    network_weights = network.state_dict()
    torch.save(
        {
            "network_weights": network_weights,
            "trainer_name": trainer,
            "init_args": {"configuration": configuration},
            "inference_allowed_mirroring_axes": (0, 1, 2),
        },
        home / "fold_0" / "checkpoint_final.pth",
    )
    labels = {"background": 0, **{f"class_{label}": label for label in range(1, classes + 1)}}
    (home / "dataset.json").write_text(
        json.dumps(
            {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
        )
    )
    (home / "plans.json").write_text(json.dumps(plans(folder.name, configuration, spacing, arguments)))


def plans(dataset, configuration, spacing, arguments):
    resampling = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
    return {
        "dataset_name": dataset,
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "original_median_spacing_after_transp": [spacing] * 3,
        "original_median_shape_after_transp": [40] * 3,
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "label_manager": "LabelManager",
        "experiment_planner_used": "ExperimentPlanner",
        "foreground_intensity_properties_per_channel": {
            "0": {
                "mean": 0.0,
                "std": 100.0,
                "percentile_00_5": -1000.0,
                "percentile_99_5": 3000.0,
                "min": -1024.0,
                "max": 3071.0,
                "median": 0.0,
            }
        },
        "configurations": {
            configuration: {
                "data_identifier": f"nnUNetPlans_{configuration}",
                "preprocessor_name": "DefaultPreprocessor",
                "batch_size": 2,
                "patch_size": [32, 32, 32],
                "median_image_size_in_voxels": [40, 40, 40],
                "spacing": [spacing] * 3,
                "normalization_schemes": ["CTNormalization"],
                "use_mask_for_norm": [False],
                "batch_dice": False,
                "resampling_fn_data": "resample_data_or_seg_to_shape",
                "resampling_fn_data_kwargs": {**resampling, "order": 3},
                "resampling_fn_seg": "resample_data_or_seg_to_shape",
                "resampling_fn_seg_kwargs": {**resampling, "is_seg": True},
                "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
                "resampling_fn_probabilities_kwargs": resampling,
                "architecture": {
                    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
                    "arch_kwargs": {
                        **arguments,
                        "conv_op": "torch.nn.modules.conv.Conv3d",
                        "nonlin": "torch.nn.LeakyReLU",
                        "nonlin_kwargs": {"inplace": True},
                    },
                    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
                },
            }
        },
    }


def phantom(spacing=0.7):
    """Tissue in air with a bright tube across it; returns the image and the tube's voxels (z, y, x)."""
    voxels = np.full((40, 56, 64), -1000, np.int16)
    voxels[6:34, 8:48, 8:56] = 40
    tube = np.zeros(voxels.shape, bool)
    tube[18:22, 20:24, 14:50] = True
    voxels[tube] = 600
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((spacing,) * 3)
    image.SetOrigin((-12.3, 45.6, -789.0))
    return image, tube


@pytest.mark.slow
@installed
def test_the_coronaries_are_found_from_ct_to_roi(weights, licence, tmp_path, monkeypatch):
    image, tube = phantom()
    installation = {"weights_folder": str(weights), "licence_file": str(licence)}
    segmenter = TotalSegmentatorSegmenter(device="cpu", installation=installation)
    assert segmenter.availability().ready, segmenter.availability().reason
    scan = Scan(image)
    roi = segmenter.segment(scan)
    assert roi.GetOrigin() == image.GetOrigin()
    assert (sitk.GetArrayFromImage(roi) == tube).all()
    assert not (
        tmp_path / "home"
    ).exists()  # nothing was written where the user's TotalSegmentator keeps things
    with monkeypatch.context() as once:
        once.setattr(TotalSegmentatorSegmenter, "_run", lambda *_: pytest.fail("the network ran again"))
        wider = segmenter.model_copy(update={"dilation_mm": 1.5}).segment(scan)
    away = sitk.SignedMaurerDistanceMap(roi, squaredDistance=False, useImageSpacing=True)
    beyond = sitk.GetArrayFromImage(away)[sitk.GetArrayFromImage(wider) > 0]
    assert 1.3 < beyond.max() <= 1.5
    assert (sitk.GetArrayFromImage(wider)[tube] == 1).all()


@pytest.mark.slow
@installed
def test_the_rule_searches_the_heart_of_the_open_task_and_a_margin_around_it(tmp_path):
    from totalsegmentator.map_to_binary import class_map_5_parts

    cardiac, rough = DATASETS["total"].values()
    parts = {name: label for label, name in class_map_5_parts["class_map_part_cardiac"].items()}
    write_network(
        tmp_path / cardiac,
        "nnUNetTrainerNoMirroring",
        "3d_fullres",
        1.5,
        {parts["heart"]: 70.0},
        classes=len(parts),
    )
    trainer = "nnUNetTrainer_4000epochs_NoMirroring"
    write_network(tmp_path / rough, trainer, "3d_fullres", 6.0, {51: 70.0}, classes=117)
    voxels = np.full((40, 56, 64), -1000, np.int16)
    voxels[4:36, 4:52, 4:60] = 40
    voxels[12:28, 16:40, 20:44] = 100
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((1.5,) * 3)
    heart = {
        "use": "totalsegmentator",
        "task": "total",
        "structures": ["heart"],
        "dilation_mm": 6.0,
        "device": "cpu",
        "installation": {"weights_folder": str(tmp_path)},
    }
    tissue = build("segmenter", {"use": "threshold", "hu": 30, "within": heart})
    assert tissue.availability().ready, "no licence is needed"
    found = tissue.segment(Scan(image))
    mask = sitk.GetImageFromArray((voxels == 100).astype(np.uint8))
    mask.CopyInformation(image)
    away = sitk.SignedMaurerDistanceMap(mask, squaredDistance=False, useImageSpacing=True)
    near = (sitk.GetArrayFromImage(away) <= 6.0) & (voxels > 0)
    assert near.sum() > 2 * (voxels == 100).sum()
    assert (sitk.GetArrayFromImage(found) == np.where(near, LABELS["total"]["heart"], 0)).all()


@pytest.mark.slow
@installed
def test_an_air_filled_scan_without_a_heart_is_a_case_error(weights, licence):
    image, _ = phantom()
    air = sitk.Cast(image * 0 - 900, sitk.sitkInt16)
    installation = {"weights_folder": str(weights), "licence_file": str(licence)}
    with pytest.raises(CaseError, match="found no coronary_arteries"):
        TotalSegmentatorSegmenter(device="cpu", installation=installation).segment(Scan(air))


@installed
def test_what_is_said_of_the_tasks_is_what_the_package_says():
    from totalsegmentator.map_tasks_config import TASK_CONFIGS, TASK_ID_WEIGHTS_CONFIGS
    from totalsegmentator.map_to_binary import class_map, class_map_5_parts
    from totalsegmentator.registry import requires_license

    for task, datasets in DATASETS.items():
        assert {number: TASK_ID_WEIGHTS_CONFIGS[number]["foldername"] for number in datasets} == datasets
        assert requires_license(task) == (task in LICENSED)
        known = {name: number for number, name in class_map[task].items()}
        assert LABELS[task].items() <= known.items()
    assert TASK_CONFIGS["coronary_arteries"]["task_id"] == 509
    assert TASK_CONFIGS["heartchambers_highres"]["robust_crop"] is True  # hence dataset 297, not 298
    assert {"heart", "aorta"} <= set(class_map_5_parts["class_map_part_cardiac"].values())
    assert LABELS["heartchambers_highres"].keys() == set(class_map["heartchambers_highres"].values())


@pytest.mark.slow
@installed
def test_the_packages_own_exit_becomes_the_reason(weights, tmp_path):
    """Without a licence TotalSegmentator prints and raises SystemExit(1)."""
    sitk.WriteImage(phantom()[0], str(tmp_path / "ct.nii"))
    request = {
        "action": "segment",
        "image": str(tmp_path / "ct.nii"),
        "out": str(tmp_path / "out.nii"),
        "task": "coronary_arteries",
        "structures": None,
        "device": "cpu",
        "weights": str(weights),
        "licence": "",
    }
    with pytest.raises(totalsegmentator_process.ProcessError, match=r"exit code 1.*requires a license"):
        totalsegmentator_process.run(request, timeout_s=120)
    assert not (tmp_path / "out.nii").exists()


# What a child process may do


def run_child(monkeypatch, code, timeout_s=20.0):
    """Run other code where TotalSegmentator would run."""
    real = subprocess.Popen

    def start(command, **options):
        return real([sys.executable, "-c", code], **options)

    monkeypatch.setattr(totalsegmentator_process.subprocess, "Popen", start)
    request = {"action": "segment", "licence": LICENCE, "weights": "/nowhere"}
    totalsegmentator_process.run(request, timeout_s)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os.abort()", "SIGABRT"),
        (
            "import os, signal; print('half'); os.kill(os.getpid(), signal.SIGKILL)",
            r"SIGKILL \(out of memory\?\)",
        ),
        ("raise SystemExit('no licence found')", "exit code 1: no licence found"),
        ("import sys; sys.exit(3)", "exit code 3: without a word"),
        ("print('Traceback'); raise MemoryError('8 GiB')", "exit code 1: .*MemoryError: 8 GiB"),
    ],
)
def test_every_end_of_the_child_is_an_error_that_says_how(monkeypatch, code, message):
    with pytest.raises(totalsegmentator_process.ProcessError, match=message):
        run_child(monkeypatch, code)


def test_a_child_that_takes_too_long_is_ended_with_its_own_children(monkeypatch, tmp_path):
    note = tmp_path / "grandchild"
    grandchild = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    with pytest.raises(totalsegmentator_process.ProcessError, match=r"longer than 0\.05 minutes"):
        run_child(monkeypatch, code, timeout_s=3.0)
    pid = int(note.read_text())
    for _ in range(50):
        if not alive(pid):
            break
        time.sleep(0.1)
    assert not alive(pid)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_child_gets_a_home_of_its_own_without_usage_statistics_and_leaves_nothing(monkeypatch, tmp_path):
    note = tmp_path / "seen.json"
    code = (
        "import json, os, pathlib, sys; home = pathlib.Path(os.environ['TOTALSEG_HOME_DIR']);"
        "request = json.load(sys.stdin);"
        f"pathlib.Path({str(note)!r}).write_text(json.dumps([str(home), (home / 'config.json').read_text(),"
        "os.environ['TMPDIR'], oct(home.stat().st_mode), request, sys.argv]))"
    )
    run_child(monkeypatch, code)
    home, config, temporary, mode, request, arguments = json.loads(note.read_text())
    assert json.loads(config)["send_usage_stats"] is False
    assert json.loads(config)["license_number"] == LICENCE
    assert mode.endswith("700")
    assert LICENCE not in json.dumps([request, arguments])
    assert not os.path.exists(home)
    assert not os.path.exists(temporary)


# What may be missing


def test_everything_that_is_missing_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    state = TotalSegmentatorSegmenter().availability()
    assert not state.ready
    assert "pip install 'cacbench[totalsegmentator]'" in state.reason
    assert "https://backend.totalsegmentator.com/license-academic/" in state.reason
    assert "Dataset509_coronary_arteries_cm_nativ_400subj_SKELETON, Dataset298_" in state.reason
    assert "cacbench weights --fetch" in state.reason
    assert "\n" not in state.reason


def test_the_open_task_asks_for_no_licence():
    reason = TotalSegmentatorSegmenter(task="total", structures=["heart"]).availability().reason
    assert "licence" not in reason
    assert "Dataset293_" in reason


@pytest.mark.parametrize("content", ["{}", "not json", '{"license_number": ""}', "[]"])
def test_a_configuration_without_a_licence_is_no_licence(tmp_path, content):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.json").write_text(content)
    assert "needs a licence" in Installation().why_no_licence("coronary_arteries")


def test_the_licence_is_found_where_totalsegmentator_keeps_it(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.json").write_text(json.dumps({"license_number": LICENCE}))
    assert Installation().licence() == LICENCE
    (tmp_path / "home" / "config.json").write_text(json.dumps({"license_number": "short"}))
    assert "5 characters, not 18" in Installation().why_no_licence("coronary_arteries")


@pytest.mark.parametrize("variable", ["TOTALSEG_WEIGHTS_PATH", "TOTALSEG_HOME_DIR"])
def test_the_weights_are_looked_for_where_totalsegmentator_would(monkeypatch, tmp_path, variable):
    monkeypatch.setenv(variable, str(tmp_path / "there"))
    inside = "" if variable == "TOTALSEG_WEIGHTS_PATH" else "nnunet/results"
    assert Installation().folder == tmp_path / "there" / inside


@pytest.mark.slow
def test_a_study_goes_on_without_it(tmp_path):
    study = {
        "name": "s",
        "cohort": {"use": "toy_cohort"},
        "segmenters": {
            "totalsegmentator": {},
            "toy_centre": {},
            "calcium": {"use": "threshold", "within": "totalsegmentator"},
        },
        "extractors": {
            "a": {"use": "toy_moments", "segmenter": "toy_centre"},
            "b": {"use": "toy_moments", "segmenter": "totalsegmentator"},
            "c": {"use": "toy_moments", "segmenter": "calcium"},
        },
        "classifiers": {"logistic_regression": {"grid": {"C": [1.0]}}},
        "protocol": {"folds": 2, "inner_folds": 2},
    }
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    arguments = [str(tmp_path / "s.yaml"), "--results", str(tmp_path / "r"), "--jobs", "1"]
    result = CliRunner().invoke(app, ["run", *arguments])
    assert result.exit_code == 0, result.output
    assert "no result for b/logistic_regression, c/logistic_regression: unavailable: " in result.output
    listed = CliRunner().invoke(app, ["weights", str(tmp_path / "s.yaml"), "--json"])
    rows = [row for row in json.loads(listed.output) if row["source"].startswith("Dataset509")]
    assert {row["plugin"] for row in rows} == {"totalsegmentator", "calcium"}
    assert {row["state"] for row in rows} == {"unavailable"}


def test_it_is_listed_with_what_is_missing():
    result = CliRunner().invoke(app, ["list", "--json"])
    state = json.loads(result.output)["segmenter"]["totalsegmentator"]["state"]
    assert state.startswith("unavailable: ")
    assert "cacbench weights --fetch" in state


# Parameters and identity


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"task": "total", "structures": ["liver"]}, "total finds no liver; it finds heart, aorta"),
        ({"task": "total", "structures": ["heart", "heart"]}, "'heart' is there twice: name each once"),
        ({"structures": ["heart"]}, "coronary_arteries finds no heart"),
        ({"dilation_mm": -1}, "dilation_mm"),
    ],
)
def test_unfit_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        build("segmenter", {"use": "totalsegmentator", **parameters})


@pytest.fixture
def empty_weights(tmp_path):
    """Files in the true layout, enough to be hashed."""
    for dataset in DATASETS["coronary_arteries"].values():
        home = tmp_path / "w" / dataset / "trainer__nnUNetPlans__3d_fullres"
        (home / "fold_0").mkdir(parents=True)
        for name in ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth"):
            (home / name).write_text(f"{dataset} {name}")
    return tmp_path / "w"


@installed
def test_the_fingerprint_follows_the_weights_and_not_their_place_or_the_licence(
    empty_weights, licence, tmp_path
):
    def segmenter(folder, **installation):
        return TotalSegmentatorSegmenter(installation={"weights_folder": folder, **installation})

    before = segmenter(empty_weights).fingerprint()
    moved = empty_weights.rename(tmp_path / "moved")
    assert segmenter(moved, licence_file=licence, timeout_minutes=5).fingerprint() == before
    assert LICENCE not in json.dumps(segmenter(moved, licence_file=licence).parameters())
    next(moved.glob("*/*/plans.json")).write_text("other plans")
    assert segmenter(moved).fingerprint() != before


@installed
def test_one_region_serves_every_dilation_and_no_other_task(empty_weights):
    plain = TotalSegmentatorSegmenter(installation={"weights_folder": empty_weights})
    wide = plain.model_copy(update={"dilation_mm": 3.0})
    assert wide.region_key() == plain.region_key()
    assert wide.fingerprint() != plain.fingerprint()
    assert plain.model_copy(update={"device": "cuda"}).region_key() != plain.region_key()


def test_weights_that_are_missing_raise_with_the_remedy():
    with pytest.raises(UserError, match="cacbench weights --fetch"):
        TotalSegmentatorSegmenter().weights_digest()
    assert signal.SIGKILL == 9
