"""Calcium as features: against hand-made scans in closed form, and for every mask there may be."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.calcium.scoring import CalciumScoring, score
from benchmark.case import Scan
from benchmark.errors import CaseError
from feature_extractors.calcium_volumes import CalciumVolumesExtractor
from segmenters.reference import ReferenceSegmenter
from segmenters.threshold import ThresholdSegmenter

TOTAL = [
    "calcium_agatston",
    "calcium_volume_mm3",
    "calcium_mass_mg",
    "calcium_lesions",
    "calcium_largest_lesion_mm3",
    "calcium_maximum_hu",
    "calcium_mean_hu",
]


def image_of(voxels, spacing=(0.5, 0.5, 3.0)):
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing)
    return image


@pytest.fixture
def scan():
    """8 pixels of 250 HU in two slices in label 1, 6 pixels of 450 HU in label 2; a pixel is 0.25 mm²."""
    voxels, labels = np.full((5, 12, 12), 40, np.int16), np.zeros((5, 12, 12), np.uint8)
    voxels[1:3, 2:4, 2:4], labels[:, :6] = 250, 1
    voxels[3, 8:10, 8:11], labels[:, 6:] = 450, 2
    return Scan(image_of(voxels), {"coronary": image_of(labels)})


def test_two_lesions_in_closed_form(scan):
    features = CalciumVolumesExtractor().extract(scan.image, scan.masks["coronary"])
    voxel = 0.25 * 3
    assert list(features.index) == TOTAL
    assert features["calcium_agatston"] == pytest.approx(8 * 0.25 * 2 + 6 * 0.25 * 4)
    assert features["calcium_volume_mm3"] == pytest.approx(14 * voxel)
    assert features["calcium_mass_mg"] == pytest.approx(0.77e-3 * voxel * (8 * 250 + 6 * 450))
    assert features["calcium_lesions"] == 2
    assert features["calcium_largest_lesion_mm3"] == pytest.approx(8 * voxel)
    assert features["calcium_maximum_hu"] == 450
    assert features["calcium_mean_hu"] == pytest.approx((8 * 250 + 6 * 450) / 14)


def test_vessels_have_features_of_their_own_that_add_up(scan):
    extractor = CalciumVolumesExtractor(vessels={1: "LM", 2: "LAD", 3: "LCx"})
    features = extractor.extract(scan.image, scan.masks["coronary"])
    assert len(features) == 7 + 3 * 4
    assert features["calcium_LAD_agatston"] == pytest.approx(6)
    assert features["calcium_LM_lesions"] == 1
    assert (features[[name for name in features.index if "LCx" in name]] == 0).all()
    for amount in ("agatston", "volume_mm3", "mass_mg", "lesions"):
        parts = sum(features[f"calcium_{vessel}_{amount}"] for vessel in ("LM", "LAD", "LCx"))
        assert parts == pytest.approx(features[f"calcium_{amount}"])


@pytest.mark.parametrize(
    ("vessels", "message"),
    [
        ({1: "LM", 2: "LM"}, "1 and 2 are both called 'LM': give each a name of its own"),
        ({1: ""}, "at least 1 character"),
    ],
)
def test_vessels_of_one_name_or_none_are_refused(vessels, message):
    with pytest.raises(ValueError, match=message):
        CalciumVolumesExtractor(vessels=vessels)


@pytest.mark.parametrize("vessels", [{}, {1: "LM", 2: "LAD"}])
def test_no_calcium_is_zeros_under_the_same_names_and_no_exclusion(scan, vessels):
    extractor = CalciumVolumesExtractor(vessels=vessels)
    empty = ThresholdSegmenter(within=ReferenceSegmenter(), hu=3000).segment(scan)
    assert not sitk.GetArrayViewFromImage(empty).any()
    features = extractor.extract(scan.image, empty)
    assert (features == 0).all()
    assert list(features.index) == list(extractor.extract(scan.image, scan.masks["coronary"]).index)


def test_every_mask_of_calcium_gives_the_score_of_the_region_it_was_found_in(scan):
    found = ThresholdSegmenter(within=ReferenceSegmenter()).segment(scan)
    in_region = CalciumVolumesExtractor().extract(scan.image, scan.masks["coronary"])
    of_mask = CalciumVolumesExtractor().extract(scan.image, found)
    assert of_mask.to_dict() == in_region.to_dict()


def test_the_conventions_of_the_score_are_parameters(scan):
    strict = CalciumVolumesExtractor(scoring={"threshold_hu": 300, "mass_calibration": 1.0})
    features = strict.extract(scan.image, scan.masks["coronary"])
    assert features["calcium_lesions"] == 1
    assert features["calcium_mass_mg"] == pytest.approx(6 * 0.75 * 450 / 1000)


def test_lesions_that_touch_at_a_corner_are_one_with_8_neighbours_and_two_with_4():
    voxels = np.zeros((1, 8, 8), np.int16)
    voxels[0, 1:3, 1:3] = voxels[0, 3:5, 3:5] = 200
    image, mask = image_of(voxels, (1, 1, 1)), image_of(np.ones(voxels.shape, np.uint8), (1, 1, 1))
    largest = {
        neighbours: CalciumVolumesExtractor(scoring=CalciumScoring(connectivity=neighbours)).extract(
            image, mask
        )["calcium_largest_lesion_mm3"]
        for neighbours in (4, 8)
    }
    assert largest == {4: 4, 8: 8}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_on_any_scan_the_totals_are_the_score_s(seed):
    rng = np.random.default_rng(seed)
    image, mask = (
        image_of(rng.integers(0, 500, (3, 9, 9)).astype(np.int16)),
        image_of(rng.integers(0, 3, (3, 9, 9)).astype(np.uint8)),
    )
    features = CalciumVolumesExtractor().extract(image, mask)
    total = score(image, mask).total
    assert features["calcium_agatston"] == total.agatston
    assert features["calcium_maximum_hu"] == total.max_hu
    assert features["calcium_largest_lesion_mm3"] <= features["calcium_volume_mm3"] + 1e-9
    assert features["calcium_mean_hu"] <= features["calcium_maximum_hu"]


def test_a_mask_on_another_grid_is_refused(scan):
    with pytest.raises(CaseError, match="another grid"):
        CalciumVolumesExtractor().extract(scan.image, image_of(np.ones((5, 12, 12), np.uint8), (1, 1, 3)))
