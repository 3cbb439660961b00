"""The diagnostics of a scan and its ROI are PyRadiomics' own, one number a column."""

import logging

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.errors import CaseError
from feature_extractors.image_diagnostics import ImageDiagnosticsExtractor


@pytest.fixture
def scan():
    values = np.random.default_rng(0).integers(-1000, 1000, (6, 10, 14)).astype(np.int16)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.5, 0.75, 3.0))
    image.SetOrigin((10.0, -20.0, 5.0))
    inside = np.zeros(values.shape, np.uint8)
    inside[1:3, 2:6, 4:9] = 1
    inside[5, 9, 13] = 2
    roi = sitk.GetImageFromArray(inside)
    roi.CopyInformation(image)
    return image, roi


def test_the_numbers_are_those_that_follow_from_the_scan(scan):
    found = ImageDiagnosticsExtractor().extract(*scan)
    values = sitk.GetArrayFromImage(scan[0])
    assert len(found) == 23
    assert found.dtype == np.float64
    image = found.filter(like="Image-original").to_list()
    assert image == pytest.approx([0.5, 0.75, 3.0, 14, 10, 6, values.mean(), values.min(), values.max()])
    mask = found.filter(like="Mask-original").rename(
        lambda name: name.removeprefix("diagnostics_Mask-original_")
    )
    assert mask["VoxelNum"] == 2 * 4 * 5 + 1
    assert mask["VolumeNum"] == 2
    assert mask.filter(like="BoundingBox").to_list() == [4, 2, 1, 10, 8, 5]
    x, y, z = ((40 * middle + last) / 41 for middle, last in ((6, 13), (3.5, 9), (1.5, 5)))
    assert mask.filter(like="CenterOfMassIndex").to_list() == pytest.approx([x, y, z])
    where = [mask[f"CenterOfMass_{axis}"] for axis in "xyz"]
    assert where == pytest.approx([10 + 0.5 * x, -20 + 0.75 * y, 5 + 3 * z])


def test_pyradiomics_itself_reports_the_same(scan):
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    image, roi = scan
    peer = RadiomicsFeatureExtractor()
    peer.disableAllFeatures()
    peer.enableFeaturesByName(firstorder=["Mean"])
    reported = peer.execute(image, sitk.Cast(roi != 0, sitk.sitkUInt8))
    for name, value in ImageDiagnosticsExtractor().extract(image, roi).items():
        if name in reported:
            assert value == reported[name]
        else:
            whole, _, axis = name.replace("_size", "-size").rpartition("_")
            place = ["x", "y", "z", "x-size", "y-size", "z-size"].index(axis)
            assert value == pytest.approx(reported[whole][place])


def test_an_empty_roi_and_one_on_another_grid_are_refused(scan):
    image, roi = scan
    with pytest.raises(CaseError, match="the ROI is empty"):
        ImageDiagnosticsExtractor().extract(image, roi * 0)
    roi.SetSpacing((1.0, 1.0, 1.0))
    with pytest.raises(CaseError, match="another grid"):
        ImageDiagnosticsExtractor().extract(image, roi)
