"""What kind of CT a scan is, against scans whose noise, grid and bone are known."""

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.images.scan_measures import lung_vessel_share, measure_scan, soft_tissue_noise


def scan(voxels, spacing=(0.5, 0.5, 3.0)):
    image = sitk.GetImageFromArray(voxels.astype(np.int16))
    image.SetSpacing(spacing)
    everywhere = sitk.Add(sitk.Image(image.GetSize(), sitk.sitkUInt8), 1)
    everywhere.CopyInformation(image)
    return image, everywhere


def test_noise_is_the_standard_deviation_of_soft_tissue_whatever_lies_beside_it():
    hu = np.random.default_rng(0).normal(40, 20, (30, 120, 120))
    hu[:, :, :40] -= 900  # lung
    hu[:, 90:, 90:] += 600  # bone
    assert soft_tissue_noise(hu, (0.5, 0.5)) == pytest.approx(20, rel=0.03)


def test_a_scan_without_soft_tissue_has_no_noise_to_tell():
    image, region = scan(np.full((6, 60, 60), -900))
    assert "noise_hu" not in measure_scan(image, region)
    assert "blood_hu" not in measure_scan(image, region)


def test_the_grid_is_told_in_mm_whichever_way_the_image_is_stored():
    image, region = scan(np.full((10, 60, 80), 40))
    for turned, over in (
        (image, region),
        (sitk.PermuteAxes(image, (2, 0, 1)), sitk.PermuteAxes(region, (2, 0, 1))),
    ):
        found = measure_scan(turned, over)
        assert found["pixel_mm"] == 0.5
        assert found["slice_mm"] == 3.0
        assert found["field_mm"] == 30.0
        assert found["length_mm"] == 30.0


def test_dense_share_is_that_of_tissue_and_blood_that_of_the_region():
    voxels = np.full((4, 40, 40), -1000)
    voxels[:, :, :20] = 40
    voxels[:, :10, :20] = 350
    image, _ = scan(voxels)
    region = sitk.GetImageFromArray((voxels == 350).astype(np.uint8))
    region.CopyInformation(image)
    found = measure_scan(image, region)
    assert found["dense_share"] == 0.25
    assert found["blood_hu"] == 350


def test_the_vessels_of_the_lungs_are_counted_beside_the_region_and_not_its_own_tissue():
    voxels = np.full((30, 60, 120), 40)
    voxels[:, 5:55, 5:50] = voxels[:, 5:55, 70:115] = -850
    region = np.zeros(voxels.shape, np.uint8)
    region[:, 10:50, 50:70] = 1
    (image, _), mask = scan(voxels, (3.0, 3.0, 3.0)), sitk.GetImageFromArray(region)
    mask.SetSpacing((3.0, 3.0, 3.0))
    assert lung_vessel_share(image, mask) == 0
    tubes = voxels.copy()
    tubes[:, 7:53:5, 2:120:5] = 40  # of every 25 voxels in the slice one is a vessel's
    share = lung_vessel_share(scan(tubes, (3.0, 3.0, 3.0))[0], mask)
    assert 0.3 < share * 25 <= 1, "those at the rim are the rim"
    finer = sitk.Expand(scan(tubes, (3.0, 3.0, 3.0))[0], (3, 3, 1), sitk.sitkNearestNeighbor)
    fine_mask = sitk.Resample(mask, finer, sitk.Transform(), sitk.sitkNearestNeighbor)
    assert lung_vessel_share(finer, fine_mask) == pytest.approx(share, abs=0.01)
    assert np.isnan(lung_vessel_share(scan(np.full((30, 60, 120), 40), (3.0, 3.0, 3.0))[0], mask))
    assert np.isnan(lung_vessel_share(image, mask * 0))
