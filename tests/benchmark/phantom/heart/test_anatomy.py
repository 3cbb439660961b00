"""Patients as rendered: tissues, coronary tree, lesions, confounders and the masks of them."""

import numpy as np
import pytest
from scipy import ndimage

from benchmark.phantom.acquisition.scanner import Acquisition, draw_acquisition, preset
from benchmark.phantom.body.patient import Deposit, Patient, Stent, draw_patient
from benchmark.phantom.body.population import draw_chest_patient
from benchmark.phantom.heart.anatomy import Anatomy
from benchmark.phantom.heart.calcifications import confounder_shapes, lesion_shape
from benchmark.phantom.heart.crumbled import crumbled
from benchmark.phantom.heart.plaque import Disease, DiseaseModel, Lesion
from benchmark.phantom.masks import lesion_labels
from benchmark.phantom.synthesis import Phantom

SEEDS = range(6)
DRAW = {1: draw_patient, 2: draw_chest_patient}
"""How each generation draws a patient."""
both = pytest.mark.parametrize("draw", DRAW.values(), ids=["first", "second"])


def phantom(generation: int, seed: int, diseased: bool = True, **scan: object) -> Phantom:
    patient = DRAW[generation](seed)
    disease = DiseaseModel(median_score=200, sigma_ln=1.0).draw(seed) if diseased else Disease()
    if generation == 2:
        disease = crumbled(disease, seed)
    base = Acquisition.model_validate(preset("cardiac", "standard").model_dump() | scan)
    return Phantom(patient, disease, draw_acquisition(base, patient, contrast=False, seed=seed))


@pytest.fixture(scope="module", params=DRAW)
def phantoms(request):
    return [phantom(request.param, seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def masks(phantoms):
    return [p.masks() for p in phantoms]


def lone_lesion(**parameters: object) -> Disease:
    given = {"vessel": 2, "position_mm": 25.0, "angle_deg": 40.0, "density_mg_cm3": 400.0}
    return Disease(lesions=(Lesion(**(given | {"semi_axes_mm": (4.0, 1.6, 1.3)} | parameters)),))


@both
def test_centrelines_are_smooth(draw):
    for seed in range(60):
        for tube in Anatomy.of(draw(seed)).coronaries:
            cosine = (tube.tangents[1:] * tube.tangents[:-1]).sum(axis=1)
            assert np.rad2deg(np.arccos(np.clip(cosine, -1, 1))).max() < 45, (seed, tube.name)


@both
def test_arteries_run_in_the_pericardium_and_taper(draw):
    for seed in range(60):
        anatomy = Anatomy.of(draw(seed))
        sac = anatomy.heart.sac
        for tube in anatomy.coronaries:
            offset = tube.nodes - np.asarray(sac.centre)
            assert np.einsum("ij,jk,ik->i", offset, sac.matrix, offset).max() < 1
            assert np.all(np.diff(tube.radius) <= 0)


@both
def test_side_branches_begin_on_their_parent(draw):
    for seed in range(30):
        tree = Anatomy.of(draw(seed)).coronaries
        for branch in tree[4:]:
            nodes = np.concatenate([tube.nodes for tube in tree[:4] if tube.label == branch.label])
            assert np.linalg.norm(nodes - branch.nodes[0], axis=1).min() < 1.0


@both
def test_both_coronaries_leave_the_aortas_wall_and_run_outside_it(draw):
    for seed in range(60):
        anatomy = Anatomy.of(draw(seed))
        aorta = anatomy.ascending_aorta
        for label in (1, 4):
            artery = anatomy.vessel(label).nodes
            apart = np.linalg.norm(artery[:, None] - aorta.nodes[None], axis=2).min(axis=1)
            assert apart[0] == pytest.approx(float(aorta.radius[0]), abs=1.5)
            # A left main may be shorter than 5 mm.
            assert np.all(apart[6:] > float(aorta.radius[0]) + 0.5)


@pytest.mark.parametrize("generation", DRAW)
def test_the_true_score_counts_no_calcium_twice(generation):
    """Points drawn within every lesion lie in no other one, but for a hundredth of them."""
    ball = np.random.default_rng(0).normal(size=(200, 3))
    ball *= np.random.default_rng(1).random((200, 1)) ** (1 / 3) / np.linalg.norm(ball, axis=1, keepdims=True)
    shared = total = 0.0
    for seed in range(80):
        anatomy, disease = Anatomy.of(DRAW[generation](seed)), DiseaseModel().draw(seed)
        disease = disease if generation == 1 else crumbled(disease, seed)
        shapes = [lesion_shape(lesion, anatomy) for lesion in disease.lesions]
        for i, shape in enumerate(shapes):
            points = np.asarray(shape.centre) + (ball * shape.semi_axes) @ np.asarray(shape.axes)
            within = np.zeros(len(points), bool)
            for other in shapes[:i] + shapes[i + 1 :]:
                offset = points - np.asarray(other.centre)
                within |= np.einsum("ij,jk,ik->i", offset, other.matrix, offset) < 1
            shared += within.mean() * disease.lesions[i].agatston
            total += disease.lesions[i].agatston
    assert shared / total < 0.01


def test_the_posterior_descending_artery_belongs_to_the_dominant_artery():
    for dominance, label in (("right", 4), ("left", 3)):
        tree = Anatomy.of(Patient(dominance=dominance)).coronaries
        assert next(tube.label for tube in tree if tube.name == "PDA") == label


def test_tissues_have_their_hu():
    whole = Phantom(
        Patient(), Disease(), Acquisition(field_of_view_mm=380, pixel_mm=1.25, coverage_mm=180, noise_sd_hu=0)
    )
    volume, heart = whole.noise_free(), whole.anatomy.heart
    z, y, x = (
        np.rint(
            (np.array([heart.at(4, -12, -2), heart.at(3, 15, -4)]) - whole.grid.origin) / whole.grid.spacing
        )
        .astype(int)
        .T
    )
    assert volume[z, y, x] == pytest.approx([40, 40], abs=15)
    assert np.percentile(volume, 1) < -970
    assert ((volume > -900) & (volume < -800)).mean() > 0.05, "no lungs"
    assert ((volume > -110) & (volume < -80)).mean() > 0.05, "no fat"
    assert (volume > 500).sum() > 1000, "no bone"


def test_contrast_brightens_the_blood_and_hardly_the_muscle():
    patient = Patient()
    base = preset("cardiac", "standard")
    off, on = (draw_acquisition(base, patient, contrast, seed=1) for contrast in (False, True))
    volumes = [Phantom(patient, Disease(), a).noise_free() for a in (off, on)]
    p = Phantom(patient, Disease(), off)
    aorta = ndimage.binary_erosion(p.masks()["aorta"], iterations=3)
    gain = float((volumes[1] - volumes[0])[aorta].mean())
    assert 280 <= gain <= 400
    assert 300 <= float(volumes[1][aorta].mean()) <= 450
    z, y, x = np.rint((p.anatomy.heart.at(10, -39, -2) - p.grid.origin) / p.grid.spacing).astype(int)
    assert 80 <= volumes[1][z, y, x] <= 125


def test_vessel_labels_are_lm_lad_lcx_rca_and_make_up_the_coronary_mask(masks):
    for found in masks:
        assert set(np.unique(found["vessels"])) == {0, 1, 2, 3, 4}
        assert np.array_equal(found["coronary"], found["vessels"] > 0)
        assert all(mask.dtype == np.uint8 for mask in found.values())


def test_the_coronary_mask_is_one_or_two_trees(masks):
    """The left tree and the right; thin distal parts may not fall apart into many pieces."""
    for found in masks:
        _, pieces = ndimage.label(found["coronary"], np.ones((3, 3, 3)))
        assert pieces <= 3


@pytest.mark.parametrize("generation", DRAW)
def test_the_roi_of_a_patient_is_the_same_with_and_without_plaque(generation):
    for seed in SEEDS:
        with_plaque, without = (phantom(generation, seed, sick).masks() for sick in (True, False))
        for name in ("coronary", "vessels", "heart", "aorta"):
            assert with_plaque[name].tobytes() == without[name].tobytes()
        assert with_plaque["lesions"].any()
        assert not without["lesions"].any()


@pytest.mark.slow
@pytest.mark.parametrize("generation", DRAW)
def test_plaque_changes_nothing_beyond_its_neighbourhood(generation):
    for seed in SEEDS[:2]:
        sick, healthy = (phantom(generation, seed, sick) for sick in (True, False))
        changed = sick.image() != healthy.image()
        near = ndimage.distance_transform_edt(sick.masks()["lesions"] == 0, sampling=sick.grid.spacing) < 7
        assert changed.any()
        assert not changed[~near].any()


def test_calcium_lies_in_the_vessels_it_is_labelled_with(masks):
    inside = total = 0
    for found in masks:
        lesion = found["lesions"] > 0
        total += int(lesion.sum())
        inside += int((lesion & (found["coronary"] > 0)).sum())
        agree = (
            found["lesions"][lesion & (found["vessels"] > 0)]
            == found["vessels"][lesion & (found["vessels"] > 0)]
        )
        assert agree.mean() > 0.9
    assert inside / total > 0.9


def test_every_lesion_has_a_voxel_in_the_mask(phantoms, masks):
    for p, found in zip(phantoms, masks, strict=True):
        vessels = {lesion.vessel for lesion in p.disease.lesions}
        assert set(np.unique(found["lesions"])) - {0} == vessels


def test_the_lesion_mask_has_the_volume_of_the_calcium():
    """At a quarter of occupancy the outline is a little larger than the truth where voxels are small."""
    disease = lone_lesion()
    p = Phantom(Patient(), disease, Acquisition(pixel_mm=0.3, slice_thickness_mm=0.5))
    labels = lesion_labels(p.anatomy, p.grid, disease, profile_sigma_mm=0.0)
    volume = (labels > 0).sum() * np.prod(p.grid.spacing)
    assert 1.0 <= volume / disease.lesions[0].volume_mm3 <= 1.25


def test_a_large_lesion_stands_out_and_a_tiny_one_does_not():
    scan = preset("cardiac", "standard")
    bare = Phantom(Patient(), Disease(), scan).noise_free()
    large = Phantom(Patient(), lone_lesion(), scan).noise_free() - bare
    tiny = Phantom(Patient(), lone_lesion(semi_axes_mm=(0.8, 0.6, 0.5)), scan).noise_free() - bare
    assert large.max() > 10 * scan.noise_sd_hu
    assert 0 < tiny.max() < 3 * scan.noise_sd_hu


@pytest.mark.slow
def test_the_same_patient_scanned_twice_shows_the_same_calcium():
    patient, disease = draw_patient(3), lone_lesion()
    brought = []
    for scanner in ("soft", "sharp"):
        scan = draw_acquisition(preset("cardiac", scanner), patient, contrast=False, seed=9)
        sick, bare = (Phantom(patient, d, scan) for d in (disease, Disease()))
        brought.append(float((sick.noise_free() - bare.noise_free()).sum() * np.prod(sick.grid.spacing)))
    assert brought[0] == pytest.approx(brought[1], rel=0.03)


@pytest.mark.slow
def test_motion_blurs_a_lesion_and_keeps_its_sum():
    patient, disease = Patient(), lone_lesion(vessel=4)
    excess = []
    for motion in (0.0, 5.0):
        scan = Acquisition(protocol="chest", motion_mm=motion)
        difference = (
            Phantom(patient, disease, scan).noise_free() - Phantom(patient, Disease(), scan).noise_free()
        )
        excess.append(difference)
    assert excess[1].max() < 0.8 * excess[0].max()
    assert excess[1].sum() == pytest.approx(excess[0].sum(), rel=0.12)


def test_stents_and_deposits_are_there_without_disease():
    stent = Stent(vessel=2, position=0.3, length_mm=18, hu=1800)
    deposit = Deposit(
        site="ascending aorta", position=0.4, angle_deg=20, semi_axes_mm=(3, 2.5, 0.8), density_mg_cm3=500
    )
    scan = preset("cardiac", "standard")
    bare = Phantom(Patient(), Disease(), scan)
    dense = Phantom(Patient(stents=(stent,), deposits=(deposit,)), Disease(), scan)
    excess = dense.noise_free() - bare.noise_free()
    roi = bare.masks()["coronary"] > 0
    assert excess[roi].max() > 200
    assert excess[~roi].max() > 200
    assert not dense.masks()["lesions"].any()
    assert dense.masks()["coronary"].tobytes() == bare.masks()["coronary"].tobytes()


def test_deposits_lie_on_the_aorta_and_the_valves():
    deposits = tuple(
        Deposit(site=site, position=p, angle_deg=a, semi_axes_mm=(1, 1, 1), density_mg_cm3=300)
        for site in ("ascending aorta", "descending aorta", "aortic valve", "mitral annulus")
        for p in (0.2, 0.8)
        for a in (0.0, 200.0)
    )
    anatomy = Anatomy.of(Patient(deposits=deposits))
    for deposit, (shape, _) in zip(deposits, confounder_shapes(anatomy), strict=True):
        if "aorta" in deposit.site:
            ascending = deposit.site == "ascending aorta"
            tube = anatomy.ascending_aorta if ascending else anatomy.descending_aorta
            distance = np.linalg.norm(tube.nodes - np.asarray(shape.centre), axis=1)
            nearest = int(distance.argmin())
            assert distance[nearest] == pytest.approx(float(tube.radius[nearest]) - 0.8, abs=0.5)
        else:
            offset = np.asarray(shape.centre) - anatomy.heart.centre
            assert offset @ anatomy.heart.sac.matrix @ offset < 1


def test_a_lesion_sits_on_the_wall_of_its_vessel():
    anatomy = Anatomy.of(Patient())
    for vessel in (1, 2, 3, 4):
        lesion = lone_lesion(vessel=vessel, position_mm=6.0, semi_axes_mm=(1.0, 0.8, 0.6)).lesions[0]
        shape, tube = lesion_shape(lesion, anatomy), anatomy.vessel(vessel)
        distance = np.linalg.norm(tube.nodes - np.asarray(shape.centre), axis=1).min()
        node = tube.at(6.0)
        assert tube.radius[node] - 0.4 < distance < tube.radius[node] + tube.wall


def test_crumbling_keeps_volume_and_vessels():
    for seed in range(40):
        whole = DiseaseModel().draw(seed)
        pieces = crumbled(whole, seed)
        assert len(pieces.lesions) >= len(whole.lesions)
        assert sum(piece.volume_mm3 for piece in pieces.lesions) == pytest.approx(
            sum(lesion.volume_mm3 for lesion in whole.lesions)
        )
        assert {p.vessel for p in pieces.lesions} == {lesion.vessel for lesion in whole.lesions}


def chest_scan(contrast: bool, wires: bool) -> Phantom:
    patient = draw_chest_patient(1)
    build = patient.physique.model_copy(update={"sternal_wires": wires, "stomach": "empty"})
    base = preset("chest", "standard")
    base = base.model_copy(update={"field_of_view_mm": 380, "pixel_mm": 1.25, "coverage_mm": 100})
    scan = draw_acquisition(base, patient, contrast, seed=1)
    return Phantom(patient.model_copy(update={"physique": build}), Disease(), scan)


@pytest.mark.slow
def test_contrast_medium_leaves_bone_as_it_is_and_is_even():
    plain, enhanced = chest_scan(contrast=False, wires=False), chest_scan(contrast=True, wires=False)
    off, on = plain.noise_free(), enhanced.noise_free()
    bone = ndimage.binary_erosion(off > 150, iterations=2)
    assert bone.sum() > 500
    assert np.median(np.abs(on - off)[bone]) < 1e-3
    assert on[bone].std() > 30
    aorta = ndimage.binary_erosion(plain.masks()["aorta"], iterations=4)
    assert on[aorta].min() > 300
    assert on[aorta].std() < 6


@pytest.mark.slow
def test_metal_throws_streaks_with_contrast_medium_too():
    without, wired = (chest_scan(contrast=True, wires=w) for w in (False, True))
    change = np.abs(wired.noise_free() - without.noise_free())
    z, y, _ = np.unravel_index(change.argmax(), change.shape)
    far = change[z, y + round(25 / 1.25) :]
    assert (far > 10).sum() > 20
