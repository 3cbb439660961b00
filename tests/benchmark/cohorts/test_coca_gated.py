"""COCA's gated scans: files in its format load to the masks they were made from, and every anomaly is counted."""

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.calcium.scoring import score
from benchmark.cohorts.coca_gated import CocaGatedCohort
from benchmark.errors import CaseError, UserError
from tests.benchmark.images.written_scans import VESSELS, roi, write_annotation, write_series


@pytest.fixture
def release(phantom_scan, tmp_path):
    """The folder of one annotated patient, 12."""
    folder = tmp_path / "Gated_release_final"
    write_series(phantom_scan.image, folder / "patient" / "12" / "Pro_Gated_CS_3.0_I30f_3_70%")
    write_annotation(phantom_scan.masks["lesions"], folder / "calcium_xml" / "12.xml")
    return folder


def annotate(release, phantom_scan, *extra, lesions=None):
    mask = phantom_scan.masks["lesions"] if lesions is None else lesions
    write_annotation(mask, release / "calcium_xml" / "12.xml", *extra)
    (case,) = CocaGatedCohort(path=release).cases()
    return case


def kinds(anomalies):
    return [anomaly.kind for anomaly in anomalies]


def square(scan, *corner, side=3):
    """The pixels (rows, columns) of a square, in the scan's slices."""
    inside = np.zeros(scan.image.GetSize()[1::-1], bool)
    inside[corner[0] : corner[0] + side, corner[1] : corner[1] + side] = True
    return inside


@pytest.mark.parametrize("seed", [0, 1])
def test_scan_masks_label_and_score_are_those_the_files_were_made_from(phantom_scan, tmp_path, seed):
    folder = tmp_path / f"order-{seed}"
    write_series(phantom_scan.image, folder / "patient" / "7" / "CaSc", seed=seed)
    lesions = phantom_scan.masks["lesions"]
    write_annotation(lesions, folder / "calcium_xml" / "7.xml", seed=seed)
    (case,) = CocaGatedCohort(path=folder).cases()
    assert (case.case_id, case.label, case.protocol, case.contrast) == ("7", 1, "cardiac", False)
    scan = case.source.load()
    assert (sitk.GetArrayFromImage(scan.image) == sitk.GetArrayFromImage(phantom_scan.image)).all()
    assert (sitk.GetArrayFromImage(scan.masks["lesions"]) == sitk.GetArrayFromImage(lesions)).all()
    found, made = score(scan.image, scan.masks["lesions"]), score(phantom_scan.image, lesions)
    assert [r.agatston for r in found.regions] == pytest.approx([r.agatston for r in made.regions], rel=1e-6)
    assert made.total.agatston > 0
    assert case.anomalies == scan.anomalies == ()


def test_a_pixel_belongs_if_its_integer_position_lies_in_the_polygon(release, phantom_scan):
    image = phantom_scan.image
    diamond = roi(image, 4, VESSELS[2], square(phantom_scan, 30, 40))
    diamond["Point_px"] = ["(40.0, 37.5)", "(42.5, 40.0)", "(40.0, 42.5)", "(37.5, 40.0)"]
    origin = image.TransformIndexToPhysicalPoint((0, 0, 4))
    corners = [(40.0, 37.5), (42.5, 40.0), (40.0, 42.5), (37.5, 40.0)]
    diamond["Point_mm"] = [f"({origin[0] + x - 0.5}, {origin[1] + y - 0.5}, {origin[2]})" for x, y in corners]
    case = annotate(release, phantom_scan, (4, diamond), lesions=phantom_scan.masks["lesions"] * 0)
    labels = sitk.GetArrayFromImage(case.source.load().masks["lesions"])
    inside = {(x, y) for y in range(120) for x in range(120) if abs(x - 40) + abs(y - 40) < 2.5}
    assert {(int(x), int(y)) for y, x in zip(*np.nonzero(labels[4]), strict=True)} == inside
    assert set(np.unique(labels)) == {0, 2}
    assert not np.delete(labels, 4, axis=0).any()


# Anomalies: counted, not mended


def test_an_empty_roi_is_counted_and_draws_nothing(release, phantom_scan):
    occupied = int(np.flatnonzero(sitk.GetArrayFromImage(phantom_scan.masks["lesions"]).any(axis=(1, 2)))[0])
    case = annotate(release, phantom_scan, (occupied, roi(phantom_scan.image, occupied, VESSELS[4])))
    assert kinds(case.anomalies) == ["empty ROI"]
    expected = sitk.GetArrayFromImage(phantom_scan.masks["lesions"])
    assert (sitk.GetArrayFromImage(case.source.load().masks["lesions"]) == expected).all()


def test_an_image_with_only_empty_rois_is_counted(release, phantom_scan):
    case = annotate(release, phantom_scan, (0, roi(phantom_scan.image, 0, VESSELS[4])))
    assert kinds(case.anomalies) == ["empty ROI", "image with only empty ROIs"]


def test_an_xml_with_only_empty_rois_gives_label_0_and_says_so(release, phantom_scan):
    empty = roi(phantom_scan.image, 3, VESSELS[1])
    case = annotate(release, phantom_scan, (3, empty), lesions=phantom_scan.masks["lesions"] * 0)
    assert case.label == 0
    assert "XML with only empty ROIs" in kinds(case.anomalies)


def test_a_roi_below_1_mm2_is_counted_and_kept(release, phantom_scan):
    small = roi(phantom_scan.image, 2, VESSELS[3], square(phantom_scan, 50, 60, side=1))
    small["Area"] = 0.0081
    case = annotate(release, phantom_scan, (2, small))
    assert kinds(case.anomalies) == ["ROI below 1 mm²"]
    assert sitk.GetArrayFromImage(case.source.load().masks["lesions"])[2, 50, 60] == 3


def test_overlapping_rois_are_counted_and_the_first_keeps_its_label(release, phantom_scan):
    first = roi(phantom_scan.image, 5, VESSELS[2], square(phantom_scan, 10, 10))
    second = roi(phantom_scan.image, 5, VESSELS[4], square(phantom_scan, 11, 11))
    case = annotate(release, phantom_scan, (5, first), (5, second), lesions=phantom_scan.masks["lesions"] * 0)
    scan = case.source.load()
    (met,) = scan.anomalies
    assert met.kind == "overlapping ROIs"
    assert "4 pixels" in met.detail
    assert sitk.GetArrayFromImage(scan.masks["lesions"])[5, 11, 11] == 2


def test_points_that_differ_in_number_are_counted(release, phantom_scan):
    odd = roi(phantom_scan.image, 5, VESSELS[2], square(phantom_scan, 10, 10))
    odd["Point_mm"] = odd["Point_mm"][:-1]
    assert kinds(annotate(release, phantom_scan, (5, odd)).anomalies) == [
        "points in pixels and mm differ in number"
    ]


def test_a_scan_without_xml_is_excluded_or_taken_for_zero_as_declared(release, phantom_scan):
    write_series(phantom_scan.image, release / "patient" / "3" / "CaSc")
    left_out, _ = CocaGatedCohort(path=release).cases()
    assert left_out.case_id == "3"
    assert left_out.label is None
    with pytest.raises(CaseError, match="without_annotation: zero"):
        left_out.source.digest()
    zero, _ = CocaGatedCohort(path=release, without_annotation="zero").cases()
    assert (zero.label, kinds(zero.anomalies)) == (0, ["scan without XML taken for zero"])
    assert not sitk.GetArrayFromImage(zero.source.load().masks["lesions"]).any()


def test_an_xml_without_scan_is_an_exclusion(release, phantom_scan):
    write_annotation(phantom_scan.masks["lesions"], release / "calcium_xml" / "99.xml")
    *_, orphan = CocaGatedCohort(path=release).cases()
    with pytest.raises(CaseError, match="no folder patient/99"):
        orphan.source.load()


# Refusals


def test_an_annotation_of_another_series_is_refused(release, phantom_scan):
    shifted = sitk.Image(phantom_scan.masks["lesions"])
    shifted.SetOrigin([value + 5 for value in shifted.GetOrigin()])
    case = annotate(release, phantom_scan, lesions=shifted)
    with pytest.raises(CaseError, match="belongs to another series"):
        case.source.load()


def test_a_lesion_outside_the_series_is_refused(release, phantom_scan):
    beyond = roi(phantom_scan.image, 400, VESSELS[2], square(phantom_scan, 10, 10))
    with pytest.raises(CaseError, match=r"image 400, but the series has \d+"):
        annotate(release, phantom_scan, (400, beyond)).source.load()


def test_an_unknown_vessel_is_counted_and_its_scan_refused(release, phantom_scan):
    other = roi(phantom_scan.image, 5, "Aorta", square(phantom_scan, 10, 10))
    case = annotate(release, phantom_scan, (5, other))
    assert kinds(case.anomalies) == ["unknown vessel"]
    with pytest.raises(CaseError, match="image 5 is drawn in an unknown vessel"):
        case.source.load()


@pytest.mark.parametrize("content", [b"", b"<plist><dict/></plist>", b"not xml"])
def test_a_file_that_is_no_annotation_excludes_its_case(release, content):
    (release / "calcium_xml" / "12.xml").write_bytes(content)
    (case,) = CocaGatedCohort(path=release).cases()
    with pytest.raises(CaseError, match="the XML: "):
        case.source.digest()


def test_two_series_folders_are_refused(release, phantom_scan):
    write_series(phantom_scan.image, release / "patient" / "12" / "other")
    (case,) = CocaGatedCohort(path=release).cases()
    with pytest.raises(CaseError, match="2 series folders"):
        case.source.load()


def test_a_folder_of_another_layout_is_refused(tmp_path):
    with pytest.raises(UserError, match="Gated_release_final"):
        CocaGatedCohort(path=tmp_path).cases()


def test_the_digest_follows_pixels_and_polygons_and_not_the_place(release, phantom_scan):
    before = CocaGatedCohort(path=release).cases()[0].source.digest()
    moved = release.rename(release.with_name("elsewhere"))
    assert CocaGatedCohort(path=moved).cases()[0].source.digest() == before
    assert (
        annotate(moved, phantom_scan, (0, roi(phantom_scan.image, 0, VESSELS[4]))).source.digest() != before
    )
