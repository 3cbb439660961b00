"""One scan's counts, by hand."""

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.analyses.segmentation.anatomy import drawn_anatomy
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


# By structure


@pytest.fixture
def named(scan):
    """The scan with names: the two lesions are the LAD's and the RCA's, the dense block lies half in the aorta."""
    anatomy = sitk.GetArrayFromImage(scan.masks["lesions"])
    anatomy[2, 12:15, 3:5], anatomy[0, 0:2, 0:2] = 11, 13
    mask = sitk.GetImageFromArray(anatomy)
    mask.CopyInformation(scan.image)
    names = {
        "lesions": {2: "LAD", 4: "RCA"},
        "anatomy": {2: "LAD", 4: "RCA", 11: "aorta", 13: "mitral valve"},
    }
    return Scan(scan.image, {**scan.masks, "anatomy": mask}, label_names=names)


def by_structure(scan, *boxes):
    found = np.zeros((5, 16, 16), np.uint8)
    for box in boxes:
        found[box] = 1
    mask = sitk.GetImageFromArray(found)
    mask.CopyInformation(scan.image)
    rule = ReferenceRule()
    record = compare(scan, mask, reference_calcium(scan, rule), rule, drawn_anatomy(scan, rule.scoring))
    return record, {row.pop("structure"): row for row in record["false_calls"]}


def test_every_lesion_is_of_the_vessel_that_holds_most_of_it(named):
    record, _ = by_structure(named)
    assert [lesion["vessel"] for lesion in record["lesions"]] == ["LAD", "RCA"]
    labels = sitk.GetArrayFromImage(named.masks["lesions"])
    labels[1, 2, 2:4] = labels[1, 3, 2] = 4
    named.masks["lesions"] = sitk.GetImageFromArray(labels)
    named.masks["lesions"].CopyInformation(named.image)
    record, _ = by_structure(named)
    assert [lesion["vessel"] for lesion in record["lesions"]] == ["RCA", "RCA"]


def test_false_calls_are_counted_where_they_lie(named):
    record, calls = by_structure(named, np.s_[1, 2, 2:4], np.s_[2, 12:15, 3:6], np.s_[4, 8, 8])
    # The block of nine voxels: six in the aorta, three beyond it; one speck below the threshold elsewhere.
    # A component is not cut: its score is the aorta's, which holds most of it.
    assert calls["aorta"] == {"calcium_voxels": 6, "voxels": 6, "lesions": 1, "agatston": 9 * 4}
    assert calls["elsewhere"] == {"calcium_voxels": None, "voxels": 4, "lesions": 1, "agatston": 0}
    nothing = {"voxels": 0, "lesions": 0, "agatston": 0}
    assert calls["mitral valve"] == {"calcium_voxels": 0, **nothing}
    assert calls["LAD"] == {"calcium_voxels": 4, **nothing}
    assert sum(row["voxels"] for row in calls.values()) == record["voxel_fp"]
    assert sum(row["lesions"] for row in calls.values()) == record["lesion_fp"]


def test_a_call_that_finds_calcium_and_spills_over_is_false_in_voxels_and_not_in_lesions(named):
    _, calls = by_structure(named, np.s_[1, 2:5, 2:4])
    assert (calls["elsewhere"]["voxels"], calls["elsewhere"]["lesions"]) == (2, 0)


def test_where_nobody_drew_anatomy_nothing_is_said_of_it(scan):
    assert measured(scan, np.s_[2, 12:15, 3:6])["false_calls"] == []
    assert drawn_anatomy(scan, ReferenceRule().scoring) is None
