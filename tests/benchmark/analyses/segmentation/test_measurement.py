"""One scan's counts, by hand."""

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.analyses.segmentation.measurement import compare
from benchmark.analyses.segmentation.pictures import choose
from benchmark.calcium.truth import ReferenceRule, reference_calcium
from benchmark.case import Scan


@pytest.fixture
def scan():
    """Lesions of 4 pixels (250 HU) and 2 pixels (450 HU), and one below the threshold; 1 mm pixels, 3 mm slices."""
    hu, lesions = np.full((5, 16, 16), 40, np.int16), np.zeros((5, 16, 16), np.uint8)
    hu[1, 2:4, 2:4], lesions[1, 2:4, 2:4] = 250, 2
    hu[3, 10, 10:12], lesions[3, 10, 10:12] = 450, 4
    hu[4, 3, 3], lesions[4, 3, 3] = 100, 2
    hu[2, 12:15, 3:6] = 900
    image, mask = sitk.GetImageFromArray(hu), sitk.GetImageFromArray(lesions)
    for each in (image, mask):
        each.SetSpacing((1, 1, 3))
    return Scan(image, {"lesions": mask})


def measured(scan, *boxes):
    found = np.zeros((5, 16, 16), np.uint8)
    for box in boxes:
        found[box] = 1
    mask = sitk.GetImageFromArray(found)
    mask.CopyInformation(scan.image)
    return compare(scan, mask, reference_calcium(scan, ReferenceRule()), ReferenceRule())


def test_a_lesion_found_in_part_one_missed_and_a_false_one(scan):
    record = measured(scan, np.s_[1, 2, 2:4], np.s_[2, 12:15, 3:6])
    assert [record[f"voxel_{name}"] for name in ("tp", "fp", "fn")] == [2, 9, 4]
    assert [record[f"lesion_{name}"] for name in ("tp", "fp", "fn")] == [1, 1, 1]
    assert record["reference_agatston"] == pytest.approx(4 * 2 + 2 * 4)
    assert record["agatston"] == pytest.approx(2 * 2 + 9 * 4)


def test_every_lesion_is_listed_with_size_density_and_what_was_found_of_it(scan):
    first, second = measured(scan, np.s_[1, 2, 2:4])["lesions"]
    assert first == {"volume_mm3": 12.0, "maximum_hu": 250.0, "found": 1, "found_share": 0.5}
    assert second == {"volume_mm3": 6.0, "maximum_hu": 450.0, "found": 0, "found_share": 0.0}


def test_lesions_that_no_score_counts_are_told_apart_from_missed_ones(scan):
    record = measured(scan)
    assert record["unseen_lesions"] == 1
    assert record["lesion_fn"] == 2


def test_one_blob_over_two_lesions_finds_both_and_is_not_false(scan):
    record = measured(scan, np.s_[1:4, 2:12, 2:12])
    assert [record[f"lesion_{name}"] for name in ("tp", "fp", "fn")] == [2, 0, 0]


def test_nothing_found_where_nothing_is_counts_nothing(scan):
    empty = Scan(sitk.Mask(scan.image, scan.image < 0), {"lesions": scan.masks["lesions"]})
    record = measured(empty)
    assert all(record[f"{unit}_{name}"] == 0 for unit in ("voxel", "lesion") for name in ("tp", "fp", "fn"))
    assert record["agatston"] == record["reference_agatston"] == 0


def test_the_pictures_are_of_the_best_the_median_and_the_worst_scan_with_calcium():
    import pandas as pd

    scans = pd.DataFrame(
        {
            "case_id": list("abcde"),
            "voxel_tp": [9, 5, 1, 0, 0],
            "voxel_fp": [0, 0, 0, 7, 0],
            "voxel_fn": [0, 5, 9, 0, 0],
            "reference_agatston": [10.0, 10.0, 10.0, 0.0, 0.0],
        }
    )
    assert choose(scans) == {"best": "a", "median": "b", "worst": "c"}
    assert choose(scans[scans["reference_agatston"] == 0]) == {}
