"""Calcium scores against closed forms, an independent implementation, laws, and a scanned phantom."""

from collections import deque
from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmark.calcium.risk import cac_drs, risk_band
from benchmark.calcium.scoring import CalciumScoring, calcium_mask, score
from benchmark.errors import CaseError
from benchmark.images.reading import read_image

SPACING = (0.5, 0.5, 3.0)


def ct(voxels, spacing=SPACING, pixel=np.int16):
    image = sitk.GetImageFromArray(np.asarray(voxels, pixel))
    image.SetSpacing(spacing)
    return image


def background(shape=(6, 20, 20)):
    return np.full(shape, -50)


def labels_like(image, boxes):
    voxels = np.zeros(image.GetSize()[::-1], np.uint8)
    for label, box in boxes.items():
        voxels[box] = label
    mask = sitk.GetImageFromArray(voxels)
    mask.CopyInformation(image)
    return mask


# Closed forms


@pytest.mark.parametrize(
    ("hu", "weight"), [(130, 1), (199, 1), (200, 2), (299, 2), (300, 3), (399, 3), (400, 4), (1200, 4)]
)
def test_a_box_scores_area_times_weight_per_slice(hu, weight):
    voxels = background()
    voxels[1:4, 5:10, 5:9] = hu  # 20 pixels of 0.25 mm² in three slices
    total = score(ct(voxels)).total
    assert total.agatston == pytest.approx(3 * 5.0 * weight)
    assert total.volume_mm3 == pytest.approx(3 * 5.0 * 3.0)
    assert total.mass_mg == pytest.approx(45.0 * hu * 0.77 / 1000)
    assert total.max_hu == hu
    assert total.lesions == 1


def test_the_weight_is_that_of_each_slice_and_component():
    voxels = background()
    voxels[1, 5:10, 5:9] = 150
    voxels[1, 5, 5] = 450
    voxels[2, 5:10, 5:9] = 150
    voxels[2, 14:16, 14:16] = 250
    assert score(ct(voxels)).total.agatston == pytest.approx(5 * 4 + 5 * 1 + 1 * 2)


def test_the_agatston_score_is_scaled_to_3_mm_unless_told_otherwise():
    voxels = background()
    voxels[1, 5:10, 5:9] = 150
    image = ct(voxels, (0.5, 0.5, 1.5))
    assert score(image).total.agatston == pytest.approx(2.5)
    assert score(image, scoring=CalciumScoring(reference_increment_mm=None)).total.agatston == pytest.approx(
        5
    )
    given_increment = score(image, scoring=CalciumScoring(slice_increment_mm=3.0))
    assert given_increment.total.agatston == pytest.approx(5)
    assert given_increment.total.volume_mm3 == pytest.approx(15)


def test_the_increment_used_is_among_the_parameters():
    assert score(ct(background())).parameters.slice_increment_mm == 3.0


def test_a_component_of_exactly_the_minimum_area_counts_and_a_smaller_one_does_not():
    voxels = background()
    voxels[1, 5:7, 5:7] = 150  # 4 pixels of 0.25 mm²
    voxels[3, 5, 5:8] = 150  # 3 pixels
    spacing = tuple(float(np.float32(mm)) for mm in (0.1, 0.1, 3.0))  # 0.1 is not exact in 32 bits
    assert score(ct(voxels)).total.agatston == pytest.approx(1)
    fine = CalciumScoring(minimum_area_mm2=0.04)
    assert score(ct(voxels, spacing), scoring=fine).total.agatston == pytest.approx(0.04)


def test_pixels_joined_by_a_corner_are_one_component_with_8_neighbours_only():
    voxels = background()
    for step in range(4):
        voxels[1, 5 + step, 5 + step] = 150
    assert score(ct(voxels)).total.agatston == pytest.approx(1)
    assert score(ct(voxels), scoring=CalciumScoring(connectivity=4)).total.agatston == 0


def test_nothing_scores_zero_and_has_no_maximum():
    total = score(ct(background())).total
    assert (total.agatston, total.volume_mm3, total.mass_mg, total.lesions) == (0, 0, 0, 0)
    assert total.max_hu is None
    assert total.risk_band == "0"


def test_components_of_neighbouring_slices_are_one_lesion_and_separate_ones_are_two():
    voxels = background()
    voxels[1:3, 5:8, 5:8] = 200
    voxels[4, 5:8, 5:8] = 200
    assert score(ct(voxels)).total.lesions == 2


def test_slices_are_axial_whatever_the_order_of_the_axes():
    voxels = background()
    voxels[1:4, 5:10, 5:9] = 250
    axial = ct(voxels)
    sagittal = sitk.PermuteAxes(axial, [1, 2, 0])
    assert sagittal.GetSize() != axial.GetSize()
    assert score(sagittal) == score(axial)
    moved = calcium_mask(sagittal)
    assert (sitk.GetArrayFromImage(sitk.PermuteAxes(moved, [2, 0, 1])) == (voxels >= 130)).all()


def test_bounds_of_the_weights_must_ascend():
    with pytest.raises(ValueError, match="ascend"):
        CalciumScoring(weight_bounds_hu=(400, 300, 200))


# Regions


def test_every_label_is_a_region_and_the_total_is_their_sum():
    voxels = background()
    voxels[1, 5:10, 5:9] = 150
    voxels[3, 5:10, 12:16] = 350
    image = ct(voxels)
    mask = labels_like(image, {1: np.s_[0:3, 0:12, 0:10], 3: np.s_[2:6, 0:12, 10:18]})
    found = score(image, mask, names={1: "LAD", 2: "LCX", 3: "RCA"})
    assert [(region.label, region.name) for region in found.regions] == [(1, "LAD"), (2, "LCX"), (3, "RCA")]
    assert [region.agatston for region in found.regions] == pytest.approx([5, 0, 15])
    assert found.total.agatston == pytest.approx(20)
    assert found.note == ""


def test_a_component_over_two_labels_counts_whole_for_the_label_with_most_of_it():
    voxels = background()
    voxels[1, 5:10, 5:9] = 150
    voxels[1, 5, 5] = 500
    image = ct(voxels)
    mask = labels_like(image, {1: np.s_[:, :, 0:6], 2: np.s_[:, :, 6:20]})
    first, second = score(image, mask).regions
    assert (first.agatston, second.agatston) == (0, pytest.approx(20))
    tie = labels_like(image, {1: np.s_[:, :, 7:20], 2: np.s_[:, :, 0:7]})
    assert score(image, tie).regions[0].agatston == pytest.approx(20)


def test_a_lesion_over_two_regions_counts_in_both_and_once_in_the_total():
    voxels = background()
    voxels[1:3, 5:10, 5:9] = 150
    image = ct(voxels)
    found = score(image, labels_like(image, {1: np.s_[:2], 2: np.s_[2:]}))
    assert [region.lesions for region in found.regions] == [1, 1]
    assert found.total.lesions == 1


def test_without_a_mask_the_whole_image_is_the_region_and_a_note_warns_of_bone():
    found = score(ct(background()))
    assert [region.name for region in found.regions] == ["whole image"]
    assert "bone" in found.note


def test_the_json_has_regions_total_and_parameters():
    image = ct(background())
    found = score(image, labels_like(image, {1: np.s_[:]})).model_dump(mode="json")
    keys = ["label", "name", "agatston", "volume_mm3", "mass_mg", "lesions", "max_hu", "risk_band"]
    assert list(found) == ["regions", "total", "parameters"]
    assert list(found["regions"][0]) == keys
    assert list(found["total"]) == keys
    assert '"note"' in score(image).to_json()


def test_a_mask_on_another_grid_is_refused():
    with pytest.raises(CaseError, match="another grid"):
        score(ct(background()), ct(background((5, 20, 20)), pixel=np.uint8))


# Risk bands


@pytest.mark.parametrize(
    ("agatston", "band", "category"),
    [
        (0, "0", "A0"),
        (0.2, "1-10", "A1"),
        (10, "1-10", "A1"),
        (10.5, "11-100", "A1"),
        (99.9, "11-100", "A1"),
        (100, "11-100", "A2"),
        (299, "101-400", "A2"),
        (300, "101-400", "A3"),
        (400, "101-400", "A3"),
        (400.1, ">400", "A3"),
    ],
)
def test_risk_bands(agatston, band, category):
    assert risk_band(agatston) == band
    assert cac_drs(agatston) == category


@pytest.mark.parametrize("wrong", [-1, float("nan")])
def test_no_band_without_a_score(wrong):
    with pytest.raises(ValueError, match="0 or more"):
        risk_band(wrong)


# Laws, on small random volumes with plenty of ties at the thresholds

VOLUMES = arrays(np.int16, (3, 7, 7), elements=st.sampled_from([-50, 100, 129, 130, 180, 200, 300, 399, 400]))
LABELS = arrays(np.uint8, (3, 7, 7), elements=st.integers(0, 2))
SIZES = ("agatston", "volume_mm3", "mass_mg")


def sizes(region):
    return [getattr(region, name) for name in SIZES]


@settings(max_examples=100, deadline=None)
@given(VOLUMES, st.integers(100, 420), st.integers(0, 200))
def test_a_higher_threshold_never_scores_more(voxels, threshold, more):
    low = score(ct(voxels), scoring=CalciumScoring(threshold_hu=threshold)).total
    high = score(ct(voxels), scoring=CalciumScoring(threshold_hu=threshold + more)).total
    assert all(b <= a + 1e-9 for a, b in zip(sizes(low), sizes(high), strict=True))


@settings(max_examples=100, deadline=None)
@given(VOLUMES, LABELS)
def test_the_total_is_the_sum_of_the_labels_and_blind_to_how_they_divide_the_mask(voxels, labels):
    image = ct(voxels)
    divided, whole = ct(labels, pixel=np.uint8), ct(labels > 0, pixel=np.uint8)
    found = score(image, divided)
    summed = np.sum([sizes(region) for region in found.regions] or [[0, 0, 0]], axis=0)
    assert sizes(found.total) == pytest.approx(list(summed))
    assert found.total == score(image, whole).total


@settings(max_examples=100, deadline=None)
@given(VOLUMES, LABELS, st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_flips_change_nothing(voxels, labels, flips):
    axes = [axis for axis, flip in enumerate(flips) if flip]
    plain = score(ct(voxels), ct(labels > 0, pixel=np.uint8)).total
    flipped = score(ct(np.flip(voxels, axes)), ct(np.flip(labels > 0, axes), pixel=np.uint8)).total
    assert sizes(flipped) == pytest.approx(sizes(plain))
    assert flipped.lesions == plain.lesions


@settings(max_examples=100, deadline=None)
@given(VOLUMES, LABELS, st.sampled_from([4, 8]), st.sampled_from([0.0, 0.6, 1.0]))
def test_an_independent_implementation_agrees(voxels, labels, connectivity, minimum):
    scoring = CalciumScoring(connectivity=connectivity, minimum_area_mm2=minimum)
    found = score(ct(voxels), ct(labels, pixel=np.uint8), scoring).total
    agatston, volume, mass, lesions = by_flooding(voxels, labels > 0, connectivity, minimum)
    assert found.agatston == pytest.approx(agatston)
    assert found.volume_mm3 == pytest.approx(volume)
    assert found.mass_mg == pytest.approx(mass)
    assert found.lesions == lesions


@settings(max_examples=50, deadline=None)
@given(VOLUMES, LABELS)
def test_the_calcium_mask_holds_the_volume_that_was_scored(voxels, labels):
    image, mask = ct(voxels), ct(labels, pixel=np.uint8)
    counted = sitk.GetArrayFromImage(calcium_mask(image, mask)).sum()
    assert counted * 0.75 == pytest.approx(score(image, mask).total.volume_mm3)


def by_flooding(voxels, region, connectivity, minimum):
    """Score with plain loops: flood every component of every slice, then every lesion."""
    reach = 1 if connectivity == 4 else 3
    steps = [step for step in product((-1, 0, 1), repeat=3) if 0 < sum(map(abs, step)) <= reach]
    candidate = {tuple(map(int, place)) for place in np.argwhere((voxels >= 130) & region)}
    counted, agatston, hu_sum = set(), 0.0, 0.0
    for component in flood(candidate, [step for step in steps if step[0] == 0]):
        values = [int(voxels[place]) for place in component]
        if len(values) * 0.25 >= minimum:
            counted |= component
            agatston += len(values) * 0.25 * min(4, max(values) // 100)
            hu_sum += sum(values)
    return agatston, len(counted) * 0.75, hu_sum * 0.75 * 0.77 / 1000, len(flood(counted, steps))


def flood(places, steps):
    remaining, found = set(places), []
    while remaining:
        queue, component = deque([remaining.pop()]), set()
        while queue:
            place = queue.popleft()
            component.add(place)
            near = {tuple(a + b for a, b in zip(place, step, strict=True)) for step in steps} & remaining
            remaining -= near
            queue.extend(near)
        found.append(component)
    return found


# The scanned phantom


@pytest.mark.parametrize(
    ("centre", "agatston", "volume", "mass"),
    [((22, 221, 181), 402.94, 302.20, 94.77), ((23, 221, 206), 88.11, 82.16, 20.90)],
)
def test_the_inserts_of_the_qrm_phantom_score_as_published(real_data, centre, agatston, volume, mass):
    image = read_image(real_data / "qrm_phantom" / "dicom")
    z, y, x = centre
    mask = labels_like(image, {1: np.s_[z - 4 : z + 5, y - 12 : y + 13, x - 12 : x + 13]})
    total = score(image, mask, CalciumScoring(mass_calibration=0.7220)).total
    assert total.agatston == pytest.approx(agatston, rel=0.005)
    assert total.volume_mm3 == pytest.approx(volume, rel=0.005)
    assert total.mass_mg == pytest.approx(mass, rel=0.005)
    assert total.lesions == 1


def test_what_is_above_the_end_of_a_12_bit_scale_is_padding_or_metal_and_no_calcium():
    hu = np.full((4, 20, 20), 40, np.int16)
    hu[1:3, 4:8, 4:8] = 350
    expected = score(sitk.GetImageFromArray(hu)).total
    hu[:, 15:, 15:] = 32767
    assert score(sitk.GetImageFromArray(hu)).total == expected
    assert (
        score(sitk.GetImageFromArray(hu), scoring=CalciumScoring(ceiling_hu=1e5)).total.agatston
        > expected.agatston
    )
