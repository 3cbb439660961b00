"""Every preset builds the published architecture and takes a file of the published layout, and no other."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.networks.torchvision_repair import import_timm
from benchmark.networks.weights import HubWeights, LocalWeights
from feature_extractors.radimagenet import RadImageNetExtractor
from feature_extractors.slices.encoders import known_to_timm
from feature_extractors.slices.extractor import SlicesExtractor
from feature_extractors.slices.network import load
from feature_extractors.slices.presets import PRESETS
from tests.feature_extractors.slices.layouts import LAYOUTS, efficientnet_lite0, random_tensors, write
from tests.feature_extractors.test_radimagenet import scan, torchvision_network

timm = import_timm()
FILES = {name: "weights.pt" if name == "imagenet" else "model.safetensors" for name in LAYOUTS}
SIDE = {"imagenet": 224, "dinov3_small": 64, "dale_ct": 64}
WIDTH = {
    "imagenet": 1280,
    "dinov2_small": 384,
    "dinov2_base": 768,
    "dinov3_small": 384,
    "rad_dino": 768,
    "dale_ct": 1024,
}


def loaded(name: str, path: Path) -> torch.nn.Module:
    network: torch.nn.Module = load(
        name,
        LocalWeights(file=path),
        SIDE.get(name, None if "radimagenet" in name else 56),
        "own",
        "cpu",
        "fp32",
    ).network
    return network


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LAYOUTS if name != "imagenet"])
def test_a_file_of_the_published_layout_is_loaded_whole(name: str, tmp_path: Path) -> None:
    tensors = random_tensors(LAYOUTS[name])
    network = loaded(name, write(tensors, tmp_path / FILES[name]))
    state = network.state_dict()
    assert {*tensors} - {*state} == ({"mask_token"} if name == "rad_dino" else set())
    for key in {*state} - {"pos_embed"}:  # made to fit the smaller planes of this test
        torch.testing.assert_close(state[key], tensors[key].float(), rtol=0, atol=0)
    assert network.num_features == WIDTH[name]


def test_the_names_of_efficientnet_lite0_map_in_order_onto_timms(tmp_path: Path) -> None:
    tensors = random_tensors(efficientnet_lite0())
    network = loaded("imagenet", write(tensors, tmp_path / "weights.pt"))
    learnt = [name for name in tensors if not name.endswith("num_batches_tracked")]
    assert len(learnt) == 247
    state = timm.create_model("tf_efficientnet_lite0", num_classes=1000).state_dict()
    theirs = [name for name in state if not name.endswith("num_batches_tracked")]
    for ours, name in list(zip(learnt, theirs, strict=True))[:-2]:
        torch.testing.assert_close(network.state_dict()[name], tensors[ours], rtol=0, atol=0)


@pytest.mark.parametrize("name", ["imagenet", "dinov2_small", "dinov3_small"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("missing", r"of \d+ tensors 1 \(.*\) missing and none unknown"),
        ("extra", r"none missing and 1 \(surplus"),
        ("renamed", r"1 \(.*\) missing and 1 \(.*renamed\) unknown"),
        ("misshapen", r"has the shape \(7,\) instead of"),
        ("not finite", "not finite"),
        ("cut", "damaged or of another format"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(name: str, damage: str, said: str, tmp_path: Path) -> None:
    tensors = random_tensors(LAYOUTS[name])
    victim = [key for key in tensors if key.endswith("bias")][3]
    match damage:
        case "missing":
            del tensors[victim]
        case "extra":
            tensors["surplus.weight"] = torch.zeros(3)
        case "renamed":
            tensors[f"{victim}_renamed"] = tensors.pop(victim)
        case "misshapen":
            tensors[victim] = torch.zeros(7)
        case "not finite":
            tensors[victim] = torch.full_like(tensors[victim], torch.nan)
    path = write(tensors, tmp_path / FILES[name])
    if damage == "cut":
        os.truncate(path, path.stat().st_size * 2 // 3)
    with pytest.raises(UserError, match=said) as caught:
        loaded(name, path)
    assert str(path) in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rad_dino", "dale_ct"])
def test_a_large_file_without_a_tensor_is_refused(name: str, tmp_path: Path) -> None:
    shapes = {key: shape for key, shape in LAYOUTS[name].items() if key != "blocks.7.ls2.gamma"}
    zeros = {key: torch.zeros(shape, dtype=torch.bfloat16) for key, shape in shapes.items()}
    path = write(zeros, tmp_path / FILES[name])
    with pytest.raises(UserError, match=r"1 \(blocks.7.ls2.gamma\) missing"):
        loaded(name, path)


def test_the_weights_of_another_encoder_are_refused(tmp_path: Path) -> None:
    path = write(random_tensors(LAYOUTS["dinov2_small"]), tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"not the weights of VisionTransformer: .*blocks|has the shape"):
        loaded("dinov2_base", path)


@pytest.mark.parametrize("name", ["imagenet", "dinov2_small", "dinov2_base", "dinov3_small"])
def test_a_preset_sees_what_timm_says(name: str) -> None:
    preset = PRESETS[name]
    timms = known_to_timm(preset.architecture)
    seen = ("side", "mean", "deviation", "interpolation")
    assert [getattr(preset, key) for key in seen] == [getattr(timms, key) for key in seen]
    assert preset.provenance.licence[:6].lower() == timms.provenance.licence[:6].lower()
    assert isinstance(timms.weights, HubWeights)
    if name != "imagenet":
        assert preset.weights == timms.weights


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["resnet50", "densenet121", "inception_v3"])
def test_a_preset_of_radimagenet_takes_the_published_file_as_the_plug_in_does(
    backbone: str, tmp_path: Path
) -> None:
    children = list(torchvision_network(backbone).children())
    numbered = torch.nn.Sequential(*children[: -1 if backbone != "densenet121" else None]).state_dict()
    tensors = {f"backbone.{key}": tensor for key, tensor in numbered.items()}
    weights = {"file": write(tensors, tmp_path / "published.pt")}
    image = scan((2, 40, 40))
    expected = RadImageNetExtractor(backbone=backbone, weights=weights, precision="fp32").extract(
        image, image
    )
    preset = SlicesExtractor(encoder=f"radimagenet_{backbone}", weights=weights)
    np.testing.assert_allclose(preset.extract(image, image * 0 + 1), expected, atol=1e-4, rtol=1e-4)
    del tensors[next(key for key in tensors if key.endswith("bias"))]
    with pytest.raises(UserError, match=r"1 \(.*\) missing and none unknown"):
        loaded(f"radimagenet_{backbone}", write(tensors, tmp_path / "less.pt"))


def test_radimagenets_presets_name_the_files_of_the_plug_in() -> None:
    for backbone in ("resnet50", "densenet121", "inception_v3"):
        assert PRESETS[f"radimagenet_{backbone}"].weights == RadImageNetExtractor(backbone=backbone).weights


def test_dale_ct_is_given_hu_in_units_of_its_own_deviation() -> None:
    """(clip(HU) − mean) / deviation, as its authors compute it from −940.8, 923.1, −25.03 and 246.87."""
    preset = PRESETS["dale_ct"]
    low, high = preset.window_hu
    for hu in (-2000.0, -500.0, 40.0, 800.0, 3000.0):
        grey = (min(max(hu, low), high) - low) / (high - low)
        seen = (grey - preset.mean[0]) / preset.deviation[0]
        assert seen == pytest.approx((min(max(hu, -940.8), 923.1) + 25.03) / 246.87)


def test_licences_that_forbid_commercial_use_are_marked() -> None:
    forbidden = {name for name, preset in PRESETS.items() if not preset.provenance.commercial}
    assert forbidden == {"rad_dino", "dale_ct"}
    assert not known_to_timm("convnextv2_atto.fcmae").provenance.commercial  # CC BY-NC
    assert known_to_timm("resnet50.a1_in1k").provenance.commercial
