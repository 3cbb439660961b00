"""The second look: what is said of a lesion, that it tells tubes from lumps, and that it travels with the weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.seeds import derive_seed
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from segmenters.denseraunet.lesion_check import LesionCheck, lesion_check_of
from segmenters.denseraunet.lesion_features import COURSE, FEATURES, SURROUNDINGS, describe, noise_hu
from segmenters.denseraunet.lesions import label_lesions
from segmenters.denseraunet.network import build_network
from segmenters.denseraunet.plan import Input
from segmenters.denseraunet.segmenter import DenseRAUnetSegmenter
from segmenters.denseraunet.training.lesions import fit_lesion_check, learn_lesion_check
from segmenters.denseraunet.training.study import LesionCheckPlan, TrainingPlan
from segmenters.denseraunet.weights_file import WeightsFile
from tests.segmenters.denseraunet.training.test_loop import TINY, SpotCohort, SpotSource, plan

SPACING = (0.75, 0.75, 3.0)


def image_of(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING)
    return image


def features_of(hu: np.ndarray, probability: np.ndarray | None = None) -> list[dict[str, float]]:
    """Return what is said of the lesions that the voxels from 130 HU on make."""
    likely = np.where(hu >= 130, 0.9, 0.0) if probability is None else probability
    labels = label_lesions(image_of((hu >= 130).astype(np.uint8)))
    rows = describe(image_of(hu.astype(np.int16)), image_of(likely.astype(np.float32)), labels)
    return [dict(zip(FEATURES, row, strict=True)) for row in rows]


def box(size: tuple[int, int, int], hu: int = 300) -> np.ndarray:
    volume = np.full((20, 40, 40), -50)
    volume[tuple(slice(4, 4 + n) for n in size)] = hu
    return volume


@settings(max_examples=40, deadline=None)
@given(size=st.tuples(st.integers(1, 10), st.integers(1, 30), st.integers(1, 30)))
def test_a_box_has_the_axes_and_the_volume_of_a_box(size):
    (found,) = features_of(box(size))
    sides = np.array(size) * SPACING[::-1]
    axes = np.exp([found[f"log {which} axis (mm)"] for which in ("longest", "middle", "shortest")])
    np.testing.assert_allclose(axes, np.sort(sides)[::-1] / np.sqrt(12), rtol=1e-6)
    assert np.exp(found["log volume (mm³)"]) == pytest.approx(sides.prod())
    assert np.exp(found["log mean HU"]) == pytest.approx(300)
    assert np.isfinite(list(found.values())).all()


def test_the_probabilities_are_those_of_the_lesion_alone():
    hu, probability = box((1, 2, 2)), np.full((20, 40, 40), 0.99)
    probability[4, 4:6, 4:6] = [[0.2, 0.4], [0.6, 0.8]]
    (found,) = features_of(hu, probability)
    assert found["mean probability"] == pytest.approx(0.5)
    assert found["maximum probability"] == pytest.approx(0.8)


def test_lesions_are_joined_across_corners_and_told_apart_across_a_gap():
    volume = np.full((6, 20, 20), -50)
    for z, y, x in ((1, 5, 5), (2, 6, 6), (2, 6, 8)):
        volume[z, y, x] = 200
    assert [round(np.exp(found["log volume (mm³)"]) / np.prod(SPACING)) for found in features_of(volume)] == [
        2,
        1,
    ]


def test_a_tube_is_as_full_at_its_ends_as_in_its_middle_and_a_lump_is_not():
    tube, lump = box((2, 4, 24)), np.full((20, 40, 40), -50)
    z, y, x = np.indices(lump.shape)
    lump[((z - 9) / 1.5) ** 2 + ((y - 20) / 3) ** 2 + ((x - 20) / 12) ** 2 <= 1] = 300
    (of_tube,), (of_lump,) = features_of(tube), features_of(lump)
    kurtosis = "kurtosis of mass along the axis"
    assert of_tube[kurtosis] == pytest.approx(9 / 5, rel=0.01)  # of a uniform distribution
    assert of_lump[kurtosis] > 2
    assert of_tube["log width at half of it (mm)"] == pytest.approx(np.log(24 * 0.75), abs=0.15)
    assert of_tube["variation of mass within the width"] < of_lump["variation of mass within the width"]


@settings(max_examples=20, deadline=None)
@given(sigma=st.floats(0.2, 1.2), hu=st.integers(400, 1500))
def test_blur_moves_mass_and_loses_none(sigma, hu):
    sharp = box((1, 12, 4), hu).astype(float)
    sharp = np.roll(sharp, 12, axis=(1, 2))
    blurred = ndimage.gaussian_filter(sharp, (0, sigma, sigma))
    for volume in (sharp, blurred):
        (found,) = features_of(volume)
        mass = 48 * np.prod(SPACING) * (hu + 50)
        assert np.exp(found["log mass (HU mm³)"]) == pytest.approx(mass, rel=0.03)


def test_the_edge_of_a_rib_is_a_small_share_of_its_candidate():
    rib = box((4, 10, 30), 500)
    likely = np.zeros(rib.shape, np.float32)
    likely[5, 4:6, 4:10] = 0.9
    (row,) = describe(
        image_of(rib.astype(np.int16)),
        image_of(likely),
        label_lesions(image_of((likely > 0).astype(np.uint8))),
    )
    found = dict(zip(FEATURES, row, strict=True))
    assert np.exp(found["log share of the candidate it is of"]) == pytest.approx(12 / 1200)
    assert found["share of candidates around it"] > 0.4
    (whole,) = features_of(rib)
    assert whole["log share of the candidate it is of"] == 0
    assert whole["share of candidates around it"] == 0


def test_thin_and_thick_slices_say_the_same_of_what_lies_in_the_plane():
    rng = np.random.default_rng(0)
    hu = rng.normal(40, 30, (9, 40, 40)).clip(None, 120)
    hu[4, 18:21, 10:30] = 400
    rows = []
    for thickness in (1.0, 5.0):
        images = [image_of(hu.astype(np.int16)), image_of((hu >= 130).astype(np.float32))]
        images.append(label_lesions(image_of((hu >= 130).astype(np.uint8))))
        for image in images:
            image.SetSpacing((0.75, 0.75, thickness))
        (row,) = describe(*images)
        rows.append(dict(zip(FEATURES, row, strict=True)))
    for name in (*COURSE[2:], *SURROUNDINGS):
        assert rows[0][name] == pytest.approx(rows[1][name]), name


@pytest.mark.parametrize("deviation", [10, 25, 40])
def test_the_noise_is_the_deviation_of_soft_tissue(deviation):
    tissue = np.random.default_rng(0).normal(50, deviation, (20, 60, 60))
    tissue[:, :20] -= 900
    assert noise_hu(tissue) == pytest.approx(deviation, rel=0.1)
    assert noise_hu(np.full((1, 9, 9), 40.0)) == 1


def test_who_has_company_is_told_how_much_and_how_near():
    volume = box((1, 2, 2))
    volume[4, 14:16, 4:6] = volume[10, 30:34, 30:34] = 300
    first, second, third = features_of(volume)
    voxel = np.prod(SPACING)
    assert np.exp(first["log volume of the others (mm³)"]) - 1 == pytest.approx(20 * voxel)
    assert np.exp(third["log volume of the others (mm³)"]) - 1 == pytest.approx(8 * voxel)
    for found in (first, second):
        assert np.exp(found["log distance to the nearest (mm)"]) == pytest.approx(7.5)
    (alone,) = features_of(box((1, 2, 2)))
    assert np.exp(alone["log distance to the nearest (mm)"]) == pytest.approx(100)
    assert alone["log number of lesions"] == alone["log volume of the others (mm³)"] == 0


@pytest.mark.parametrize("orientation", ["RAI", "ASL", "SLP"])
def test_a_scan_stored_in_another_orientation_says_the_same(orientation):
    rng = np.random.default_rng(0)
    hu = np.full((8, 20, 20), -50)
    hu[2:6, 4:12, 6:10] = rng.integers(130, 700, (4, 8, 4))
    likely = rng.random(hu.shape).astype(np.float32)
    images = [image_of(hu.astype(np.int16)), image_of(likely), image_of((hu >= 130).astype(np.uint8))]
    turned = [sitk.DICOMOrient(image, orientation) for image in images]
    rows = [describe(image, p, label_lesions(called)) for image, p, called in (images, turned)]
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-5)


def lesions(count: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Return features, and which are calcium: by the first feature, with some noise."""
    rng = np.random.default_rng(1)
    features = rng.normal(3, 2, (count, len(FEATURES)))
    return features, features[:, 0] + rng.normal(0, 0.3, count) > 3


PLAN = LesionCheckPlan(cohort=SpotCohort(), members=3, width=4, weight_decay=0.1)


def test_the_probability_is_the_mean_of_scikit_learns_perceptrons():
    features, calcium = lesions()
    scaler = StandardScaler().fit(features)
    own = []
    for k in range(3):
        member = MLPClassifier(
            (4,),
            alpha=0.1,
            solver="lbfgs",
            max_iter=2000,
            random_state=derive_seed(0, "lesion check", k) % 2**32,
        )
        own.append(
            member.fit(scaler.transform(features), calcium).predict_proba(scaler.transform(features))[:, 1]
        )
    check = fit_lesion_check(features, calcium, np.ones(len(calcium)), PLAN, 0)
    np.testing.assert_allclose(check.calcium_probability(features), np.mean(own, axis=0), atol=1e-12)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_lesions_that_look_alike_are_calcium_as_often_as_their_weights_say(share):
    features = np.tile(np.random.default_rng(2).normal(size=(20, len(FEATURES))), (2, 1))
    calcium = np.repeat([True, False], 20)
    plan = PLAN.model_copy(update={"weight_decay": 5.0})
    check = fit_lesion_check(features, calcium, np.where(calcium, share, 1 - share), plan, 0)
    np.testing.assert_allclose(check.calcium_probability(features), share, atol=0.02)


def test_it_travels_as_tensors_and_comes_back_the_same():
    features, calcium = lesions()
    check = fit_lesion_check(features, calcium, np.ones(len(calcium)), PLAN, 0)
    again = lesion_check_of(check.tensors(), check.keep)
    np.testing.assert_array_equal(again.calcium_probability(features), check.calcium_probability(features))


def test_tensors_that_do_not_fit_are_refused():
    check = fit_lesion_check(*lesions(), np.ones(80), PLAN, 0)
    tensors = check.tensors()
    with pytest.raises(ValueError, match="lacks hidden_bias"):
        lesion_check_of({name: t for name, t in tensors.items() if not name.endswith("hidden_bias")}, 0.2)
    with pytest.raises(ValueError, match=r"mean has the shape \(3,\), which does not fit"):
        lesion_check_of({**tensors, "lesion_check.mean": tensors["lesion_check.mean"][:3]}, 0.2)


def below_500_hu() -> LesionCheck:
    """Return a check that calls calcium whatever has no voxel of 500 HU or more."""
    count, place = len(FEATURES), FEATURES.index("log maximum HU")
    return LesionCheck(
        0.5,
        {
            "mean": np.zeros(count),
            "scale": np.ones(count),
            "hidden": -np.eye(count)[None, :, [place]],
            "hidden_bias": np.log([[500.0]]),
            "output": np.array([[100.0]]),
            "output_bias": np.array([-5.0]),
        },
    )


def test_sifting_drops_whole_lesions_and_changes_no_other_voxel():
    hu = np.full((10, 30, 30), -50, np.int16)
    hu[2, 4:8, 4:8], hu[6, 20:24, 20:24], hu[7, 20, 20] = 200, 300, 900
    called, likely = image_of((hu >= 130).astype(np.uint8)), image_of(np.full(hu.shape, 0.5, np.float32))
    kept = below_500_hu().drop_unlikely(image_of(hu), likely, called)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(kept), hu == 200)
    assert kept.GetSpacing() == called.GetSpacing()


def test_a_scan_without_lesions_stays_without():
    nothing = image_of(np.zeros((4, 9, 9), np.uint8))
    kept = below_500_hu().drop_unlikely(
        image_of(np.zeros((4, 9, 9), np.int16)), image_of(np.zeros((4, 9, 9), np.float32)), nothing
    )
    assert not sitk.GetArrayFromImage(kept).any()


SEES = Input(slices=3, pixel_mm=1.0)


def network(bias: float = 2.0) -> tuple[WeightsFile, dict[str, torch.Tensor]]:
    """Return a network that finds any voxel as probable as `bias` says."""
    module = build_network(TINY, SEES)
    with torch.no_grad():
        module.head.weight.zero_()
        module.head.bias.fill_(bias)
    return WeightsFile(TINY, SEES, 0.7, {"seed": 0}), module.state_dict()


def learn(plan, bias: float = 2.0):
    with workers(1) as pool:
        return learn_lesion_check(
            *network(bias), plan, plan.lesion_check, Execution(Store(Path("unused")), pool)
        )


def checked(**changes) -> TrainingPlan:
    return plan(
        SpotCohort(), input=SEES, lesion_check=PLAN.model_copy(update={"cohort": OtherSpots(), **changes})
    )


class OtherSpots(SpotCohort):
    """Other patients than those of `SpotCohort`."""

    def cases(self):
        return [replace(case, case_id=f"other-{case.case_id}") for case in super().cases()]


@pytest.mark.slow
def test_spots_of_metal_are_dropped_once_it_has_learnt_what_calcium_looks_like(tmp_path):
    header, tensors = learn(checked())
    assert header.keep == 0.5
    assert header.threshold == 0.3
    assert header.training["lesion_check"]["calcium"] == 12
    assert header.training["lesion_check"]["lesions"] == 24
    file = tmp_path / "checked.safetensors"
    header.write(tensors, file)
    scan = SpotSource(99).load()
    hu = sitk.GetArrayFromImage(scan.image)
    for check, dense in ((True, {400}), (False, {400, 1500})):
        segmenter = DenseRAUnetSegmenter(
            weights=file, network=TINY, input=SEES, within=None, lesion_check=check
        )
        assert set(hu[sitk.GetArrayFromImage(segmenter.segment(scan)) > 0]) == dense


def test_a_file_that_announces_a_check_and_holds_none_is_refused_in_a_sentence(tmp_path):
    header, tensors = network()
    file = tmp_path / "halved.safetensors"
    replace(header, keep=0.2).write(tensors, file)
    segmenter = DenseRAUnetSegmenter(weights=file, network=TINY, input=SEES, within=None)
    with pytest.raises(
        UserError, match=r"halved.safetensors: the lesion check lacks hidden, .*: train again, or look once"
    ):
        segmenter.segment(SpotSource(99).load())


def test_a_file_with_a_check_of_another_version_is_not_used_without_it(tmp_path):
    header, tensors = network()
    file = tmp_path / "older.safetensors"
    check = fit_lesion_check(*lesions(), np.ones(80), PLAN, 0)
    header.write({**tensors, **check.tensors()}, file)
    segmenter = DenseRAUnetSegmenter(weights=file, network=TINY, input=SEES, within=None)
    with pytest.raises(UserError, match=r"older.safetensors: it holds a lesion check and does not say"):
        segmenter.segment(SpotSource(99).load())


def test_patients_the_network_has_learnt_from_are_refused():
    with pytest.raises(UserError, match=r"12 of its patients are in training.cohort, too, spot-00 for one"):
        learn(checked(cohort=SpotCohort()))


def test_a_cohort_of_which_no_case_can_be_used_is_refused_with_the_reason():
    with pytest.raises(UserError, match=r"none of its 12 cases can be used: .*lesions"):
        learn(checked(cohort=OtherSpots(mask_spacing=2.0)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "bias", "message"),
    [
        ({"cohort": OtherSpots(calcium=False)}, 2.0, "12 lesions found in its cohort 0 are"),
        ({}, -9.0, "0 lesions found"),
    ],
)
def test_a_cohort_with_one_kind_of_lesion_is_refused(changes, bias, message):
    with pytest.raises(UserError, match=message):
        learn(checked(**changes), bias)
