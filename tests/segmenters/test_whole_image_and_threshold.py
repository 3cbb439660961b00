"""The segmenters that need no anatomy of their own."""

import numpy as np
import pytest
import SimpleITK as sitk
from pydantic import ValidationError

from benchmark.calcium.scoring import CalciumScoring, score
from benchmark.case import Scan
from benchmark.errors import CaseError
from benchmark.plugins.registry import build
from feature_extractors.radiomics.extractor import RadiomicsExtractor
from segmenters.reference import ReferenceSegmenter
from segmenters.threshold import ThresholdSegmenter
from segmenters.whole_image import WholeImageSegmenter


@pytest.fixture
def scan():
    """A scan with calcium of 20, 4 and 2 pixels (0.25 mm²) inside two labels, and bone outside."""
    voxels = np.full((6, 20, 20), -50, np.int16)
    voxels[1, 5:10, 5:9] = 200
    voxels[3, 12:14, 12:14] = 130
    voxels[4, 12, 12:14] = 900
    voxels[:, :, 18:] = 1000
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.5, 0.5, 3.0))
    labels = np.zeros(voxels.shape, np.uint8)
    labels[:, :, :10], labels[:, :, 10:16] = 1, 2
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(image)
    return Scan(image, {"coronary": mask})


def test_the_whole_image_is_every_voxel(scan):
    roi = WholeImageSegmenter().segment(scan)
    assert (sitk.GetArrayFromImage(roi) == 1).all()
    assert roi.GetSpacing() == scan.image.GetSpacing()
    assert roi.GetPixelID() == sitk.sitkUInt8


def test_the_threshold_takes_calcium_within_the_region_and_keeps_its_labels(scan):
    found = sitk.GetArrayFromImage(ThresholdSegmenter(within=ReferenceSegmenter()).segment(scan))
    assert np.bincount(found.ravel()).tolist() == [2400 - 24, 20, 4]
    everywhere = ThresholdSegmenter(within=ReferenceSegmenter(), minimum_area_mm2=0).segment(scan)
    assert np.bincount(sitk.GetArrayFromImage(everywhere).ravel()).tolist() == [2400 - 26, 20, 6]
    higher = ThresholdSegmenter(within=ReferenceSegmenter(), hu=150).segment(scan)
    assert np.bincount(sitk.GetArrayFromImage(higher).ravel()).tolist() == [2400 - 20, 20]


def test_the_threshold_s_voxels_are_those_that_are_scored(scan):
    roi = ThresholdSegmenter(within="reference").segment(scan)
    of_roi = score(scan.image, roi, CalciumScoring(minimum_area_mm2=0)).total
    assert of_roi == score(scan.image, scan.masks["coronary"]).total


def test_no_calcium_is_an_empty_region_which_radiomics_refuses(scan):
    roi = ThresholdSegmenter(within="reference", hu=2000).segment(scan)
    assert not sitk.GetArrayViewFromImage(roi).any()
    with pytest.raises(CaseError, match="the ROI is empty"):
        RadiomicsExtractor().extract(scan.image, roi)


def test_the_region_s_segmenter_is_declared_or_named():
    declared = ThresholdSegmenter(within={"use": "reference", "dilation_mm": 2})
    assert declared.within == ReferenceSegmenter(dilation_mm=2)
    pseudo = ReferenceSegmenter(erosion_mm=1)
    named = build("segmenter", {"use": "threshold", "within": "pseudo"}, {"named": {"pseudo": pseudo}})
    assert named.within is pseudo
    assert named.parameters()["within"]["erosion_mm"] == 1
    assert named.fingerprint() != declared.fingerprint()


@pytest.mark.parametrize(
    ("within", "message"),
    [
        ("referense", "did you mean 'reference'"),
        ({"use": "reference", "dilation": 2}, "dilation"),
        (3, "names no"),
    ],
)
def test_a_wrong_declaration_of_the_region_is_named(within, message):
    with pytest.raises(ValidationError, match=message):
        ThresholdSegmenter(within=within)
