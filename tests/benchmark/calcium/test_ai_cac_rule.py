"""AI-CAC's score of a mask: against lines of its own, in its corners, on the scanned phantom and on a real chest."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from benchmark.calcium.ai_cac_rule import ai_cac_score
from benchmark.calcium.scoring import calcium_mask, score
from benchmark.errors import CaseError
from benchmark.images.geometry import SLICE_THICKNESS, slice_thickness
from benchmark.images.reading import read_image
from tests.benchmark.images.written_scans import write_series


def scan_and_mask(hu, mask, spacing=(1.0, 1.0, 3.0)):
    images = sitk.GetImageFromArray(np.asarray(hu, np.int16)), sitk.GetImageFromArray(mask.astype(np.uint8))
    for image in images:
        image.SetSpacing(spacing)
    return images


def by_hand(hu, mask, row, column, thickness):
    """Score object by object, as the published description reads."""
    objects, count = ndimage.label(mask)
    total = 0
    for number in range(1, count + 1):
        voxels = hu[objects == number]
        if len(voxels) <= 1:
            continue
        weight = sum(voxels.max() >= bound for bound in (130, 200, 300, 400))
        total += round(len(voxels) * (row * column * thickness / 3) * weight)
    return total


@pytest.mark.parametrize("seed", range(8))
def test_the_score_is_that_of_a_loop_over_the_objects(seed):
    rng = np.random.default_rng(seed)
    hu = ndimage.gaussian_filter(rng.normal(0, 1, (9, 30, 30)), 1.2) * 900 + 60
    mask = hu + rng.normal(0, 60, hu.shape) > 110
    assert ndimage.label(mask)[1] > 20
    hu = hu.astype(np.int16)
    scan, region = scan_and_mask(hu, mask, (0.6, 0.7, 2.5))
    assert ai_cac_score(scan, region) == by_hand(hu, mask, 0.7, 0.6, 2.5)


def test_voxels_below_130_hu_count_with_the_weight_of_the_object_but_an_object_of_them_alone_does_not():
    hu, mask = np.full((3, 12, 12), 50), np.zeros((3, 12, 12), bool)
    hu[1, 2, 2:4], mask[1, 2:5, 2:4] = 410, True
    mask[1, 9, 8:11] = True
    scan, region = scan_and_mask(hu, mask)
    assert ai_cac_score(scan, region) == 6 * 4
    assert score(scan, region).total.agatston == 2 * 4


def test_one_bright_slice_weights_the_whole_object():
    hu, mask = np.full((5, 12, 12), 150), np.zeros((5, 12, 12), bool)
    mask[1:4, 4:6, 4:6] = True
    hu[2, 4, 4] = 500
    scan, region = scan_and_mask(hu, mask)
    assert ai_cac_score(scan, region) == 12 * 4
    assert score(scan, region).total.agatston == 4 * (1 + 4 + 1)


def test_a_single_voxel_does_not_count_nor_one_that_touches_by_an_edge():
    hu, mask = np.full((3, 12, 12), 300), np.zeros((3, 12, 12), bool)
    mask[1, 4, 4] = mask[1, 5, 5] = True
    scan, region = scan_and_mask(hu, mask)
    assert ai_cac_score(scan, region) == 0
    assert score(scan, region).total.agatston == 2 * 3


def test_each_object_is_rounded_a_half_to_the_even_number():
    hu, mask = np.full((3, 12, 12), 150), np.zeros((3, 12, 12), bool)
    mask[1, 2, 2:7], mask[1, 6, 2:5] = True, True
    scan, region = scan_and_mask(hu, mask, (0.5, 1.0, 3.0))
    assert ai_cac_score(scan, region) == 2 + 2, "of 2.5 and 1.5"


def test_slices_that_overlap_count_by_their_thickness(tmp_path):
    hu, mask = np.full((6, 32, 32), 40), np.zeros((6, 32, 32), bool)
    hu[:, 20:] = -1000
    hu[2:4, 10:14, 10:14], mask[2:4, 10:14, 10:14] = 250, True
    scan, region = scan_and_mask(hu, mask, (1.0, 1.0, 1.5))
    write_series(scan, tmp_path, SliceThickness="3.0")
    read = read_image(tmp_path)
    assert slice_thickness(read) == 3.0
    assert slice_thickness(scan) is None
    region.CopyInformation(read)
    assert ai_cac_score(read, region) == 32 * 2
    read.EraseMetaData(SLICE_THICKNESS)
    assert ai_cac_score(read, region) == 16 * 2, "the spacing stands in"


@pytest.mark.parametrize("thickness", ["", "0", "-3"])
def test_a_thickness_that_is_none_is_not_taken(tmp_path, thickness):
    hu = np.full((4, 32, 32), 40)
    hu[:, 16:] = -1000
    scan, _ = scan_and_mask(hu, hu > 0)
    write_series(scan, tmp_path, SliceThickness=thickness)
    assert slice_thickness(read_image(tmp_path)) is None


def test_the_slices_may_be_any_axis_of_the_image():
    hu, mask = np.full((5, 12, 14), 150), np.zeros((5, 12, 14), bool)
    mask[1:4, 4:6, 4:7] = True
    scan, region = scan_and_mask(hu, mask, (0.5, 0.7, 3.0))
    turned = [sitk.PermuteAxes(image, (2, 0, 1)) for image in (scan, region)]
    assert ai_cac_score(*turned) == ai_cac_score(scan, region) == round(18 * 0.35)


def test_no_mask_no_score_and_a_mask_of_another_grid_is_refused():
    scan, region = scan_and_mask(np.full((3, 12, 12), 300), np.zeros((3, 12, 12)))
    assert ai_cac_score(scan, region) == 0
    with pytest.raises(CaseError, match="grid"):
        ai_cac_score(scan, region[:, :, :2])


@pytest.mark.parametrize(
    ("centre", "agatston", "by_ai_cac"), [((22, 221, 181), 402.94, 402), ((23, 221, 206), 88.11, 108)]
)
def test_on_the_scanned_phantom_a_small_insert_gains_a_quarter_by_the_weight_of_its_brightest_slice(
    real_data, centre, agatston, by_ai_cac
):
    image = read_image(real_data / "qrm_phantom" / "dicom")
    box = np.zeros(image.GetSize()[::-1], np.uint8)
    z, y, x = centre
    box[z - 4 : z + 5, y - 12 : y + 13, x - 12 : x + 13] = 1
    mask = sitk.GetImageFromArray(box)
    mask.CopyInformation(image)
    insert = calcium_mask(image, mask)
    assert score(image, insert).total.agatston == pytest.approx(agatston, rel=0.005)
    assert ai_cac_score(image, insert) == by_ai_cac


def test_on_a_real_chest_the_same_coronary_voxels_score_a_tenth_more(real_data):
    image = read_image(real_data / "lung1_001" / "image.nii.gz")
    labels = sitk.ReadImage(str(real_data / "lung1_001" / "calcium.nii.gz"))
    coronary = sitk.Cast((labels >= 1) & (labels <= 4), sitk.sitkUInt8)
    assert score(image, coronary).total.agatston == pytest.approx(2089.5, abs=0.1)
    assert ai_cac_score(image, coronary) == 2282
    hu, mask = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(coronary) > 0
    assert by_hand(hu, mask, 0.9765625, 0.9765625, 3.0) == 2282
