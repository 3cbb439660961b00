"""What is drawn, over 2,000 parameter sets: against the published figures, within sampling error."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.calcium.scoring import CalciumScoring, score
from benchmark.execution.seeds import derive_seed
from benchmark.phantom.body.patient import Patient, draw_patient
from benchmark.phantom.geometry.grid import Ellipsoid
from benchmark.phantom.heart.anatomy import Anatomy
from benchmark.phantom.heart.plaque import SCORE_LIMIT, Disease, DiseaseModel, Lesion, calcium_hu

DRAWS = 2000


@pytest.fixture(scope="module")
def diseases():
    return [DiseaseModel().draw(derive_seed("population", k)) for k in range(DRAWS)]


@pytest.fixture(scope="module")
def patients():
    return [draw_patient(derive_seed("population", k, "patient")) for k in range(DRAWS)]


def within_sampling_error(share: float, expected: float, count: int) -> bool:
    """Say whether a share of `count` draws lies within three standard errors."""
    return abs(share - expected) <= 3 * np.sqrt(expected * (1 - expected) / count)


def test_quartiles_of_positive_scores_are_those_of_the_cited_distribution(diseases):
    scores = np.array([disease.agatston for disease in diseases])
    assert scores.min() > 0
    for quantile, z in ((0.25, -0.6745), (0.5, 0.0), (0.75, 0.6745)):
        below = float((scores <= 50 * np.exp(1.85 * z)).mean())
        assert within_sampling_error(below, quantile, DRAWS)
    assert 40 <= np.median(scores) <= 60
    spread = (np.log(np.percentile(scores, 75)) - np.log(np.percentile(scores, 25))) / 1.349
    assert 1.7 <= spread <= 2.0
    assert scores.max() <= SCORE_LIMIT * (1 + 1e-6)


@pytest.mark.parametrize(("vessel", "share"), [(2, 0.44), (4, 0.12), (3, 0.10), (1, 0.06)])
def test_one_vessel_is_diseased_in_mesas_proportions(diseases, vessel, share):
    alone = [{lesion.vessel for lesion in disease.lesions} == {vessel} for disease in diseases]
    assert within_sampling_error(float(np.mean(alone)), share, DRAWS)


def test_several_vessels_are_diseased_in_28_percent(diseases):
    several = [len({lesion.vessel for lesion in disease.lesions}) > 1 for disease in diseases]
    assert within_sampling_error(float(np.mean(several)), 0.28, DRAWS)


def test_there_are_1_to_23_lesions_most_of_them_in_the_lad(diseases):
    counts = [len(disease.lesions) for disease in diseases]
    assert min(counts) == 1
    assert max(counts) == 23
    per_vessel = Counter(lesion.vessel for disease in diseases for lesion in disease.lesions)
    assert per_vessel.most_common(1)[0][0] == 2


def test_no_lesion_lies_over_another(diseases):
    for disease in diseases:
        for vessel in {lesion.vessel for lesion in disease.lesions}:
            spans = sorted(
                (lesion.position_mm - lesion.semi_axes_mm[0], lesion.position_mm + lesion.semi_axes_mm[0])
                for lesion in disease.lesions
                if lesion.vessel == vessel
            )
            assert all(a[1] <= b[0] + 0.01 for a, b in pairwise(spans))


def test_calibres_follow_dodge(patients):
    """Circulation 1992;86:232: mm, men; women 9 % less."""
    men = [p for p in patients if p.sex == "male" and p.dominance == "right"]
    women = [p for p in patients if p.sex == "female" and p.dominance == "right"]
    for name, mean in {"lm": 4.5, "lad": 3.7, "lad_distal": 1.9, "lcx": 3.4, "rca": 3.9}.items():
        assert np.mean([getattr(p.calibre, name) for p in men]) == pytest.approx(mean, abs=0.06)
        ratio = np.mean([getattr(p.calibre, name) for p in women]) / np.mean(
            [getattr(p.calibre, name) for p in men]
        )
        assert ratio == pytest.approx(0.91, abs=0.02)
    left = [p for p in patients if p.dominance == "left" and p.sex == "male"]
    assert np.mean([p.calibre.rca for p in left]) == pytest.approx(2.8, abs=0.2)
    assert np.mean([p.calibre.lcx for p in left]) == pytest.approx(4.2, abs=0.2)


def test_arteries_are_as_long_as_published(patients):
    """LM 10, LAD 100–130, LCx 60–80, RCA 100–130 mm (right dominant), on average."""
    trees = [Anatomy.of(p) for p in patients[:150] if p.dominance == "right"]
    for label, (low, high) in {1: (8, 15), 2: (100, 130), 3: (60, 80), 4: (100, 130)}.items():
        assert low <= np.mean([tree.vessel(label).length_mm for tree in trees]) <= high


def test_confounders_are_as_frequent_as_stated(patients):
    assert within_sampling_error(float(np.mean([bool(p.stents) for p in patients])), 0.06, DRAWS)
    aortic = [any("aorta" in d.site for d in p.deposits) for p in patients]
    assert within_sampling_error(float(np.mean(aortic)), 0.40, DRAWS)


def test_stents_are_as_frequent_as_asked_for_and_change_nothing_else_about_the_body():
    seeds = [derive_seed("population", k, "patient") for k in range(400)]
    usual, many = ([draw_patient(seed, share) for seed in seeds] for share in (0.06, 0.35))
    assert within_sampling_error(float(np.mean([bool(p.stents) for p in many])), 0.35, len(seeds))
    other = {"stents", "deposits"}
    assert all(
        a.model_dump(exclude=other) == b.model_dump(exclude=other) for a, b in zip(usual, many, strict=True)
    )
    assert not any(p.stents for p in (draw_patient(seed, 0.0) for seed in seeds))


@pytest.mark.parametrize("density", [180.0, 300.0, 450.0])
@pytest.mark.parametrize("semi_axes", [(3.0, 1.6, 1.1), (1.4, 1.0, 0.8)])
def test_the_true_score_is_that_of_a_scan_of_infinite_resolution(density, semi_axes):
    """Score a lesion sampled at 0.1 mm, noise-free and sharp, with the harness's own scoring."""
    turned = ((0.6, 0.8, 0.0), (-0.8, 0.6, 0.0), (0.0, 0.0, 1.0))
    lesion = Lesion(vessel=2, position_mm=20, angle_deg=0, semi_axes_mm=semi_axes, density_mg_cm3=density)
    axis = (np.arange(-40, 41) * 0.1).astype(np.float32)
    inside = Ellipsoid((0.0, 0.0, 0.0), semi_axes, turned).form(axis, axis, axis) <= 1
    image = sitk.GetImageFromArray(np.where(inside, calcium_hu(density), 0.0).astype(np.float32))
    image.SetSpacing((0.1, 0.1, 0.1))
    found = score(image, scoring=CalciumScoring(minimum_area_mm2=0)).total
    assert lesion.agatston == pytest.approx(found.agatston, rel=0.02)
    assert lesion.volume_mm3 == pytest.approx(found.volume_mm3, rel=0.02)
    assert lesion.mass_mg == pytest.approx(lesion.volume_mm3 * density / 1000)


def test_truth_per_vessel_adds_up(diseases):
    for disease in diseases[:200]:
        truth = disease.truth()
        for name, total in truth.pop("total").items():
            assert sum(part[name] for part in truth.values()) == pytest.approx(total)
        assert sum(part["agatston"] for part in truth.values()) == pytest.approx(disease.agatston)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), vessels=st.integers(1, 4), median=st.floats(0.5, 400))
def test_exactly_the_asked_number_of_vessels_is_diseased(seed, vessels, median):
    disease = DiseaseModel(diseased_vessels=vessels, median_score=median).draw(seed)
    assert len({lesion.vessel for lesion in disease.lesions}) == vessels
    assert disease.agatston > 0


def test_no_disease_is_a_score_of_zero():
    assert Disease().agatston == 0


@pytest.mark.parametrize(
    ("model", "parameters", "message"),
    [
        (DiseaseModel, {"diseased_vessels": 5}, r"diseased_vessels[\s\S]*less than or equal to 4"),
        (DiseaseModel, {"median_score": 0}, r"median_score[\s\S]*greater than 0"),
        (DiseaseModel, {"sigma_ln": -0.1}, r"sigma_ln[\s\S]*greater than or equal to 0"),
        (Patient, {"heart_scale": 3}, r"heart_scale[\s\S]*less than or equal to 1.3"),
        (Patient, {"lung_hu": 0}, r"lung_hu[\s\S]*less than or equal to -600"),
        (Patient, {"limbs": 4}, r"limbs[\s\S]*not permitted"),
    ],
)
def test_impossible_parameters_are_refused_with_their_range(model, parameters, message):
    with pytest.raises(ValueError, match=message):
        model(**parameters)
