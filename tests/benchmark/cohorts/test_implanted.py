"""Plaques in scans that have none: exact mass, the host's noise and sharpness, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from benchmark.calcium.scoring import score
from benchmark.calcium.truth import ReferenceRule, reference_calcium
from benchmark.case import Scan
from benchmark.cohorts.implanted import ImplantedCohort
from benchmark.cohorts.manifest import ManifestCohort
from benchmark.errors import CaseError, UserError
from benchmark.phantom.export import write_cohort
from benchmark.phantom.heart.plaque import calcium_hu

SPACING = (3.0, 0.8, 0.8)
NOISE_HU = 15.0


def course(shape: tuple[int, ...], radius_mm: float) -> np.ndarray:
    """Return a tube that winds through the slices, (z, y, x)."""
    z, y, x = (s * i for s, i in zip(SPACING, np.indices(shape), strict=True))
    middle = 48 + 12 * np.sin(z / 15), 48 + 12 * np.cos(z / 15)
    return np.hypot(y - middle[0], x - middle[1]) <= radius_mm


@pytest.fixture
def host(tmp_path) -> Callable[..., Path]:
    """Write a host, a soft cylinder in air with a vessel, and its manifest."""

    def write(radius_mm: float = 4.0, own: float = 0.0, **columns: str) -> Path:
        shape = (24, 120, 120)
        y, x = np.indices(shape[1:]) * 0.8 - 48
        body = ndimage.gaussian_filter((np.hypot(y, x) < 42).astype(float), 0.75)
        hu = np.repeat(1020.0 * body[None] - 1000, shape[0], axis=0)
        hu += np.random.default_rng(0).normal(0, NOISE_HU, shape)
        vessel = course(shape, radius_mm)
        if own:
            hu[10:12][vessel[10:12]] = own
        for name, array in (("image", np.rint(hu).astype(np.int16)), ("vessel", vessel.astype(np.uint8))):
            image = sitk.GetImageFromArray(array)
            image.SetSpacing(SPACING[::-1])
            sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
        row = {"case_id": "patient", "image": "image.nii.gz", "mask": "vessel.nii.gz"} | columns
        text = f"{','.join(row)}\n{','.join(row.values())}\n"
        (tmp_path / "hosts.csv").write_text(text)
        return tmp_path / "hosts.csv"

    return write


def cohort(path: Path, **more: Any) -> ImplantedCohort:
    """Return the cohort of the hosts of a manifest."""
    return ImplantedCohort.model_validate({"hosts": {"use": "manifest", "path": str(path)}, **more})


def of_label(made: ImplantedCohort, label: int | None) -> list[Any]:
    """Return the sources of the cases with a label."""
    return [case.source for case in made.cases() if case.label == label]


def hu_of(scan: Scan) -> np.ndarray:
    """Return the voxels, (z, y, x)."""
    return sitk.GetArrayFromImage(scan.image).astype(float)


@pytest.mark.slow
def test_the_mass_that_the_image_gained_is_that_of_the_record(host):
    made = cohort(host(), copies=4)
    [before] = (hu_of(source.load()) for source in of_label(made, 0))
    for source in of_label(made, 1):
        record = source.record()
        per_mg = calcium_hu(1.0, record["host"]["water_diameter_cm"], 120.0)
        gained = (hu_of(source.load()) - before).sum() * np.prod(SPACING)
        displaced = sum(each["displaced_hu"] * each["volume_mm3"] for each in record["implants"])
        mass = (gained + displaced) / per_mg / 1000
        assert mass == pytest.approx(record["truth"]["total"]["mass_mg"], rel=0.02, abs=0.02)


def placed(at: tuple[float, float, float], semi_axes: tuple[float, float, float], density: float = 400):
    """Return the declaration of one plaque in the host."""
    return {"patient": [{"voxel": at, "semi_axes_mm": semi_axes, "density_mg_cm3": density}]}


def middle_of(z: int) -> tuple[float, float, float]:
    """Return the vessel's middle in a slice, in voxels."""
    return z, (48 + 12 * np.sin(z * 3 / 15)) / 0.8, (48 + 12 * np.cos(z * 3 / 15)) / 0.8


def test_the_noise_inside_a_plaque_is_the_host_s(host):
    """Where a plaque fills voxels wholly it adds the same to each."""
    made = cohort(host(12.0), plaques=placed(middle_of(12), (10, 9, 9)))
    [before], [after] = ([hu_of(source.load()) for source in of_label(made, label)] for label in (0, 1))
    centre = np.indices(after.shape).transpose(1, 2, 3, 0) * SPACING - np.array(middle_of(12)) * SPACING
    core = np.linalg.norm(centre, axis=-1) < 5
    assert core.sum() > 200
    assert np.std((after - before)[core]) < 0.5  # of rounding
    assert np.std(after[core]) == pytest.approx(np.std(before[core]), rel=0.02)


def test_a_plaque_is_as_blurred_as_the_scan(host):
    """The second moment of an ellipsoid is a²/5 along each axis, and a Gaussian adds its σ²."""
    made = cohort(host(12.0), plaques=placed(middle_of(12), (1.5, 1.5, 1.5), 1200))
    [before], [after] = ([hu_of(source.load()) for source in of_label(made, label)] for label in (0, 1))
    added = (after - before).sum(axis=0)
    x = np.indices(added.shape)[1] * 0.8
    of_x = (added * x).sum() / added.sum()
    variance = (added * (x - of_x) ** 2).sum() / added.sum()
    [source] = of_label(made, 1)
    sigma = source.record()["host"]["psf_sigma_mm"]
    assert sigma == pytest.approx(0.75 * 0.8, rel=0.08)  # as the host was blurred, and its pixels
    assert variance == pytest.approx(1.5**2 / 5 + sigma**2, rel=0.05)


def test_the_truth_is_known_before_a_voxel_is_read_and_is_what_went_in(host):
    made = cohort(host(), copies=6)
    cases = made.cases()
    assert sorted(case.label for case in cases) == [0, 1, 1, 1, 1, 1, 1]
    for case in cases:
        record = case.source.record()
        assert record["truth"]["total"]["agatston"] == pytest.approx(case.cac_score, abs=0.001)
        volumes = [each["volume_mm3"] for each in record["implants"]]
        assert sum(volumes) == pytest.approx(record["truth"]["total"]["volume_mm3"])


def test_plaques_lie_in_the_vessel_and_apart(host):
    [source] = of_label(cohort(host(), disease={"median_score": 300, "sigma_ln": 0}), 1)
    scan = source.load()
    lesions, vessel = (sitk.GetArrayFromImage(scan.masks[name]) > 0 for name in ("lesions", "coronary"))
    assert lesions.sum() > 100
    assert (lesions & vessel).sum() > 0.7 * lesions.sum()
    places = np.array([each["voxel"] for each in source.record()["implants"]]) * SPACING
    apart = np.linalg.norm(places[:, None] - places, axis=-1) + 99 * np.eye(len(places))
    assert apart.min() > 0.5


def test_the_unaltered_host_is_the_zero_case_and_a_group_is_a_host(host):
    path = host()
    [zero] = [case for case in cohort(path, copies=2).cases() if case.label == 0]
    image = sitk.ReadImage(str(path.parent / "image.nii.gz"))
    assert (hu_of(zero.source.load()) == sitk.GetArrayFromImage(image)).all()
    cases = cohort(path, copies=2).cases()
    assert {case.group for case in cases} == {case.patient for case in cases} == {"patient"}
    assert {case.covariates["host"] for case in cases} == {"patient"}
    assert len({case.source.digest() for case in cases}) == 3


def test_another_seed_gives_other_plaques_and_more_copies_leave_the_first_as_they_are(host):
    path = host()
    one, more = (cohort(path, copies=k, zero=False).cases() for k in (1, 3))
    assert one[0].source.digest() in {case.source.digest() for case in more}
    [other] = cohort(path, zero=False, seed=1).cases()
    assert other.case_id != one[0].case_id
    assert other.source.digest() != one[0].source.digest()


def test_a_host_stored_along_other_axes_gets_the_same_plaques(host):
    path = host()
    [source] = of_label(cohort(path), 1)
    upright = hu_of(source.load())
    for name in ("image", "vessel"):
        file = str(path.parent / f"{name}.nii.gz")
        sitk.WriteImage(sitk.DICOMOrient(sitk.ReadImage(file), "ASR"), file)
    [turned] = of_label(cohort(path), 1)
    assert (hu_of(turned.load()) == upright).all()


@pytest.mark.slow
def test_the_score_of_the_image_follows_the_truth(host):
    """Above it, as of large scores of phantoms: what is below 130 HU is lost, but blur enlarges the rest."""
    settings = {"disease": {"median_score": 200, "sigma_ln": 0.6}, "measured": {"water_diameter_cm": 30}}
    true, measured = [], []
    for case in cohort(host(), copies=10, zero=False, **settings).cases():
        scan = case.source.load()
        true.append(case.cac_score)
        measured.append(score(scan.image, reference_calcium(scan, ReferenceRule())).total.agatston)
    assert np.corrcoef(np.log(true), np.log(measured))[0, 1] > 0.9
    assert 1.0 < np.median(np.divide(measured, true)) < 1.4


@pytest.mark.slow
def test_on_a_real_chest_plaques_join_those_it_has(real_data, tmp_path):
    """`lung1_001` with a course of each artery through its annotated calcium, slice by slice."""
    folder = real_data / "lung1_001"
    image = sitk.ReadImage(str(folder / "image.nii.gz"))
    drawn = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "calcium.nii.gz")))
    lines = np.zeros_like(drawn)
    for label in (2, 3, 4):
        points = np.argwhere(drawn == label)
        knots = np.array([points[points[:, 0] == z].mean(axis=0) for z in np.unique(points[:, 0])])
        at = np.linspace(0, len(knots) - 1, 400)
        line = np.stack([np.interp(at, range(len(knots)), column) for column in knots.T])
        lines[tuple(np.rint(line).astype(int))] = label
    mask = sitk.GetImageFromArray(lines)
    mask.CopyInformation(image)
    sitk.WriteImage(mask, str(tmp_path / "lines.nii.gz"))
    (tmp_path / "m.csv").write_text(f"case_id,image,mask\nlung1,{folder / 'image.nii.gz'},lines.nii.gz\n")
    settings = {"margin_mm": 2, "zero": False, "disease": {"median_score": 200, "sigma_ln": 0}}
    [refused] = of_label(cohort(tmp_path / "m.csv", **settings), 1)
    with pytest.raises(CaseError, match="calcium of its own"):
        refused.load()
    [source] = of_label(cohort(tmp_path / "m.csv", existing="keep", **settings), 1)
    record, before = source.record(), sitk.GetArrayFromImage(image).astype(float)
    assert record["host"]["existing_agatston"] > 500
    assert record["host"]["psf_sigma_mm"] == pytest.approx(0.66, abs=0.05)
    assert record["host"]["water_diameter_cm"] == pytest.approx(25.6, abs=0.5)
    assert record["host"]["assumed"] == ["tube voltage assumed: 120 kV: no header says it"]
    scan = source.load()
    after = hu_of(scan)
    gained = (after - before).sum() * np.prod(image.GetSpacing())
    displaced = sum(each["displaced_hu"] * each["volume_mm3"] for each in record["implants"])
    mass = (gained + displaced) / calcium_hu(1.0, record["host"]["water_diameter_cm"], 120.0) / 1000
    assert mass == pytest.approx(record["truth"]["total"]["mass_mg"], rel=0.02)
    lesions = sitk.GetArrayFromImage(scan.masks["lesions"])
    assert (
        lesions[(drawn > 0) & (lines > 0)] > 0
    ).mean() > 0.9  # the calcium it had is part of the reference
    assert (after != before).sum() < 5000


@pytest.mark.parametrize(
    ("at", "size"), [((12, 20, 20), (1, 1, 1)), ((99, 60, 60), (1, 1, 1)), (middle_of(12), (9, 9, 9))]
)
def test_a_plaque_outside_the_vessel_is_refused_with_its_place(host, at, size):
    [source] = of_label(cohort(host(), plaques=placed(at, size)), 1)
    with pytest.raises(CaseError, match=r"^patient: the plaque at voxel \(.* lies outside the vessel mask"):
        source.load()


def test_a_host_with_calcium_is_refused_or_recorded(host):
    path = host(own=400.0)
    [source] = of_label(cohort(path), 1)
    with pytest.raises(CaseError, match=r"the host has .*calcium of its own, Agatston .*`existing: keep`"):
        source.load()
    assert source.problems() == []
    assert "calcium of its own" in source.problems(deep=True)[0].reason
    kept = cohort(path, existing="keep")
    [implanted] = of_label(kept, 1)
    own = implanted.record()["host"]["existing_agatston"]
    assert own > 100
    assert [case.cac_score for case in kept.cases()] == [None, None]
    [zero] = of_label(kept, None)  # nothing says that it is one
    scan = zero.load()
    assert ("calcium of the host's own kept", f"Agatston {own:.1f}") in [
        (a.kind, a.detail) for a in scan.anomalies
    ]
    assert score(scan.image, reference_calcium(scan, ReferenceRule())).total.agatston == pytest.approx(
        own, rel=0.1
    )


def test_a_host_whose_manifest_says_it_has_calcium_is_refused_unread(host):
    with pytest.raises(CaseError, match=r"patient: the host has a score of 12\.5, so calcium of its own"):
        cohort(host(cac_score="12.5")).cases()[0].source.load()
    kept = cohort(host(cac_score="12.5"), existing="keep").cases()
    assert min(case.cac_score for case in kept) == 12.5
    assert {case.label for case in kept} == {1}


def test_a_host_without_the_mask_is_refused_with_the_masks_it_has(host):
    [source] = of_label(cohort(host(), mask="vessels"), 1)
    said = "patient: the host has no mask 'vessels' to put plaques into; it has: coronary"
    assert source.problems()[0].reason.startswith(said)
    with pytest.raises(CaseError, match=said):
        source.load()


@pytest.mark.slow
def test_contrast_medium_no_room_unknown_hosts_and_no_case_at_all_are_refused(host):
    with pytest.raises(CaseError, match="patient: the host has contrast medium"):
        cohort(host(contrast="yes")).cases()[0].source.load()
    [source] = of_label(cohort(host(0.5), disease={"median_score": 500, "sigma_ln": 0}), 1)
    with pytest.raises(CaseError, match="the vessel mask has no room"):
        source.load()
    with pytest.raises(UserError, match="no host is called 'pateint'; did you mean 'patient'"):
        cohort(host(), plaques={"pateint": [{"voxel": [1, 2, 3]}]}).cases()
    with pytest.raises(ValueError, match="makes no case"):
        cohort(host(), copies=0, zero=False)


def test_written_as_files_the_cases_read_back(host, tmp_path):
    made = cohort(host())
    manifest = write_cohort(made, tmp_path / "out", jobs=1)
    cases = {case.case_id: case for case in ManifestCohort(path=manifest).cases()}
    for case in made.cases():
        assert cases[case.case_id].cac_score == case.cac_score
        assert (hu_of(cases[case.case_id].source.load()) == hu_of(case.source.load())).all()


def test_a_centreline_with_a_margin_holds_plaques(host):
    path = host(0.7)
    settings = {"zero": False, "disease": {"median_score": 100, "sigma_ln": 0}}
    [source] = of_label(cohort(path, margin_mm=2.0, **settings), 1)
    assert source.record()["truth"]["total"]["agatston"] > 50
    with pytest.raises(CaseError, match="no room"):
        of_label(cohort(path, **settings), 1)[0].load()
