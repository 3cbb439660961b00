"""`finetune_slices`: what it shows of a scan, where it parts an encoder, and what it says to bad input."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from benchmark.errors import CaseError, UserError
from benchmark.plugins.registry import build
from feature_extractors.slices.finetuning.parting import last_stage
from feature_extractors.slices.network import load

UNTRAINED = {"untrained": 5}


def extractor(**parameters):
    declared = {"encoder": "test_efficientnet", "weights": UNTRAINED, "input_size": 64, "slabs": 3}
    return build("feature_extractor", {"use": "finetune_slices", **declared, **parameters})


@pytest.fixture
def scan():
    z, y, x = np.indices((7, 48, 48))
    hu = 60 * np.sin(x / 5) + 40 * np.cos(y / 7 + z) + np.where(x > 30, 700, -40) - 30 * z
    return sitk.GetImageFromArray(hu.astype(np.int16))


@pytest.fixture
def everywhere(scan):
    return sitk.GetImageFromArray(np.ones(scan.GetSize()[::-1], np.uint8))


def test_a_plane_is_the_maximum_of_its_slab_in_256_greys(scan, everywhere):
    _, planes = extractor(depth="full", input_size=48).extract_with_activations(scan, everywhere)
    hu = sitk.GetArrayFromImage(scan)
    maxima = np.stack([hu[0:3].max(0), hu[2:5].max(0), hu[4:7].max(0)])  # 7 slices: neighbours share one
    grey = (np.clip(maxima, -160, 240) + 160) / 400 * 255
    assert planes.dtype == np.uint8
    assert planes.shape == (2, 3, 1, 48, 48)
    np.testing.assert_allclose(planes[0, :, 0], grey, atol=0.51)
    assert (planes[1] == planes[0][..., ::-1]).all()


def test_features_without_activations_are_those_of_the_slabs(scan, everywhere):
    plugin = extractor(slabs=2)
    with_activations, _ = plugin.extract_with_activations(scan, everywhere)
    assert plugin.extract(scan, everywhere).equals(with_activations)


def test_fewer_slices_than_slabs_are_shown_more_than_once(scan, everywhere):
    _, planes = extractor(depth="full", slabs=5).extract_with_activations(
        scan[:, :, :2], everywhere[:, :, :2]
    )
    shown = planes[0].reshape(5, -1)
    assert len(np.unique(shown, axis=0)) == 3, "the first, both, and the second"


@pytest.mark.parametrize("depth", ["head", "last_stage", "full"])
def test_the_second_view_is_the_first_of_the_mirrored_scan(scan, everywhere, depth):
    plugin = extractor(depth=depth)
    mirrored = sitk.GetImageFromArray(np.ascontiguousarray(sitk.GetArrayFromImage(scan)[..., ::-1]))
    expected = plugin.extract_with_activations(mirrored, everywhere)[1][0]
    found = plugin.extract_with_activations(scan, everywhere)[1][1]
    np.testing.assert_allclose(found.astype(float), expected.astype(float), atol=2e-3)


def test_without_mirroring_there_is_one_view(scan, everywhere):
    assert extractor(mirrored=False).extract_with_activations(scan, everywhere)[1].shape[0] == 1


@pytest.mark.parametrize("pooling", ["mean", "max", "top_k"])
@pytest.mark.parametrize("depth", ["head", "last_stage", "full"])
def test_untouched_the_trained_layers_give_the_frozen_features(scan, everywhere, depth, pooling):
    plugin = extractor(depth=depth, slices=pooling, top_k=2)
    frozen, activations = plugin.extract_with_activations(scan, everywhere)
    with torch.no_grad():
        found = plugin.trained_part()(torch.from_numpy(activations[:1]).float())[0]
    np.testing.assert_allclose(found.numpy(), frozen.to_numpy(), atol=2e-3 * np.abs(frozen).max())


def test_frozen_features_are_those_of_slices_of_the_same_planes(scan, everywhere):
    every_slice = extractor(slabs=7)
    declared = {"encoder": "test_efficientnet", "weights": UNTRAINED, "input_size": 64}
    slices = build("feature_extractor", {"use": "slices", **declared}).extract(scan, everywhere)
    found = every_slice.extract(scan, everywhere)
    assert list(found.index) == list(slices.index)
    np.testing.assert_allclose(found, slices, atol=5e-3)  # greys are rounded


@pytest.mark.parametrize(
    ("encoder", "side", "first_trained"),
    [
        ("test_efficientnet", 64, "blocks.4"),
        ("test_resnet", 64, "layer4"),
        ("test_vit", None, "blocks.5"),
        ("test_convnext", 64, "stages.3"),
        ("radimagenet_densenet121", 64, "features.transition3"),
    ],
)
def test_every_layer_after_the_last_but_one_stage_is_trained_and_none_before(encoder, side, first_trained):
    plugin = extractor(encoder=encoder, input_size=side)
    whole = load(encoder, plugin.weights, side, "own", "cpu", "fp32").network
    names = [name for name, _ in whole.named_parameters()]
    layers = [name for name in names if name.split(".")[0] not in ("cls_token", "reg_token", "pos_embed")]
    start = next(place for place, name in enumerate(layers) if name.startswith(first_trained + "."))
    trained = [name.removeprefix("layers.network.") for name, _ in plugin.trained_part().named_parameters()]
    assert trained == layers[start:]
    assert all(parameter.requires_grad for parameter in plugin.trained_part().parameters())
    assert not any(parameter.requires_grad for parameter in whole.parameters()), "the shared one stays frozen"


def test_an_encoder_that_cannot_be_parted_is_refused_with_what_can_be_done():
    plugin = extractor(encoder="vit_small_patch16_dinov3.lvd1689m")  # rotates positions in every block
    sentence = r"cannot be parted before its last stage: say `depth: full` or `depth: head`"
    with pytest.raises(UserError, match=sentence):
        plugin.trained_part()


def test_an_encoder_without_listed_stages_is_refused():
    loaded = load("test_resnet", extractor(encoder="test_resnet").weights, 64, "own", "cpu", "fp32")
    listed = loaded.network.feature_info
    try:
        loaded.network.feature_info = []
        with pytest.raises(UserError, match=r"encoder 'test_resnet.*' cannot be parted"):
            last_stage(loaded)
    finally:
        loaded.network.feature_info = listed


def test_an_empty_region_is_the_case_s_failure(scan):
    with pytest.raises(CaseError, match="the ROI is empty"):
        extractor().extract(scan, sitk.Image(scan.GetSize(), sitk.sitkUInt8))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"depth": "last_stag"}, "'head', 'last_stage' or 'full'"),
        ({"slabs": 0}, "greater than 0"),
        ({"precision": "fp16"}, "gradients overflow in fp16"),
        ({"encoder": "test_efficientne"}, "did you mean 'test_efficientnet"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        extractor(**parameters)


def test_missing_weights_make_it_unavailable_and_say_where_they_were_looked_for(tmp_path):
    state = extractor(weights={"file": str(tmp_path / "none.safetensors")}).availability()
    assert not state.ready
    assert "none.safetensors: no such weights file" in state.reason


def test_its_architecture_is_a_declaration_that_names_no_weights_of_others():
    plugin = extractor(depth="last_stage", slices="max")
    again = build("feature_extractor", plugin.architecture())
    assert again.untrained
    shapes = [
        {name: tensor.shape for name, tensor in one.trained_part().state_dict().items()}
        for one in (plugin, again)
    ]
    assert shapes[0] == shapes[1]
