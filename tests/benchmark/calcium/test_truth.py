"""Which voxels are the reference: what a score counts, joined to a lesion and near it."""

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.calcium.scoring import score
from benchmark.calcium.truth import ReferenceRule, reference_calcium
from benchmark.case import Scan
from benchmark.cohorts.phantom import PhantomCohort
from benchmark.errors import CaseError
from benchmark.phantom.source import REACH_MM


def scan_of(hu, lesions, spacing=(1.0, 1.0, 1.0)):
    image, mask = (
        sitk.GetImageFromArray(hu.astype(np.int16)),
        sitk.GetImageFromArray(lesions.astype(np.uint8)),
    )
    for each in (image, mask):
        each.SetSpacing(spacing)
    return Scan(image, {"lesions": mask})


def reference(scan, **rule):
    return sitk.GetArrayFromImage(reference_calcium(scan, ReferenceRule(**rule)))


def test_a_blurred_lesion_is_taken_as_far_as_it_reaches_and_with_its_label():
    hu, lesions = np.full((3, 9, 20), 40), np.zeros((3, 9, 20))
    hu[1, 4, 2:18] = 200
    lesions[1, 4, 9] = 3
    found = reference(scan_of(hu, lesions), reach_mm=3)
    assert np.flatnonzero(found[1, 4]).tolist() == list(range(6, 13))
    assert set(found[found > 0]) == {3}


def test_what_is_near_but_not_joined_is_no_part_of_it():
    hu, lesions = np.full((3, 9, 20), 40), np.zeros((3, 9, 20))
    hu[1, 4, 5:7] = hu[1, 4, 8:10] = 300
    lesions[1, 4, 5:7] = 1
    assert reference(scan_of(hu, lesions), reach_mm=3).sum() == 2


def test_a_mask_drawn_on_the_scan_is_taken_as_it_is_drawn_and_a_phantom_s_as_far_as_it_shows():
    hu, lesions = np.full((3, 9, 20), 40), np.zeros((3, 9, 20))
    hu[1, 4, 2:18] = 200
    lesions[1, 4, 8:11] = 3
    drawn = scan_of(hu, lesions)
    assert np.flatnonzero(reference(drawn)[1, 4]).tolist() == [8, 9, 10]
    true_outline = Scan(drawn.image, drawn.masks, reach_mm=REACH_MM)
    assert np.flatnonzero(reference(true_outline)[1, 4]).tolist() == list(range(5, 14))
    assert (reference(true_outline, reach_mm=0) == reference(drawn)).all(), "what is declared counts"


def test_with_no_reach_it_is_the_candidates_inside_the_mask():
    rng = np.random.default_rng(0)
    hu, lesions = rng.integers(0, 400, (4, 12, 12)), rng.integers(0, 2, (4, 12, 12))
    found = reference(scan_of(hu, lesions), reach_mm=0, scoring={"minimum_area_mm2": 0})
    assert (found > 0).tolist() == ((hu >= 130) & (lesions > 0)).tolist()


def test_a_lesion_that_no_score_counts_is_not_in_it():
    hu, lesions = np.full((3, 9, 9), 40), np.zeros((3, 9, 9))
    lesions[1, 4, 4] = 1
    hu[1, 4, 4] = 129
    assert not reference(scan_of(hu, lesions)).any()
    hu[1, 4, 4] = 500
    assert reference(scan_of(hu, lesions)).sum() == 1
    assert not reference(scan_of(hu, lesions, (0.5, 0.5, 3.0))).any(), "a pixel of 0.25 mm² is a speck"


def test_a_phantom_s_reference_scores_more_than_its_outlines_and_not_its_stents():
    cohort = PhantomCohort(
        zero=1, nonzero=1, seed="reference", disease={"median_score": 300, "sigma_ln": 0.1}
    )
    for case in cohort.cases():
        scan = case.source.load()
        of_rule = score(scan.image, reference_calcium(scan, ReferenceRule())).total.agatston
        of_outline = score(scan.image, scan.masks["lesions"]).total.agatston
        if case.label:
            assert of_rule > of_outline > 0
        else:
            assert of_rule == of_outline == 0


def test_what_is_joined_to_a_lesion_in_an_enhanced_phantom_is_blood():
    (plain,), (enhanced,) = (
        PhantomCohort(zero=0, nonzero=1, contrast=turn, disease={"median_score": 300}).cases()
        for turn in ("off", "on")
    )
    assert (plain.source.load().reach_mm, enhanced.source.load().reach_mm) == (REACH_MM, 0)
    scan = enhanced.source.load()
    outline = sitk.GetArrayFromImage(scan.masks["lesions"]) > 0
    found, reaching = reference(scan) > 0, reference(scan, reach_mm=REACH_MM) > 0
    assert found.any()
    assert not found[~outline].any()
    assert reaching[~outline].sum() > found.sum() / 2, "the blood around it"


def test_a_mask_that_is_missing_or_elsewhere_is_refused():
    scan = scan_of(np.zeros((3, 4, 4)), np.zeros((3, 4, 4)))
    with pytest.raises(CaseError, match="has no mask called 'vessels'"):
        reference_calcium(scan, ReferenceRule(mask="vessels"))
    scan.masks["lesions"].SetSpacing((1, 1, 2))
    with pytest.raises(CaseError, match="the mask 'lesions' is on another grid"):
        reference_calcium(scan, ReferenceRule())
