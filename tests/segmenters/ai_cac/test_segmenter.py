"""The plug-in: from a scan to a mask with a small network of AI-CAC's architecture, in the published file's layout."""

import copy
import pickle

import numpy as np
import pytest
import SimpleITK as sitk
import torch
import yaml
from monai.networks.nets import SwinUNETR
from typer.testing import CliRunner

from benchmark.case import Scan
from benchmark.cli import app
from benchmark.errors import UserError
from benchmark.images.reading import read_image
from benchmark.plugins.registry import build
from segmenters.ai_cac import slices
from segmenters.ai_cac.segmenter import AICACSegmenter


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def network():
    """A network of the true architecture that calls about half of the voxels, by what it sees around them."""
    torch.manual_seed(0)
    network = SwinUNETR(spatial_dims=2, in_channels=1, out_channels=1, feature_size=12).eval()
    network.out.conv.conv.bias.data.fill_(-0.1)
    return network


@pytest.fixture(scope="module")
def file(network, tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "ai_cac.pth"
    torch.save({"model_state_dict": torch.nn.DataParallel(network).state_dict(), "epoch": 1}, file)
    return file


@pytest.fixture(scope="module")
def always(network, tmp_path_factory):
    """Weights of a network that calls every voxel it sees."""
    sure = copy.deepcopy(network)
    sure.out.conv.conv.weight.data.zero_()
    sure.out.conv.conv.bias.data.fill_(1.0)
    file = tmp_path_factory.mktemp("always") / "always.pth"
    torch.save({"model_state_dict": torch.nn.DataParallel(sure).state_dict()}, file)
    return file


def small(file, **changes):
    return AICACSegmenter(weights={"file": file}, feature_size=12, device="cpu", **changes)


def chest(rows=512, columns=512, depth=2):
    """Slices in which no two quarters are alike."""
    y, x = np.mgrid[:rows, :columns]
    plane = 400 * np.sin(x / 23) * np.cos(y / 37) - 100 + x / 4 - y / 8
    image = sitk.GetImageFromArray(np.stack([plane + 30 * z for z in range(depth)]).astype(np.int16))
    image.SetSpacing((0.7, 0.7, 2.5))
    image.SetOrigin((-180, -160, 40))
    return image


def directly(network, plane):
    with torch.inference_mode():
        return (network(torch.from_numpy(plane.astype(np.float32))[None, None])[0, 0] > 0).numpy()


def called(segmenter, image):
    return sitk.GetArrayFromImage(segmenter.segment(Scan(image))).astype(bool)


@pytest.mark.slow
def test_every_slice_is_what_the_network_says_of_its_hu(network, file):
    image = chest()
    found = called(small(file), image)
    expected = np.stack([directly(network, plane) for plane in sitk.GetArrayViewFromImage(image)])
    assert 0.2 < expected.mean() < 0.8
    assert (found == expected).mean() > 0.9999
    assert (called(small(file, batch=1), image) == found).mean() > 0.9999


@pytest.mark.slow
@pytest.mark.parametrize("orientation", ["RAI", "LPI", "RSA", "SPL"])
def test_however_the_scan_is_stored_the_network_sees_front_above_and_right_at_the_left(file, orientation):
    image = chest()
    straight = small(file).segment(Scan(image))
    stored = sitk.DICOMOrient(image, orientation)
    found = small(file).segment(Scan(stored))
    assert found.GetSize() == stored.GetSize()
    assert found.GetOrigin() == stored.GetOrigin()
    assert found.GetDirection() == stored.GetDirection()
    back = sitk.DICOMOrient(found, "LPS")
    assert (sitk.GetArrayFromImage(back) == sitk.GetArrayFromImage(straight)).mean() > 0.9999


@pytest.mark.slow
def test_a_smaller_slice_is_padded_with_0_hu_below_and_at_the_right(network, file):
    image = chest(rows=300, columns=400, depth=1)
    framed = np.zeros((512, 512))
    framed[:300, :400] = sitk.GetArrayViewFromImage(image)[0]
    assert (called(small(file), image)[0] == directly(network, framed)[:300, :400]).mean() > 0.9999
    framed = np.zeros((512, 512))
    framed[106:406, 56:456] = sitk.GetArrayViewFromImage(image)[0]
    expected = directly(network, framed)[106:406, 56:456]
    assert (called(small(file, placement="centre"), image)[0] == expected).mean() > 0.9999


def test_of_a_larger_slice_the_rest_is_not_looked_at(always):
    image = chest(rows=768, columns=640, depth=1)
    (corner,), (centre,) = (called(small(always, placement=place), image) for place in ("corner", "centre"))
    assert corner[:512, :512].all()
    assert corner.sum() == centre.sum() == 512 * 512
    assert centre[128:640, 64:576].all()


@pytest.mark.parametrize("size", [1, 255, 511, 512, 513, 768, 769, 1024])
def test_what_is_seen_and_its_place_in_the_frame_are_of_one_length(size):
    for placement in ("corner", "centre"):
        seen, framed = slices.place(size, placement)
        assert seen.stop - seen.start == framed.stop - framed.start == min(size, 512)
        assert 0 <= seen.start <= seen.stop <= size
        assert 0 <= framed.start <= framed.stop <= 512
    left, right = seen.start + framed.start, (size - seen.stop) + (512 - framed.stop)
    assert right - left in (0, 1), "an odd one more at the end"


@pytest.mark.slow
def test_within_a_region_nothing_outside_is_called_and_the_network_runs_once(always, monkeypatch):
    image = chest(depth=3)
    heart = np.zeros((3, 512, 512), np.uint8)
    heart[1, 100:200, 150:300] = 1
    mask = sitk.GetImageFromArray(heart)
    mask.CopyInformation(image)
    scan = Scan(image, {"heart": mask})
    within = small(always, within={"use": "reference", "mask": "heart"})
    candidates = build("segmenter", {"use": "threshold", "within": within})
    runs = []
    run = slices.calcium_of
    monkeypatch.setattr(slices, "calcium_of", lambda *given: runs.append(1) or run(*given))
    assert (sitk.GetArrayFromImage(within.segment(scan)) == heart).all()
    dense = sitk.GetArrayFromImage(candidates.segment(scan)) > 0
    assert sitk.GetArrayFromImage(small(always).segment(scan)).all()
    assert runs == [1]
    hu = sitk.GetArrayViewFromImage(image)
    assert dense.any()
    assert (dense <= ((hu >= 130) & (heart > 0))).all()


@pytest.mark.slow
def test_within_heart_region_a_real_chest_is_called_there_alone(always, real_data):
    scan = Scan(read_image(real_data / "lung1_001" / "image.nii.gz")[:, :, 56:62])
    region = sitk.GetArrayFromImage(build("segmenter", "heart_region").segment(scan))
    found = sitk.GetArrayFromImage(small(always, within="heart_region").segment(scan))
    assert 0 < region.mean() < 0.5
    assert (found == region).all()


def test_without_weights_it_says_where_they_are_to_be_had():
    segmenter = AICACSegmenter()
    state = segmenter.availability()
    assert not state.ready
    assert "give `weights: {file: …}`" in state.reason
    assert "https://github.com/Raffi-Hagopian/AI-CAC/releases" in state.reason
    assert "\n" not in state.reason
    assert segmenter.weights_digest() == ""
    with pytest.raises(UserError, match="the weights of AI-CAC do not ship"):
        segmenter.segment(Scan(chest(depth=1)))


def test_a_file_that_is_not_here_is_named(tmp_path):
    segmenter = small(tmp_path / "nowhere.pth")
    reason = segmenter.availability().reason
    assert reason.startswith(f"{tmp_path / 'nowhere.pth'}: no such weights file")
    assert "https://github.com/Raffi-Hagopian/AI-CAC/releases" in reason
    with pytest.raises(UserError, match="no such weights file"):
        segmenter.fingerprint()


def test_within_what_is_not_available_it_is_not_either(file):
    within = AICACSegmenter()
    assert small(file, within=within).availability() == within.availability()
    assert small(file).availability().ready


def test_the_content_of_the_file_is_part_of_the_fingerprint_and_its_place_is_not(file, always, tmp_path):
    copied = tmp_path / "copy.pth"
    copied.write_bytes(file.read_bytes())
    assert small(copied).fingerprint() == small(file).fingerprint()
    assert small(always).fingerprint() != small(file).fingerprint()
    assert small(file, placement="centre").fingerprint() != small(file).fingerprint()
    within = small(file, within={"use": "heart_region"})
    assert within.fingerprint() != small(file).fingerprint()
    assert within.region_key() == small(file).region_key()


def test_the_plug_in_travels_without_its_network(file):
    segmenter = small(file)
    segmenter.segment(Scan(chest(depth=1)))
    assert len(pickle.dumps(segmenter)) < 5000


def test_a_relative_file_starts_from_the_study_s_folder(file):
    segmenter = build("segmenter", {"use": "ai_cac", "weights": {"file": file.name}}, {"base": file.parent})
    assert segmenter.weights.file == file


def test_cacbench_weights_lists_the_file_with_its_digest(file, tmp_path, toy_declaration):
    study = {
        **toy_declaration,
        "segmenters": {
            "toy_centre": {},
            "ai_cac": {"weights": {"file": str(file)}, "feature_size": 12},
            "absent": {"use": "ai_cac", "weights": {"file": "nowhere.pth"}},
        },
    }
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    listed = CliRunner().invoke(app, ["weights", str(tmp_path / "s.yaml"), "--json"])
    assert listed.exit_code == 0, listed.output
    assert small(file).weights_digest() in listed.output
    assert "nowhere.pth" in listed.output
