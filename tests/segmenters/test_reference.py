"""The reference segmenter: labels, exact dilation and erosion in mm, distal truncation."""

from itertools import pairwise, product

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.case import Scan
from benchmark.errors import CaseError
from segmenters.reference import ReferenceSegmenter
from segmenters.vessel_tree import truncate_distally

SPACING = (0.5, 0.7, 2.0)


def scan_of(labels, spacing=SPACING, name="coronary"):
    mask = sitk.GetImageFromArray(np.asarray(labels, np.uint8))
    mask.SetSpacing(spacing)
    mask.SetOrigin((-70.3, 12.9, 33.3))
    image = sitk.Cast(mask, sitk.sitkInt16)
    return Scan(image, {name: mask})


def segmented(scan, **parameters):
    roi = ReferenceSegmenter(**parameters).segment(scan)
    assert roi.GetOrigin() == scan.image.GetOrigin()
    assert roi.GetSpacing() == scan.image.GetSpacing()
    return sitk.GetArrayFromImage(roi)


def two_boxes():
    labels = np.zeros((12, 24, 24), np.uint8)
    labels[3:7, 5:12, 5:12] = 1
    labels[6:10, 14:20, 14:20] = 2
    return labels


# As it is


def test_the_mask_comes_back_as_it_is():
    labels = two_boxes()
    assert (segmented(scan_of(labels)) == labels).all()


def test_labels_and_masks_can_be_chosen():
    labels = two_boxes()
    assert (segmented(scan_of(labels), labels=(2,)) == np.where(labels == 2, 2, 0)).all()
    assert (segmented(scan_of(labels, name="heart"), mask="heart") == labels).all()


def test_what_is_missing_or_empty_is_refused():
    scan = scan_of(two_boxes(), name="heart")
    with pytest.raises(CaseError, match="no mask called 'coronary'; it has: heart"):
        ReferenceSegmenter().segment(scan)
    with pytest.raises(CaseError, match="empty for label 3"):
        ReferenceSegmenter(mask="heart", labels=(3,)).segment(scan)
    with pytest.raises(CaseError, match="'coronary' is empty"):
        ReferenceSegmenter().segment(scan_of(two_boxes() * 0))
    with pytest.raises(CaseError, match=r"nothing is left .* 9 mm of erosion"):
        ReferenceSegmenter(mask="heart", erosion_mm=9).segment(scan)
    with pytest.raises(CaseError, match=r"nothing is left .* 90 mm of distal truncation"):
        ReferenceSegmenter(mask="heart", distal_truncation_mm=90).segment(scan)


@pytest.mark.parametrize("change", [{}, {"dilation_mm": 2.0}, {"erosion_mm": 1.0}])
def test_a_scan_without_lesions_has_an_empty_region_where_that_is_allowed(change):
    scan = scan_of(np.zeros((5, 8, 8)), name="lesions")
    assert not segmented(scan, mask="lesions", may_be_empty=True, **change).any()
    with pytest.raises(CaseError, match="'lesions' is empty"):
        ReferenceSegmenter(mask="lesions", **change).segment(scan)
    scan = scan_of(two_boxes(), name="lesions")
    with pytest.raises(CaseError, match="nothing is left"):
        ReferenceSegmenter(mask="lesions", may_be_empty=True, erosion_mm=9).segment(scan)


# Dilation and erosion, against the definition voxel by voxel

POINTS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 8), st.integers(0, 9)), min_size=1, max_size=6)
STEPS = np.array(list(product(range(-7, 8), range(-8, 9), range(-9, 10))))
LENGTHS = np.sqrt((STEPS * SPACING[::-1]) ** 2 @ np.ones(3))


def near(mask, millimetres):
    """Return the voxels at most so far from a voxel of the mask, by shifting it to every place within reach."""
    padded = np.pad(mask, [(n, n) for n in mask.shape])
    grown = np.zeros_like(mask)
    for step in STEPS[millimetres + 1e-9 >= LENGTHS]:
        begin = np.array(mask.shape) + step
        grown |= padded[tuple(slice(a, a + n) for a, n in zip(begin, mask.shape, strict=True))]
    return grown


@settings(max_examples=30, deadline=None)
@given(POINTS, st.sampled_from([0.4, 0.5, 1.0, 1.3, 2.0, 2.9]))
def test_dilation_is_euclidean_in_mm(points, millimetres):
    mask = np.zeros((8, 9, 10), bool)
    mask[tuple(np.transpose(points))] = True
    found = segmented(scan_of(mask), dilation_mm=millimetres)
    assert ((found > 0) == near(mask, millimetres)).all()


@settings(max_examples=30, deadline=None)
@given(POINTS, st.sampled_from([0.4, 0.5, 1.0, 1.3, 2.0]))
def test_erosion_is_dilation_of_the_background(points, millimetres):
    mask = np.ones((8, 9, 10), bool)
    mask[tuple(np.transpose(points))] = False
    expected = mask & ~near(~mask, millimetres)
    if expected.any():
        assert ((segmented(scan_of(mask), erosion_mm=millimetres) > 0) == expected).all()


def test_dilation_gives_the_nearest_label_and_leaves_the_others():
    grown = segmented(scan_of(two_boxes()), dilation_mm=1.0)
    assert (grown[two_boxes() > 0] == two_boxes()[two_boxes() > 0]).all()
    assert grown[4, 4, 8] == 1
    assert grown[8, 13, 16] == 2


def test_erosion_comes_before_dilation():
    both = segmented(scan_of(two_boxes()), erosion_mm=0.6, dilation_mm=0.6)
    eroded = segmented(scan_of(two_boxes()), erosion_mm=0.6)
    assert (both == segmented(scan_of(eroded), dilation_mm=0.6)).all()


# Distal truncation


def tubes(shape, spacing, *parts):
    """Draw tubes from a to b with a radius, all in mm (z, y, x)."""
    grid = np.stack(
        np.meshgrid(*(np.arange(n) * mm for n, mm in zip(shape, spacing, strict=True)), indexing="ij"), -1
    )
    drawn = np.zeros(shape, bool)
    for a, b, radius in parts:
        a, b = np.array(a, float), np.array(b, float)
        along = np.clip(((grid - a) @ (b - a)) / ((b - a) @ (b - a)), 0, 1)[..., None]
        drawn |= (((grid - a - along * (b - a)) ** 2).sum(-1)) <= radius**2
    return drawn


OSTIUM, FORK, LONG, SHORT = (6, 30, 30), (30, 30, 30), (62, 12, 30), (50, 50, 30)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 0.8, 0.8), (0.7, 0.7, 0.7)])
@pytest.mark.parametrize("length", [6.0, 12.0])
def test_every_branch_loses_its_far_end_and_the_trunk_nothing(spacing, length):
    shape = tuple(int(extent / mm) for extent, mm in zip((70, 60, 60), spacing, strict=True))
    tree = tubes(shape, spacing, (OSTIUM, FORK, 3.5), (FORK, LONG, 2.2), (FORK, SHORT, 2.0))
    kept = truncate_distally(tree, spacing, length)
    assert not (kept & ~tree).any()
    lost, left = np.argwhere(tree & ~kept) * spacing, np.argwhere(kept) * spacing
    for tip, radius in ((LONG, 2.2), (SHORT, 2.0)):
        gap = (
            np.linalg.norm(left - tip, axis=1).min() + radius
        )  # a tube ends its radius beyond its last point
        assert gap == pytest.approx(length, abs=2.5)
    from_tips = np.minimum(*(np.linalg.norm(lost - tip, axis=1) for tip in (LONG, SHORT)))
    assert from_tips.max() < length + 2.5


def test_a_longer_truncation_takes_more():
    tree = tubes((70, 60, 60), (1, 1, 1), (OSTIUM, FORK, 3.5), (FORK, LONG, 2.2), (FORK, SHORT, 2.0))
    kept = [truncate_distally(tree, (1.0, 1.0, 1.0), length) for length in (0, 5, 10, 20, 40)]
    assert (kept[0] == tree).all()
    for less, more in pairwise(kept):
        assert not (more & ~less).any()
        assert more.sum() < less.sum()


def test_separate_vessels_are_shortened_each_from_its_own_thick_end():
    left = tubes((60, 40, 40), (1, 1, 1), ((5, 8, 8), (20, 8, 8), 3.0), ((20, 8, 8), (52, 8, 8), 1.8))
    right = tubes(
        (60, 40, 40), (1, 1, 1), ((40, 30, 30), (54, 30, 30), 3.0), ((8, 30, 30), (40, 30, 30), 1.8)
    )
    kept = truncate_distally(left | right, (1.0, 1.0, 1.0), 10.0)
    for vessel, thick, thin in ((left, (2, 8, 8), (50, 8, 8)), (right, (56, 30, 30), (10, 30, 30))):
        assert vessel[thick]
        assert kept[thick]
        assert vessel[thin]
        assert not kept[thin]


def test_a_piece_shorter_than_the_truncation_vanishes():
    pieces = tubes((60, 40, 40), (1, 1, 1), ((5, 8, 8), (50, 8, 8), 2.0), ((10, 30, 30), (14, 30, 30), 2.0))
    kept = truncate_distally(pieces, (1.0, 1.0, 1.0), 15.0)
    assert kept[:, :20].any()
    assert not kept[:, 20:].any()


def test_the_segmenter_truncates_on_the_scan_s_grid():
    tree = tubes((35, 70, 80), (2, 0.8, 0.7), ((10, 20, 20), (60, 40, 40), 3.0))
    found = segmented(scan_of(tree * 3, (0.7, 0.8, 2.0)), distal_truncation_mm=10)
    kept = truncate_distally(tree, (2, 0.8, 0.7), 10)
    assert set(np.unique(found)) == {0, 3}
    assert ((found > 0) == kept).all()
