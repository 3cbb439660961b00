"""The region in which coronary calcium can lie: what it keeps and leaves out on real scans, and what it refuses."""

import csv

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.case import Scan
from benchmark.cohorts.phantom import PhantomCohort
from benchmark.errors import CaseError
from benchmark.images.reading import read_image
from benchmark.plugins.registry import build
from segmenters.heart_region.morphology import hulls
from segmenters.heart_region.segmenter import HeartRegionSegmenter


@pytest.fixture(scope="module")
def thorax(real_data):
    """A real chest without contrast medium whose calcium was annotated by component."""
    return read_image(real_data / "lung1_001" / "image.nii.gz")


@pytest.fixture(scope="module")
def kept(thorax):
    """The region of that chest."""
    return region(thorax)


@pytest.fixture(scope="module")
def with_contrast(real_data):
    """The region of a real chest with contrast medium."""
    return region(read_image(real_data / "thorax_ct" / "aorta" / "ct_cropped.nii.gz"))


def region(image, **parameters):
    return sitk.GetArrayFromImage(HeartRegionSegmenter(**parameters).segment(Scan(image))).astype(bool)


def test_every_coronary_lesion_of_a_real_chest_is_kept_and_nothing_in_bone(thorax, kept, real_data):
    folder = real_data / "lung1_001"
    hu = sitk.GetArrayViewFromImage(thorax)
    calcium = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "calcium.nii.gz")))
    coronary = (calcium >= 1) & (calcium <= 4)
    assert coronary.sum() == 657
    assert kept[coronary].all()
    with (folder / "negatives.csv").open() as stream:
        bones = [row for row in csv.DictReader(stream) if row["class"] == "bone/cartilage"]
    assert len(bones) == 18
    for bone in bones:
        z, y, x = (int(bone[axis]) for axis in "zyx")
        around = (z, slice(y - 8, y + 9), slice(x - 8, x + 9))
        assert not kept[z, y, x]
        assert not (kept[around] & (hu[around] >= 130)).any()


@pytest.mark.parametrize(
    ("width_mm", "x", "y"),
    [(170, 265, 215), (170, 240, 215), (220, 256, 236), (230, 240, 240), (160, 290, 210)],
)
def test_a_field_of_view_around_the_heart_leaves_the_sternum_out(thorax, real_data, width_mm, x, y):
    """Clothes before the chest and emphysema at the image's border made a hull around the sternum, or refused it."""
    half = round(width_mm / thorax.GetSpacing()[0] / 2)
    window = slice(x - half, x + half), slice(max(0, y - half), y + half), slice(34, 98)
    hu = sitk.GetArrayFromImage(thorax[window])
    calcium = sitk.GetArrayFromImage(sitk.ReadImage(str(real_data / "lung1_001" / "calcium.nii.gz"))[window])
    kept = region(thorax[window])
    coronary = (calcium >= 1) & (calcium <= 4)
    assert kept[coronary].mean() > 0.95
    assert (kept & (hu >= 130) & (calcium == 0)).sum() < 2500  # with the sternum 10,000 to 25,000


def test_of_the_voxels_above_130_hu_most_are_left_out(thorax, kept):
    candidates = sitk.GetArrayViewFromImage(thorax) >= 130
    assert (kept & candidates).sum() < 0.05 * candidates.sum()


VARIED = {"acquisitions": "varied", "matrix": 256, "coverage_mm": 120, "protocol": "mixed"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "cohort",
    [{"zero": 3, "nonzero": 3}, {**VARIED, "nonzero": 4}, {**VARIED, "contrast": "on", "nonzero": 3}],
)
def test_the_phantoms_coronaries_are_kept(cohort):
    kept = []
    for case in PhantomCohort(**{"zero": 0, "seed": "heart_region", **cohort}).cases():
        scan = case.source.load()
        coronary = sitk.GetArrayFromImage(scan.masks["coronary"]).astype(bool)
        kept.append(region(scan.image)[coronary].mean())
    assert min(kept) > 0.98
    assert np.mean(kept) > 0.995


@pytest.mark.parametrize(
    ("z", "y", "x"),
    [
        (30, 100, 45),
        (66, 103, 46),
        (87, 100, 47),
        (109, 100, 44),
        (130, 103, 44),
        (109, 13, 46),
        (130, 25, 46),
    ],
)
def test_with_contrast_medium_neither_vertebrae_nor_sternum_are_in_it(with_contrast, z, y, x):
    """Centres of vertebral bodies, and of the sternum, read off the picture."""
    assert not with_contrast[z, y - 3 : y + 4, x - 5 : x + 6].any()


@pytest.mark.parametrize(
    ("z", "y", "x"), [(66, 40, 60), (66, 60, 90), (87, 65, 60), (87, 30, 45), (109, 50, 40)]
)
def test_with_contrast_medium_the_heart_is_in_it(with_contrast, z, y, x):
    assert with_contrast[z, y, x]


def test_cartilage_that_calcifies_beside_the_sternum_is_left_out_below_an_electrode(with_contrast, real_data):
    """An electrode on the skin before these slices is as dense as bone; rays between two ribs must not end there."""
    image = read_image(real_data / "thorax_ct" / "aorta" / "ct_cropped.nii.gz")
    dense = sitk.GetArrayFromImage(sitk.DICOMOrient(image, "LPS")) >= 200
    beside_sternum = (slice(104, 122), slice(0, 26))
    assert dense[beside_sternum].sum() > 1500
    assert (with_contrast[beside_sternum].astype(bool) & dense[beside_sternum]).sum() <= 5


def test_of_a_vertebra_that_the_field_of_view_cuts_the_front_is_left_out(real_data):
    """The body right of the aorta at the back of this scan; its slices and columns were read off the picture."""
    image = read_image(real_data / "thorax_ct" / "pulmonary" / "ct_cropped.nii.gz")
    upright, kept = (
        sitk.GetArrayFromImage(sitk.DICOMOrient(each, "LPS"))
        for each in (image, HeartRegionSegmenter().segment(Scan(image)))
    )
    vertebra = (slice(88, 108), slice(-14, None), slice(32, 50))
    dense = upright[vertebra] >= 200
    assert dense.sum() > 1000
    assert not (kept[vertebra].astype(bool) & dense).any()


@pytest.mark.slow
def test_the_heart_before_the_lungs_is_in_it_up_to_the_chest_wall(thorax):
    """In this patient it lies up to 40 mm before the line between the lungs; the point is in its right ventricle."""
    steps = HeartRegionSegmenter().steps(Scan(thorax))
    z, y, x = 45, 190, 320
    assert not sitk.GetArrayViewFromImage(steps["hull of the lungs"])[z, y, x]
    assert sitk.GetArrayViewFromImage(steps["islands off"])[z, y, x]


def test_a_mattress_is_no_lung(real_data):
    """It lies at the back of this scan, as dense as lung."""
    lungs = HeartRegionSegmenter().steps(Scan(read_image(real_data / "ibsi_ct/nifti/image/phantom.nii.gz")))
    hull = sitk.GetArrayFromImage(lungs["hull of the lungs"]).astype(bool)
    assert hull.any()
    assert not hull[:, -30:].any()


@pytest.mark.slow
def test_the_order_of_the_axes_does_not_matter(thorax, kept):
    turned = sitk.PermuteAxes(sitk.Flip(thorax, (True, False, True)), (1, 2, 0))
    roi = HeartRegionSegmenter().segment(Scan(turned))
    assert roi.GetSize() == turned.GetSize()
    back = sitk.GetArrayFromImage(sitk.DICOMOrient(roi, "LPS")).astype(bool)
    assert (back != kept).mean() < 1e-3


@pytest.mark.slow
def test_a_wider_margin_keeps_less(thorax, kept):
    assert region(thorax, wall_mm=8).sum() < kept.sum()
    assert region(thorax, bone_mm=8).sum() < kept.sum()


def test_an_abdomen_or_a_thigh_has_no_lungs(real_data):
    for scan in ("thorax_ct/example_ct_dicom", "sts_ct/STS_001/CT_image.nii.gz"):
        with pytest.raises(CaseError, match="no lungs in the field of view"):
            region(read_image(real_data / scan))


@pytest.mark.slow
def test_a_patient_upside_down_in_the_image_is_refused(thorax):
    flipped = sitk.GetImageFromArray(sitk.GetArrayFromImage(thorax)[:, ::-1])
    flipped.CopyInformation(thorax)
    with pytest.raises(CaseError, match="upside down"):
        region(flipped)


@pytest.mark.slow
def test_with_contrast_medium_a_patient_upside_down_is_refused_and_a_full_chamber_in_front_is_no_spine(
    real_data,
):
    image = sitk.DICOMOrient(read_image(real_data / "thorax_ct" / "aorta" / "ct_cropped.nii.gz"), "LPS")
    flipped = sitk.GetImageFromArray(sitk.GetArrayFromImage(image)[:, ::-1])
    flipped.SetSpacing(image.GetSpacing())
    with pytest.raises(CaseError, match="upside down"):
        region(flipped)
    narrow = {"zero": 94, "nonzero": 88, "protocol": "mixed", "contrast": "some", "assignment": "at_random"}
    phantoms = {case.case_id: case for case in PhantomCohort(**narrow, disease={"median_score": 30}).cases()}
    for name in ("phantom-5ae4d17f9f", "phantom-a85fded794", "phantom-abbd68e41d", "phantom-b9cd9f8f92"):
        scan = phantoms[name].source.load()  # no spine in its field of view
        coronary = sitk.GetArrayFromImage(scan.masks["coronary"]).astype(bool)
        assert region(scan.image)[coronary].mean() > 0.98


def test_a_scan_that_is_metal_everywhere_has_no_lungs(thorax):
    with pytest.raises(CaseError, match="no lungs"):
        region(thorax + 4000)


def test_others_search_within_it_by_name(thorax):
    part = thorax[:, :, 38:76]
    within = build("segmenter", {"use": "threshold", "within": "heart_region"})
    found = sitk.GetArrayFromImage(within.segment(Scan(part))).astype(bool)
    assert found.any()
    assert not (found & ~region(part)).any()
    assert (
        build("segmenter", {"use": "denseraunet", "within": "heart_region"}).within == HeartRegionSegmenter()
    )


def test_a_hull_is_inset_but_not_where_the_image_ends():
    mask = np.zeros((1, 40, 40), bool)
    mask[0, 10:31, 0:21] = True
    inner = hulls(mask, (3.0, 1.0, 1.0), 4)[0]
    rows, columns = np.flatnonzero(inner.any(axis=1)), np.flatnonzero(inner.any(axis=0))
    assert (rows[0], rows[-1]) == (14, 26)
    assert (columns[0], columns[-1]) == (0, 16)


def doubts(image):
    return {warning.kind: warning for warning in HeartRegionSegmenter().segment_noting(Scan(image))[1]}


def flipped_left_to_right(image):
    voxels = sitk.GetArrayFromImage(sitk.DICOMOrient(image, "LPS"))[:, :, ::-1]
    mirrored = sitk.GetImageFromArray(voxels)
    mirrored.SetSpacing(image.GetSpacing())
    return mirrored


@pytest.fixture(scope="module")
def phantoms():
    """Images of six patients, each as a heart and as a chest."""
    patients = {"zero": 2, "nonzero": 4, "seed": "heart_region"}
    cohorts = PhantomCohort(**patients), PhantomCohort(**patients, **VARIED)
    return [case.source.load().image for cohort in cohorts for case in cohort.cases()]


@pytest.mark.slow
def test_a_chest_in_order_is_not_doubted_and_phantoms_are_not(thorax, phantoms):
    assert doubts(thorax[:, :, 34:98]) == {}
    for image in phantoms:
        found = doubts(image)
        assert {warning.severity for warning in found.values()} <= {"info"}
        assert set(found) <= {"orientation"}


@pytest.mark.slow
def test_a_mirrored_patient_is_noticed_or_said_to_be_unchecked(thorax, phantoms):
    for part in (thorax, thorax[:, :, 34:98]):
        mirrored = doubts(flipped_left_to_right(part))
        assert set(mirrored) == {"mirrored"}
        assert mirrored["mirrored"].severity == "notable"
    told = [kind for image in phantoms for kind in doubts(flipped_left_to_right(image))]
    assert len(told) == 12
    assert set(told) == {"mirrored", "orientation"}


def heart_alone(image):
    """The part of a chest in order that gated scans show, without or with next to no spine."""
    return sitk.DICOMOrient(image, "LPS")[130:380, 80:250, 34:98]


def test_what_a_scan_without_spine_does_not_tell_is_said(thorax):
    said = doubts(heart_alone(thorax))
    assert set(said) == {"orientation"}
    assert str(said["orientation"]) == (
        "info: orientation: front and back, left and right could not be checked: no spine in view"
    )
    (less,) = doubts(sitk.DICOMOrient(thorax, "LPS")[130:380, 80:330, 34:98]).values()
    assert less.detail.startswith("left and right could not be checked: ")
    assert less.detail.endswith(" mL of the spine in view")


def test_a_sternum_where_the_spine_should_be_is_noticed(thorax):
    for part in (heart_alone(thorax), sitk.DICOMOrient(thorax, "LPS")[165:350, 95:280, 34:98]):
        turned = sitk.GetImageFromArray(sitk.GetArrayFromImage(part)[:, ::-1])
        turned.SetSpacing(part.GetSpacing())
        assert doubts(turned)["upside down"].severity == "notable"


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_missing_lung_is_severe(thorax, side):
    part = sitk.DICOMOrient(thorax[:, :, 38:76], "LPS")
    voxels = sitk.GetArrayFromImage(part)
    half = voxels[:, :, :256] if side == "right" else voxels[:, :, 256:]
    half[half < 0] = 30
    filled = sitk.GetImageFromArray(voxels)
    filled.CopyInformation(part)
    found = doubts(filled)
    assert found["one lung"].severity == "severe"
    assert "the heart region is the other's alone" in found["one lung"].detail


def test_contrast_medium_is_severe_for_what_counts_130_hu_within(real_data):
    image = read_image(real_data / "thorax_ct" / "aorta" / "ct_cropped.nii.gz")
    assert doubts(image)["contrast medium"].severity == "severe"
    threshold = build("segmenter", {"use": "threshold", "within": "heart_region"})
    _, warnings = threshold.segment_noting(Scan(image))
    assert [warning.kind for warning in warnings] == ["contrast medium"]
