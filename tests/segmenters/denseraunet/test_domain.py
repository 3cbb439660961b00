"""Whether a scan is of the kind a network learnt from: the rule, phantoms that are, real scans that say why not."""

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.case import Scan
from benchmark.cohorts.phantom import PhantomCohort
from benchmark.errors import CaseError
from benchmark.images.reading import read_image
from segmenters.denseraunet.domain.ranges import TrainingDomain, measure_result
from segmenters.denseraunet.segmenter import DenseRAUnetSegmenter
from segmenters.denseraunet.trained_weights import SHIPPED
from segmenters.denseraunet.weights_file import read_header, write_tensors

DOMAIN = TrainingDomain.of([{"noise_hu": 10.0, "outside_ml": 0.0}, {"noise_hu": 20.0, "pixel_mm": 0.8}])


def said(figures):
    return [(warning.kind, warning.severity) for warning in DOMAIN.warnings(figures)]


def test_the_domain_is_the_lowest_and_the_highest_of_each_figure():
    assert DOMAIN.scans == 2
    assert DOMAIN.ranges == {"noise_hu": (10.0, 20.0), "pixel_mm": (0.8, 0.8), "outside_ml": (0.0, 0.0)}


@pytest.mark.parametrize(
    ("noise", "severity"),
    [
        *((10, None), (20, None), (25, None), (25.1, "notable"), (40, "notable"), (40.1, "severe")),
        *((8, None), (7.9, "notable"), (5, "notable"), (4.9, "severe")),
    ],
)
def test_beyond_a_quarter_more_is_notable_and_beyond_twice_severe(noise, severity):
    assert said({"noise_hu": noise}) == ([("noise", severity)] if severity else [])


def test_where_the_training_had_next_to_nothing_half_a_millilitre_counts_as_its_most():
    assert said({"outside_ml": 0.6}) == []
    assert said({"outside_ml": 0.7}) == [("calls outside the heart region", "notable")]
    assert said({"outside_ml": 1.1}) == [("calls outside the heart region", "severe")]


def test_a_figure_that_a_scan_does_not_give_warns_of_nothing():
    assert said({}) == []


def test_the_sentence_gives_the_figure_and_the_range():
    (warning,) = DOMAIN.warnings({"noise_hu": 49.0})
    assert str(warning) == "severe: noise: 49 HU; the network learnt from 10 to 20 HU"


def test_calls_are_counted_outside_the_region_and_the_score_within():
    voxels = np.full((4, 20, 20), 40, np.int16)
    voxels[1, 2:4, 2:4] = voxels[1, 12:14, 12:14] = 500
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((1.0, 1.0, 3.0))
    region = np.zeros_like(voxels, np.uint8)
    region[:, :10] = 1
    masks = [sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (region, voxels == 500)]
    for mask in masks:
        mask.CopyInformation(image)
    figures = measure_result(image, masks[0], masks[1], masks[1])
    assert figures["outside_ml"] == pytest.approx(4 * 3 / 1000)
    # 4 pixels of 1 mm² with weight 4 in 4 × 10 × 20 voxels of 3 mm³.
    assert figures["agatston_per_ml"] == pytest.approx(16 / 2.4)


@pytest.mark.parametrize("name", ["denseraunet_generation_1", "basic_unet_generation_1"])
def test_what_learnt_from_the_first_generation_says_so(name):
    domain = read_header(SHIPPED / f"{name}.safetensors").domain
    assert domain.scans == 200
    assert domain.ranges["slice_mm"] == (1.5, 5.0), "the scanners sharp and soft"


def test_what_ships_has_learnt_from_fields_of_view_of_gated_scans_and_of_whole_chests():
    domain = read_header(SHIPPED / "denseraunet.safetensors").domain
    assert domain.scans == 120, "of the last training, and of those before it"
    assert domain.ranges["field_mm"][0] < 175
    assert domain.ranges["field_mm"][1] > 400
    assert domain.ranges["slice_mm"] == (1.0, 5.0)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["chest", "cardiac"])
def test_phantoms_of_other_patients_and_another_scanner_do_not_warn(protocol):
    cohort = PhantomCohort(zero=1, nonzero=3, seed="warnings", protocol=protocol, scanners=("standard",))
    for case in cohort.cases():
        _, warnings = DenseRAUnetSegmenter().segment_noting(case.source.load())
        assert {warning.severity for warning in warnings} <= {"info"}, case.case_id


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "severe", "notable"),
    [
        ("ibsi_ct/nifti/image/phantom.nii.gz", {"one lung"}, {"blood"}),
        ("thorax_ct/aorta/ct_cropped.nii.gz", {"contrast medium", "blood"}, {"pixel"}),
        ("thorax_ct/pulmonary/ct_cropped.nii.gz", {"contrast medium", "blood"}, {"pixel"}),
    ],
)
def test_each_real_scan_says_why_it_is_not_what_the_network_knows(real_data, place, severe, notable):
    _, warnings = DenseRAUnetSegmenter().segment_noting(Scan(read_image(real_data / place)))
    assert severe <= {warning.kind for warning in warnings if warning.severity == "severe"}
    assert notable <= {warning.kind for warning in warnings if warning.severity == "notable"}


@pytest.mark.slow
def test_an_abdomen_has_no_heart_region(real_data):
    abdomen = Scan(read_image(real_data / "thorax_ct" / "example_ct_dicom"))
    with pytest.raises(CaseError, match="no lungs in the field of view"):
        DenseRAUnetSegmenter().segment_noting(abdomen)
    _, warnings = DenseRAUnetSegmenter(within=None).segment_noting(abdomen)
    assert ("heart region", "severe") in [(warning.kind, warning.severity) for warning in warnings]


def test_less_bone_than_was_learnt_from_is_a_smaller_field_of_view_and_nothing_to_doubt():
    domain = TrainingDomain.of([{"dense_share": 0.02}, {"dense_share": 0.08}])
    assert list(domain.warnings({"dense_share": 0.001})) == []
    assert [warning.severity for warning in domain.warnings({"dense_share": 0.2})] == ["severe"]


@pytest.mark.parametrize(
    ("share", "said"), [(0.5, []), (0.016, []), (0.015, ["notable"]), (0.009, ["severe"]), (0.0, ["severe"])]
)
def test_lungs_may_hold_more_than_was_learnt_from_but_not_much_less(share, said):
    domain = TrainingDomain.of([{"vessel_share": 0.02}, {"vessel_share": 0.1}])
    assert [warning.severity for warning in domain.warnings({"vessel_share": share})] == said


FIRST_GENERATION = {
    "weights": {"file": "denseraunet_generation_1.safetensors"},
    "input": {"pixel_mm": 0.78125},
}


@pytest.mark.slow
@pytest.mark.parametrize("within", [None, "heart_region"])
@pytest.mark.parametrize(
    ("parameters", "said"),
    [({}, set()), (FIRST_GENERATION, {"calls outside the heart region", "field of view"})],
)
def test_much_is_called_in_the_bones_of_a_real_chest_by_what_learnt_of_simple_ones_alone(
    real_data, within, parameters, said
):
    image = read_image(real_data / "lung1_001" / "image.nii.gz")[:, :, 50:66]
    scan, segmenter = Scan(image), DenseRAUnetSegmenter(within=within, **parameters)
    found, warnings = segmenter.segment_noting(scan)
    assert (sitk.GetArrayViewFromImage(found) == sitk.GetArrayFromImage(segmenter.segment(scan))).all()
    assert {warning.kind for warning in warnings if warning.severity == "severe"} == said


def test_weights_that_do_not_say_what_they_learnt_from_warn_of_that(tmp_path):
    from benchmark.networks.checkpoint import read_tensors

    shipped = SHIPPED / "denseraunet.safetensors"
    header = read_header(shipped)
    old = {
        "network": header.network.model_dump(mode="json"),
        "input": header.input.model_dump(mode="json"),
        "threshold": header.threshold,
        "training": {},
        "keep": header.keep,
    }
    write_tensors(read_tensors(shipped), old, tmp_path / "old.safetensors")
    scan = PhantomCohort(zero=0, nonzero=1, seed="warnings", protocol="chest").cases()[0].source.load()
    _, warnings = DenseRAUnetSegmenter(weights=tmp_path / "old.safetensors").segment_noting(scan)
    (warning,) = [warning for warning in warnings if warning.severity != "info"]
    assert warning.kind == "training unknown"
    assert "cacbench train --domain" in warning.detail
