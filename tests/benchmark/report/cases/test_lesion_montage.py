"""The picture of a scored scan, read back pixel by pixel."""

import io

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from benchmark.report.cases.lesion_montage import Look, lesion_montage


@pytest.fixture
def scan():
    """Twelve slices of soft tissue with a small and a large lesion, and a region around the large one."""
    voxels = np.full((12, 100, 120), 40, np.int16)
    calcium, region = np.zeros_like(voxels, np.uint8), np.zeros_like(voxels, np.uint8)
    calcium[3, 20:24, 20:24] = calcium[7, 60:70, 80:90] = 1
    region[5:9, 50:80, 70:100] = 1
    voxels[calcium > 0] = 500
    images = [sitk.GetImageFromArray(each) for each in (voxels, calcium, region)]
    for image in images:
        image.SetSpacing((0.8, 0.8, 3.0))
    return [images[0], images[1], {"searched": images[2]}]


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def red(picture):
    found = pixels(picture)
    return int(((found[..., 0] > 180) & (found[..., 1] < 140) & (found[..., 2] < 140)).sum())


def cyan(picture):
    found = pixels(picture)
    return int(((found[..., 0] < 120) & (found[..., 1] > 200) & (found[..., 2] > 200)).sum())


def test_lesions_are_red_and_the_region_is_outlined_in_cyan(scan):
    picture = lesion_montage(*scan, "toy")
    assert red(picture) > 500
    assert cyan(picture) > 100
    assert cyan(lesion_montage(scan[0], scan[1], {}, "toy")) == 0


def test_a_scan_without_lesions_has_its_picture_too(scan):
    picture = lesion_montage(scan[0], scan[1] * 0, scan[2], "toy")
    assert red(picture) == 0
    assert cyan(picture) > 50


def test_the_order_of_the_axes_does_not_matter(scan):
    image, calcium, region = (sitk.PermuteAxes(each, (1, 2, 0)) for each in (*scan[:2], scan[2]["searched"]))
    turned = [image, calcium, {"searched": region}]
    assert lesion_montage(*turned, "toy") == lesion_montage(*scan, "toy")


def test_a_warning_is_written_below_in_red(scan):
    assert red(lesion_montage(*scan, "toy", "severe: noise: 49 HU")) > red(lesion_montage(*scan, "toy")) + 20


def test_no_more_than_24_tiles_are_drawn_however_much_is_called(scan):
    image, calcium, region = scan
    many = sitk.GetArrayFromImage(calcium)
    many[::2, ::10, ::10] = 1
    called = sitk.GetImageFromArray(many)
    called.CopyInformation(image)
    height, width, _ = pixels(lesion_montage(image, called, region, "toy")).shape
    assert height < width


def test_outlined_calcium_hides_less_and_each_region_has_a_colour_of_its_own(scan):
    image, calcium, regions = scan
    filled, outlined = (
        lesion_montage(image, calcium, regions, "toy", look=Look(filled=each)) for each in (True, False)
    )
    assert 0 < red(outlined) < red(filled) / 2
    two = lesion_montage(image, calcium, {**regions, "other": regions["searched"]}, "toy")
    found = pixels(two)
    assert ((found[..., 0] > 220) & (abs(found[..., 1] - 165) < 30) & (found[..., 2] < 60)).sum() > 50


def test_a_place_that_holds_more_than_is_shown_says_how_many(scan):
    small = lesion_montage(*scan, "toy", look=Look(most=1, columns=2))
    assert pixels(small).shape[1] < pixels(lesion_montage(*scan, "toy")).shape[1] / 2
