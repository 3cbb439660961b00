"""The bottleneck's features against what a hook sees in a forward pass of the whole network."""

import os
import pickle

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from benchmark.case import Scan
from benchmark.errors import CaseError, UserError
from benchmark.plugins.registry import build
from segmenters.denseraunet.embedding import bottleneck
from segmenters.denseraunet.embedding.extractor import DenseRAUnetFeaturesExtractor
from segmenters.denseraunet.network import build_network
from segmenters.denseraunet.plan import BasicUNet, DenseRAUnet, Input
from segmenters.denseraunet.trained_weights import SHIPPED
from segmenters.denseraunet.weights_file import WeightsFile, read_header

TINY = DenseRAUnet(channels=(8, 12), growth=8)
SEES = Input(slices=3, windows_hu=((-160, 240), (100, 1500)), pixel_mm=0.7)


def network(plan=TINY, sees=SEES):
    """With batch norms that, unlike fresh ones, are not the identity."""
    torch.manual_seed(4)
    module = build_network(plan, sees)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    return module.eval()


@pytest.fixture
def weights(tmp_path):
    file = tmp_path / "tiny.safetensors"
    WeightsFile(TINY, SEES, 0.7, {}).write(network().state_dict(), file)
    return file


def scan(shape=(7, 40, 52), spacing=(0.7, 0.7, 3.0)):
    z, y, x = np.indices(shape)
    hu = 60 * np.sin(x / 5) + 40 * np.cos(y / 7 + z) + np.where(x > 40, 700, -40) - 30 * z
    image = sitk.GetImageFromArray(hu.astype(np.int16))
    image.SetSpacing(spacing)
    return image


def region(image, start, size):
    """A box, as (x, y, z)."""
    roi = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    roi.CopyInformation(image)
    (x, y, z), (dx, dy, dz) = start, size
    roi[x : x + dx, y : y + dy, z : z + dz] = 1
    return roi


def hooked(module, sees, hu):
    """The bottleneck of every slice as a forward pass of the whole network goes through it: (z, channels, y, x)."""
    kept = []
    module.atrous.register_forward_hook(lambda _module, _inputs, output: kept.append(output[0].numpy()))
    for z in range(len(hu)):
        stack = []
        for low, high in sees.windows_hu:
            for step in range(-(sees.slices // 2), sees.slices // 2 + 1):
                plane = hu[min(max(z + step, 0), len(hu) - 1)].astype(np.float32)
                stack.append(np.clip((plane - low) / (high - low), 0, 1))
        stack.append((hu[z] >= sees.candidate_hu).astype(np.float32))
        with torch.no_grad():
            module(torch.from_numpy(np.stack(stack))[None])
    return np.stack(kept)


def features(weights, image, roi, **parameters):
    declared = {"use": "denseraunet_features", "weights": str(weights), "precision": "fp32", **parameters}
    return build("feature_extractor", declared).extract(image, roi)


def test_they_are_mean_and_maximum_of_what_a_forward_pass_goes_through(weights):
    image = scan()
    deepest = hooked(network(), SEES, sitk.GetArrayFromImage(image))
    found = features(weights, image, image * 0 + 1)
    assert list(found.index[[0, 11, 12, 23]]) == [
        "denseraunet_mean_00",
        "denseraunet_mean_11",
        "denseraunet_max_00",
        "denseraunet_max_11",
    ]
    np.testing.assert_allclose(found[:12], deepest.mean(axis=(0, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(found[12:], deepest.max(axis=(0, 2, 3)), atol=1e-5)


def test_the_weights_that_ship_give_what_their_network_goes_through():
    header = read_header(SHIPPED / "denseraunet.safetensors")
    from safetensors.torch import load_file

    tensors = load_file(SHIPPED / "denseraunet.safetensors")
    module = build_network(header.network, header.input).eval()
    known = module.state_dict()
    module.load_state_dict({**known, **{name: tensors[name] for name in known if name in tensors}})
    image = scan((7, 64, 80), (header.input.pixel_mm, header.input.pixel_mm, 3.0))
    deepest = hooked(module, header.input, sitk.GetArrayFromImage(image))
    found = features("denseraunet.safetensors", image, image * 0 + 1)
    expected = np.concatenate([deepest.mean(axis=(0, 2, 3)), deepest.max(axis=(0, 2, 3))])
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)


def test_bfloat16_gives_the_same_direction():
    image = scan((7, 64, 80), (0.6, 0.6, 3.0))
    exact, rounded = (
        features("denseraunet.safetensors", image, image * 0 + 1, precision=precision)
        for precision in ("fp32", "bf16")
    )
    assert exact @ rounded / np.linalg.norm(exact) / np.linalg.norm(rounded) >= 0.9999


def test_only_places_of_the_box_or_of_the_roi_count(weights):
    image = scan()
    deepest = hooked(network(), SEES, sitk.GetArrayFromImage(image))
    # An L, 11 × 12, and 20 mm more are 40 × 40 pixels, which need no padding: places begin at the image's corner.
    corner = region(image, (0, 0, 2), (4, 12, 2)) + region(image, (4, 8, 2), (7, 4, 2))
    places = {"box": np.ones((3, 3), bool), "roi": np.array([[1, 0, 0], [1, 0, 0], [1, 1, 1]], bool)}
    for declared, counted in places.items():
        kept = deepest[2:4, :, :3, :3][:, :, counted]
        found = features(weights, image, corner, places=declared)
        # What lies beyond the 20 mm it is shown of the image has a little to say in the whole.
        np.testing.assert_allclose(found[:12], kept.mean(axis=(0, 2)), atol=1e-4)
        np.testing.assert_allclose(found[12:], kept.max(axis=(0, 2)), atol=1e-4)


def test_what_lies_further_than_20_mm_from_the_box_is_not_looked_at(weights):
    image = scan((9, 96, 96))
    roi = region(image, (40, 40, 3), (16, 16, 3))
    elsewhere = sitk.GetArrayFromImage(image)
    far = np.ones(elsewhere.shape, bool)
    far[2:7, 10:86, 10:86] = False  # 16 pixels of 0.7 mm, 29 more are 20 mm; one slice more at both ends
    elsewhere[far] = 1000
    changed = sitk.GetImageFromArray(elsewhere)
    changed.CopyInformation(image)
    np.testing.assert_array_equal(features(weights, changed, roi), features(weights, image, roi))


@pytest.mark.parametrize("axes", ["RAS", "SPL", "ASL"])
def test_the_axes_a_scan_is_stored_along_do_not_matter(weights, axes):
    image, roi = scan(), region(scan(), (8, 8, 2), (20, 16, 3))
    stored = features(weights, sitk.DICOMOrient(image, axes), sitk.DICOMOrient(roi, axes))
    np.testing.assert_allclose(stored, features(weights, image, roi), atol=1e-5)


def test_slices_are_brought_to_the_network_s_pixel_as_the_segmenter_does(weights):
    from segmenters.denseraunet.slices import on_network_pixels

    coarse = scan(spacing=(1.1, 1.1, 3.0))
    fine = on_network_pixels(coarse, SEES)
    np.testing.assert_allclose(
        features(weights, coarse, coarse * 0 + 1), features(weights, fine, fine * 0 + 1), atol=1e-5
    )


def test_the_batch_does_not_matter(weights):
    image = scan()
    one, *others = (features(weights, image, image * 0 + 1, batch=batch) for batch in (1, 2, 7, 20))
    for other in others:
        np.testing.assert_allclose(other, one, atol=1e-6)


def test_what_the_segmenter_passed_on_its_way_through_the_same_scan_is_not_made_again(weights, monkeypatch):
    image = scan((7, 39, 50))  # padded on all four sides
    network_of = {"weights": str(weights), "network": TINY.model_dump(), "input": SEES.model_dump()}
    within = {"use": "whole_image"}
    segmenter = build(
        "segmenter", {"use": "denseraunet", "within": within, "precision": "fp32", **network_of}
    )
    alone = features(weights, image, image * 0 + 1)
    segmenter.segment(Scan(scan((8, 44, 60))))
    again = features(weights, image, image * 0 + 1)
    segmenter.segment(Scan(image))
    monkeypatch.setattr(bottleneck, "_encoded", None)
    np.testing.assert_array_equal(features(weights, image, image * 0 + 1), alone)
    np.testing.assert_array_equal(again, alone)
    with pytest.raises(TypeError):
        features(weights, image + 1, image * 0 + 1)  # another scan
    with pytest.raises(TypeError):
        features(weights, image, image * 0 + 1, precision="bf16")


def test_an_empty_or_too_thin_roi_and_too_few_slices_are_exclusions(weights):
    image = scan()
    with pytest.raises(CaseError, match="the ROI is empty"):
        features(weights, image, image * 0)
    fine = scan(spacing=(0.1, 0.1, 3.0))
    with pytest.raises(CaseError, match=r"the ROI is thinner than a pixel of the network, 0.7 mm"):
        features(weights, fine, region(fine, (10, 10, 2), (1, 1, 1)))
    few = scan((2, 40, 52))
    with pytest.raises(CaseError, match="has 2 slices, but the network looks at 3"):
        features(weights, few, few * 0 + 1)


def test_weights_that_are_not_here_cut_or_of_another_network_are_refused(weights, tmp_path):
    image = scan()
    missing = build("feature_extractor", {"use": "denseraunet_features", "weights": "gone.safetensors"})
    assert not missing.availability().ready
    with pytest.raises(UserError, match=r"gone.safetensors: no such weights file"):
        missing.extract(image, image * 0 + 1)
    other = tmp_path / "other.safetensors"
    plan = BasicUNet(features=(8, 8, 8, 8, 8, 8))
    WeightsFile(plan, SEES, 0.5, {}).write(build_network(plan, SEES).state_dict(), other)
    with pytest.raises(UserError, match="holds `basic_unet`, not `denseraunet`"):
        features(other, image, image * 0 + 1)
    state = network().state_dict()
    del state["atrous.fuse.0.weight"]
    WeightsFile(TINY, SEES, 0.5, {}).write(state, other)
    with pytest.raises(UserError, match=r"1 \(atrous.fuse.0.weight\) missing"):
        features(other, image, image * 0 + 1)
    os.truncate(weights, weights.stat().st_size // 2)
    with pytest.raises(UserError, match="cut short or damaged"):
        features(weights, image, image * 0 + 1)


def test_its_key_is_that_of_the_weights_content_and_it_travels_without_its_network(weights, tmp_path):
    plug_in = DenseRAUnetFeaturesExtractor(weights=str(weights))
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(weights.read_bytes())
    assert DenseRAUnetFeaturesExtractor(weights=str(copy)).fingerprint() == plug_in.fingerprint()
    assert DenseRAUnetFeaturesExtractor().fingerprint() != plug_in.fingerprint()
    plug_in.extract(scan(), scan() * 0 + 1)
    assert len(pickle.dumps(plug_in)) < 5_000
