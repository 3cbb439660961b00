"""The plug-in: from a scan to a mask, with weights of its own, with others, with wrong ones."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from benchmark.calcium.scoring import calcium_mask
from benchmark.case import Scan
from benchmark.cohorts.phantom import PhantomCohort
from benchmark.errors import CaseError, UserError
from benchmark.pipeline.regions import Regions
from benchmark.plugins.registry import build
from segmenters.denseraunet.network import build_network
from segmenters.denseraunet.plan import BasicUNet, DenseRAUnet, Input
from segmenters.denseraunet.segmenter import DenseRAUnetSegmenter
from segmenters.denseraunet.trained_weights import SHIPPED
from segmenters.denseraunet.weights_file import WeightsFile, read_header

TINY = DenseRAUnet(channels=(4, 8), growth=4, layers=1, atrous_rates=(1,))
SEES = Input(slices=3, windows_hu=((-160.0, 240.0),), pixel_mm=1.0)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def weights(tmp_path):
    """Weights of a tiny network whose answer is the same everywhere: a probability of 0.88."""
    torch.manual_seed(0)
    module = build_network(TINY, SEES)
    with torch.no_grad():
        module.head.weight.zero_()
        module.head.bias.fill_(2.0)
    file = tmp_path / "tiny.safetensors"
    WeightsFile(TINY, SEES, 0.7, {}).write(module.state_dict(), file)
    return file


@pytest.fixture
def scan():
    voxels = np.full((6, 40, 50), -50, np.int16)
    voxels[2, 10:14, 10:14] = 300
    voxels[4, 30, 30] = 500
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.7, 0.7, 3.0))
    image.SetOrigin((5, -20, 100))
    return Scan(image)


def tiny(weights, **changes):
    return DenseRAUnetSegmenter(
        weights=weights, network=TINY, input=SEES, **{"within": None, "precision": "fp32", **changes}
    )


def test_the_mask_is_the_candidates_that_are_probable_without_specks(scan, weights):
    found = tiny(weights).segment(scan)
    assert (sitk.GetArrayFromImage(found) == sitk.GetArrayFromImage(calcium_mask(scan.image))).all()
    assert sitk.GetArrayViewFromImage(found).sum() == 16, "the pixel of 0.49 mm² is left out"
    assert found.GetOrigin() == scan.image.GetOrigin()
    with_specks = tiny(weights, minimum_area_mm2=0).segment(scan)
    assert sitk.GetArrayViewFromImage(with_specks).sum() == 17


def test_what_was_found_before_is_not_looked_for_again_and_is_as_doubtful(scan, weights, monkeypatch):
    scan = Scan(scan.image, {"spot": scan.image > 400})
    segmenter = tiny(weights, within={"use": "reference", "mask": "spot"}, minimum_area_mm2=0)
    first, warnings = segmenter.segment_noting(scan)
    assert sitk.GetArrayViewFromImage(first).sum() == 1
    again = Scan(scan.image, scan.masks)
    Regions().found_in(scan).lend_to(again)
    monkeypatch.setattr(DenseRAUnetSegmenter, "probability", None)
    found, called = segmenter.find_once(again)
    assert sitk.GetArrayViewFromImage(called).sum() == 17, "what was called outside the region is kept, too"
    assert (sitk.GetArrayViewFromImage(found) == sitk.GetArrayViewFromImage(first)).all()
    assert segmenter.segment_noting(again)[1] == warnings


def test_without_the_candidate_rule_the_probability_alone_decides(scan, weights):
    everything = tiny(weights, candidate_rule=False).segment(scan)
    assert sitk.GetArrayViewFromImage(everything).all()
    nothing = tiny(weights, candidate_rule=False, threshold=0.9).segment(scan)
    assert not sitk.GetArrayViewFromImage(nothing).any()


def test_the_threshold_is_the_weights_own_unless_given(scan, weights):
    assert sitk.GetArrayFromImage(tiny(weights).segment(scan)).any()
    assert not sitk.GetArrayFromImage(tiny(weights, threshold=0.95).segment(scan)).any()


def test_the_probability_lies_on_the_scan_s_grid_whichever_way_it_is_stored(scan, weights):
    flipped = sitk.DICOMOrient(scan.image, "RAI")
    for image in (scan.image, flipped):
        found = tiny(weights).probability(image)
        assert found.GetSize() == image.GetSize()
        assert found.GetDirection() == image.GetDirection()
        inner = sitk.GetArrayViewFromImage(found)[1:-1, 2:-2, 2:-2]
        np.testing.assert_allclose(inner, 1 / (1 + np.exp(-2)), atol=1e-3)


def test_a_scan_of_too_few_slices_is_refused(scan, weights):
    with pytest.raises(CaseError, match="has 2 slices, but the network looks at 3 at once"):
        tiny(weights).segment(Scan(scan.image[:, :, :2]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"network": BasicUNet()},
            "another architecture: network.use is denseraunet in the file and basic_unet",
        ),
        (
            {"network": TINY.model_copy(update={"growth": 8})},
            "network.growth is 4 in the file and 8 in the study",
        ),
        ({"input": Input(slices=5)}, "input.slices is 3 in the file and 5 in the study"),
    ],
)
def test_weights_of_another_architecture_are_refused_with_what_differs(scan, weights, changes, message):
    segmenter = DenseRAUnetSegmenter(
        **{"weights": weights, "network": TINY, "input": SEES, "within": None, **changes}
    )
    with pytest.raises(UserError, match=message):
        segmenter.segment(scan)
    state = segmenter.availability()
    assert not state.ready, "a study says so before its first case, not of each of them"
    assert message in state.reason


def test_a_file_cut_in_half_is_refused(scan, weights):
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    assert "cut short or damaged" in tiny(weights).availability().reason
    with pytest.raises(UserError, match="cut short or damaged"):
        tiny(weights).segment(scan)


def test_tensors_of_somebody_else_are_refused(scan, tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="these are not weights of `denseraunet`"):
        tiny(tmp_path / "other.safetensors").segment(scan)


def test_weights_that_are_not_here_make_it_unavailable():
    segmenter = DenseRAUnetSegmenter(weights="nowhere.safetensors")
    state = segmenter.availability()
    assert not state.ready
    assert "cacbench train denseraunet" in state.reason
    with pytest.raises(UserError, match="no such weights file"):
        segmenter.fingerprint()


def test_other_weights_are_another_fingerprint_and_another_folder_is_not(weights, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    copied = tmp_path / "elsewhere" / "tiny.safetensors"
    copied.write_bytes(weights.read_bytes())
    assert tiny(weights).fingerprint() == tiny(copied).fingerprint()
    header = read_header(weights)
    torch.manual_seed(1)
    header.write(build_network(TINY, SEES).state_dict(), copied)
    assert tiny(weights).fingerprint() != tiny(copied).fingerprint()


def test_the_plug_in_travels_without_its_network(scan, weights):
    segmenter = tiny(weights)
    segmenter.segment(scan)
    assert len(pickle.dumps(segmenter)) < 5000
    assert copy.deepcopy(segmenter) == segmenter


def test_a_relative_weights_file_starts_from_the_study_s_folder(weights):
    segmenter = build("segmenter", {"use": "denseraunet", "weights": weights.name}, {"base": weights.parent})
    assert segmenter.weights.path == weights


@pytest.mark.parametrize(
    "name",
    ["denseraunet", "denseraunet_slim", "basic_unet", "denseraunet_generation_1", "basic_unet_generation_1"],
)
def test_what_ships_is_small_and_says_how_it_was_made(name):
    file = SHIPPED / f"{name}.safetensors"
    assert file.stat().st_size <= 10e6
    assert read_header(file).training["cohort"].get("generation", 1) == (1 if "generation_1" in name else 2)


@pytest.mark.parametrize("name", ["denseraunet_generation_1", "basic_unet_generation_1"])
def test_what_learnt_from_the_first_generation_saw_no_cardiac_scan(name):
    cohort = read_header(SHIPPED / f"{name}.safetensors").training["cohort"]
    assert cohort["protocol"] == "chest"
    assert "standard" not in cohort["scanners"], "the scanner of the held-out scans"


@pytest.mark.parametrize(
    ("name", "study"),
    [
        ("denseraunet", "segmentation_fine_tuning"),
        ("basic_unet", "segmentation_fine_tuning"),
        ("denseraunet_slim", "segmentation_slim"),
    ],
)
def test_the_study_that_ships_declares_the_patients_of_the_weights_that_ship(name, study):
    from benchmark.analyses.segmentation.study import read_segmentation_study

    studies = Path(__file__).parents[3] / "studies"
    study = read_segmentation_study(studies / f"{study}.yaml")
    header = read_header(SHIPPED / f"{name}.safetensors")
    declared = study.training.cohort.parameters()
    learnt_from = header.training["cohort"]
    assert {name: declared[name] for name in learnt_from} == learnt_from
    # Parameters that came after the training have their defaults.
    assert declared == type(study.training.cohort).model_validate(learnt_from).parameters()
    assert study.training.input == header.input


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["chest", "cardiac"])
@pytest.mark.parametrize("name", ["denseraunet", "denseraunet_slim"])
def test_what_ships_finds_the_calcium_of_a_held_out_phantom_and_not_its_bones(protocol, name):
    from benchmark.analyses.segmentation.measurement import compare
    from benchmark.calcium.truth import ReferenceRule, reference_calcium

    cohort = PhantomCohort(
        zero=0,
        nonzero=2,
        seed="shipped",
        protocol=protocol,
        scanners=("standard",),
        disease={"median_score": 300, "sigma_ln": 0.2},
    )
    network = read_header(SHIPPED / f"{name}.safetensors").network
    segmenter = DenseRAUnetSegmenter(weights=f"{name}.safetensors", network=network)
    hit = wrong = 0
    for case in cohort.cases():
        scan = case.source.load()
        record = compare(
            scan, segmenter.segment(scan), reference_calcium(scan, ReferenceRule()), ReferenceRule()
        )
        hit, wrong = hit + record["voxel_tp"], wrong + record["voxel_fp"] + record["voxel_fn"]
    assert 2 * hit / (2 * hit + wrong) > 0.6


@pytest.mark.slow
def test_the_real_qrm_scan_is_told_from_a_patient_by_its_lungs_and_none_of_its_material_is_called(real_data):
    """Neither insert is found there, see docs/denseraunet.md: with weights that find one, say so here and there."""
    from benchmark.images.reading import read_image

    image = read_image(real_data / "qrm_phantom" / "dicom")
    found, warnings = DenseRAUnetSegmenter().segment_noting(Scan(image))
    severe = [warning for warning in warnings if warning.severity == "severe"]
    assert [warning.kind for warning in severe] == ["vessels' share of the lungs"]
    assert severe[0].detail.startswith("0.0013")
    hu = sitk.GetArrayViewFromImage(image)
    assert (hu[20:26, 205:235, 165:220] >= 400).any(), "the inserts are where their description says"
    assert not sitk.GetArrayViewFromImage(found).any()


def test_within_a_region_the_box_around_it_is_all_the_network_sees(scan, weights, monkeypatch):
    seen = []
    look = DenseRAUnetSegmenter.probability
    monkeypatch.setattr(
        DenseRAUnetSegmenter, "probability", lambda self, image: (seen.append(image), look(self, image))[1]
    )
    large = np.full((9, 200, 200), -50, np.int16)
    large[4, 100:104, 120:124] = 300
    image = sitk.GetImageFromArray(large)
    image.SetOrigin((5, -20, 100))
    region = sitk.GetImageFromArray((large > 0).astype(np.uint8))
    region.CopyInformation(image)
    flipped = [sitk.DICOMOrient(each, "RAI") for each in (image, region)]
    for whole, where in ((image, region), flipped):
        found, _ = tiny(weights).find(Scan(whole), where)
        assert found.GetSize() == whole.GetSize()
        assert (sitk.GetArrayFromImage(found) == sitk.GetArrayFromImage(where)).all()
    assert {image.GetSize() for image in seen} == {(44, 44, 9)}, "4 pixels and 20 mm on either side"


def test_an_empty_region_holds_no_calcium(scan, weights):
    nowhere = sitk.Image(scan.image.GetSize(), sitk.sitkUInt8)
    nowhere.CopyInformation(scan.image)
    found, called = tiny(weights).find(scan, nowhere)
    assert not sitk.GetArrayViewFromImage(found).any()
    assert not sitk.GetArrayViewFromImage(called).any()
