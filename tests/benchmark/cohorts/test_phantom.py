"""The phantom cohort: what a case is made from, that nothing leaks the label, and what it costs."""

import hashlib
import os
import pickle
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage
from threadpoolctl import threadpool_limits

from benchmark.case import Case
from benchmark.cohorts.phantom import PhantomCohort
from benchmark.plugins.registry import build

BLOCKS = (4, 6, 6)


def array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def shape_features(mask: np.ndarray, spacing: np.ndarray) -> list[float]:
    """Return size, place, axes and per-slice areas of a mask."""
    points = np.argwhere(mask) * spacing
    axes = np.sqrt(np.linalg.eigvalsh(np.cov(points.T)))
    areas = mask.sum(axis=(1, 2)).astype(float)
    surface = mask.sum() - ndimage.binary_erosion(mask).sum()
    quartiles = np.percentile(areas, [25, 50, 75, 100])
    return [mask.sum(), surface, *axes, *points.mean(axis=0), *np.ptp(points, axis=0), *quartiles]


def outside_features(hu: np.ndarray, mask: np.ndarray, spacing: np.ndarray) -> list[float]:
    """Return what the image shows beyond 10 mm of the ROI: histogram and the mean of blocks."""
    reach = [2 * int(np.ceil(10 / s)) + 1 for s in spacing]
    outside = ndimage.maximum_filter(mask.astype(np.uint8), size=reach) == 0
    values = hu[outside]
    histogram = [*np.percentile(values, [1, 5, 25, 50, 75, 95, 99, 99.9]), values.mean(), values.std()]
    dense = [float((values >= limit).sum()) for limit in (130, 300, 700)]
    size = [n // b * b for n, b in zip(hu.shape, BLOCKS, strict=True)]
    blocks = [
        volume[: size[0], : size[1], : size[2]]
        .reshape(BLOCKS[0], size[0] // BLOCKS[0], BLOCKS[1], size[1] // BLOCKS[1], BLOCKS[2], -1)
        .sum(axis=(1, 3, 5), dtype=float)
        for volume in (np.where(outside, hu, 0), outside)
    ]
    return [*histogram, *dense, *(blocks[0] / np.maximum(blocks[1], 1)).ravel()]


def features(case: Case) -> dict[str, list[float]]:
    scan = case.source.load()
    hu, mask = array(scan.image), array(scan.masks["coronary"]) > 0
    spacing = np.array(scan.image.GetSpacing()[::-1])
    return {
        "shape": shape_features(mask, spacing),
        "outside": outside_features(hu, mask, spacing),
        "inside": [*np.percentile(hu[mask], [1, 25, 50, 75, 95, 99, 100]), float((hu[mask] >= 130).sum())],
    }


@pytest.fixture(scope="session")
def study() -> dict[str, np.ndarray]:
    """The default cohort on pixels of twice the width, every case rendered once: label and cheap features."""
    cases = PhantomCohort(pixel_mm=1.5).cases()
    with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(features, cases))
    table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    scanners = sorted({case.group for case in cases})
    scans = [case.source.acquisition for case in cases]
    table["metadata"] = np.array(
        [
            [
                index,
                int(case.case_id[-6:], 16),
                *(case.group == s for s in scanners),
                scan.noise_sd_hu,
                scan.slice_thickness_mm,
                *scan.table_mm,
            ]
            for index, (case, scan) in enumerate(zip(cases, scans, strict=True))
        ],
        float,
    )
    return table | {"label": np.array([case.label for case in cases])}


def auc_interval(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a random forest's cross-validated AUC."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    forest = RandomForestClassifier(200, min_samples_leaf=3, random_state=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    chance = cross_val_predict(forest, x, y, cv=folds, method="predict_proba")[:, 1]
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(y), len(y)) for _ in range(1000)]
    low, high = np.percentile([roc_auc_score(y[d], chance[d]) for d in draws], [2.5, 97.5])
    return float(low), float(high)


@pytest.mark.slow
@pytest.mark.parametrize("known", ["shape", "metadata", "outside"])
def test_nothing_but_the_vessels_tells_the_label(study, known):
    low, high = auc_interval(study[known], study["label"])
    assert low <= 0.5 <= high


@pytest.mark.slow
def test_the_vessels_tell_the_label_but_not_perfectly(study):
    low, high = auc_interval(study["inside"], study["label"])
    assert low > 0.75
    assert high < 1.0


@pytest.mark.slow
def test_shape_tells_nothing_among_many_more_patients():
    """Six hundred trees as drawn: their lengths and calibres do not know the disease."""
    cases = PhantomCohort(zero=300, nonzero=300).cases()
    patients = [case.source.patient for case in cases]
    x = np.array(
        [
            [
                p.heart_scale,
                p.calibre.lm,
                p.calibre.lad,
                p.calibre.lcx,
                p.calibre.rca,
                p.wall_mm,
                p.blood_hu,
                p.chest_width_mm,
                p.epicardial_fat_hu,
                p.sex == "male",
                p.dominance == "left",
                len(p.stents),
                len(p.deposits),
            ]
            for p in patients
        ],
        float,
    )
    low, high = auc_interval(x, np.array([case.label for case in cases]))
    assert low <= 0.5 <= high


@pytest.mark.slow
def test_some_positives_lie_below_the_noise(study):
    """The ROI of some positives shows no HU that one zero in twenty does not show as well."""
    peak, label = study["inside"][:, 6], study["label"]
    hidden = (peak[label == 1] < np.percentile(peak[label == 0], 95)).mean()
    assert 0.04 <= hidden <= 0.3


def test_a_case_is_the_same_bytes_whatever_the_size_of_the_cohort():
    large = {case.case_id: case for case in PhantomCohort(zero=20, nonzero=9).cases()}
    small = PhantomCohort(zero=4, nonzero=4).cases()
    assert len(small) == 8
    for case in small:
        assert large[case.case_id] == case
        assert large[case.case_id].source.digest() == case.source.digest()
    again = large[small[0].case_id].source.load()
    first = small[0].source.load()
    assert array(first.image).tobytes() == array(again.image).tobytes()
    assert all(array(first.masks[n]).tobytes() == array(again.masks[n]).tobytes() for n in first.masks)


def test_the_bytes_are_the_same_in_another_process():
    case = PhantomCohort(zero=1, nonzero=0).cases()[0]
    code = (
        "import hashlib, SimpleITK as sitk; from benchmark.cohorts.phantom import PhantomCohort;"
        "scan = PhantomCohort(zero=3, nonzero=2).cases();"
        f"scan = next(c for c in scan if c.case_id == {case.case_id!r}).source.load();"
        "print(hashlib.sha256(sitk.GetArrayFromImage(scan.image).tobytes()).hexdigest())"
    )
    environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | environment
    )
    here = hashlib.sha256(array(case.source.load().image).tobytes()).hexdigest()
    assert out.stdout.strip() == here


def test_neither_ids_nor_order_tell_the_label():
    cases = PhantomCohort().cases()
    assert [case.case_id for case in cases] == sorted({case.case_id for case in cases})
    labels = np.array([case.label for case in cases])
    assert labels.sum() == 88
    halves = labels[: len(labels) // 2].mean(), labels[len(labels) // 2 :].mean()
    assert abs(halves[0] - halves[1]) < 0.25


def test_scanners_take_turns_within_either_class():
    cases = PhantomCohort(zero=30, nonzero=30, protocol="mixed", contrast="mixed").cases()
    for label in (0, 1):
        mine = [case for case in cases if case.label == label]
        assert set(Counter(case.group for case in mine).values()) == {10}
        assert set(Counter(case.protocol for case in mine).values()) == {15}
        assert {case.group for case in mine} == {"soft", "standard", "sharp"}
        assert {case.contrast for case in mine} == {False, True}
        assert all(case.contrast == (case.source.acquisition.iodine_hu > 0) for case in mine)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_weights_make_of_any_share_of_stents_the_populations(share):
    cases = PhantomCohort(zero=300, nonzero=300, seed="weights", stented=share).cases()
    stented = np.array([len(case.source.patient.stents) > 0 for case in cases])
    weights = np.array([case.weight for case in cases])
    standard_error = 0.06 * np.sqrt((1 - share) / share / 600)
    assert abs((weights * stented).mean() - 0.06) < 4 * standard_error
    assert {case.weight for case in PhantomCohort(zero=40, nonzero=40).cases()} == {1.0}


def test_label_and_score_follow_from_the_lesions():
    for case in PhantomCohort().cases():
        assert case.cac_score == pytest.approx(case.source.disease.agatston, abs=5e-4)
        assert (case.label == 1) == (case.source.disease.agatston > 0) == (case.cac_score > 0)


def test_another_seed_makes_other_patients_and_equal_seeds_equal_ones():
    first, other = (PhantomCohort(zero=3, nonzero=3, seed=seed).cases() for seed in (0, "b"))
    assert not {c.case_id for c in first} & {c.case_id for c in other}
    assert PhantomCohort(zero=3, nonzero=3, seed="0").cases() == first


def test_the_digest_follows_every_parameter_and_a_source_is_small():
    case = PhantomCohort(zero=1, nonzero=0).cases()[0]
    noisier = PhantomCohort(zero=1, nonzero=0, noise_sd_hu=40).cases()[0]
    assert noisier.case_id == case.case_id
    assert noisier.source.digest() != case.source.digest()
    assert noisier.source.patient == case.source.patient
    packed = pickle.dumps(case.source)
    assert len(packed) < 10_000
    assert pickle.loads(packed).digest() == case.source.digest()


def test_the_default_case_is_a_heart_of_40_slices_of_192_pixels():
    case = next(c for c in PhantomCohort(zero=3, nonzero=0).cases() if c.group == "standard")
    scan = case.source.load()
    assert scan.image.GetSize() == (192, 192, 40)
    assert scan.image.GetPixelID() == sitk.sitkInt16
    assert set(scan.masks) == {"coronary", "vessels", "lesions", "heart", "aorta"}
    for mask in scan.masks.values():
        assert mask.GetSize() == scan.image.GetSize()
        assert mask.GetSpacing() == scan.image.GetSpacing()
        assert mask.GetOrigin() == scan.image.GetOrigin()
        assert mask.GetDirection() == scan.image.GetDirection()


def test_chest_scans_move_and_are_noisier_than_cardiac_ones():
    chest, cardiac = (PhantomCohort(zero=9, nonzero=0, protocol=p).cases() for p in ("chest", "cardiac"))
    for a, b in zip(chest, cardiac, strict=True):
        assert a.source.patient == b.source.patient
        assert 1 <= a.source.acquisition.motion_mm <= 5
        assert b.source.acquisition.motion_mm == 0
        assert a.source.acquisition.noise_sd_hu > b.source.acquisition.noise_sd_hu


def test_the_registry_builds_it_with_its_disease_model():
    cohort = build("cohort", {"use": "phantom", "zero": 1, "nonzero": 2, "disease": {"median_score": 10}})
    assert len(cohort.cases()) == 3
    assert cohort.parameters()["disease"]["median_score"] == 10


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"noise_sd_hu": -1}, r"noise_sd_hu[\s\S]*greater than or equal to 0"),
        ({"slice_thickness_mm": 0}, r"slice_thickness_mm[\s\S]*greater than or equal to 0.25"),
        ({"disease": {"diseased_vessels": 5}}, r"diseased_vessels[\s\S]*less than or equal to 4"),
        ({"pixel_mm": 3, "field_of_view_mm": 2}, r"field_of_view_mm[\s\S]*greater than or equal to 20"),
        ({"pixel_mm": 4, "field_of_view_mm": 30}, r"pixel_mm is 4.0: it must be at most .* 1.875"),
        ({"zero": -1}, r"zero[\s\S]*greater than or equal to 0"),
        ({"scanners": ()}, r"scanners[\s\S]*lists too few values"),
        ({"scanners": ("soft", "soft")}, r"scanners names one twice"),
        ({"scanners": ("blurry",)}, r"scanners[\s\S]*'soft', 'standard' or 'sharp'"),
        ({"protocol": "brain"}, r"protocol[\s\S]*'cardiac', 'chest' or 'mixed'"),
    ],
)
def test_impossible_parameters_are_refused_with_field_and_range(parameters, message):
    with pytest.raises(ValueError, match=message):
        PhantomCohort(**parameters)


def test_rendering_is_small():
    """The study's size: 1 GB at the most."""
    code = (
        "from pathlib import Path; from benchmark.cohorts.phantom import PhantomCohort;"
        "[case.source.load() for case in PhantomCohort(zero=3, nonzero=3).cases()];"
        "status = Path('/proc/self/status').read_text();"  # ru_maxrss would begin at the size of the test process
        "print(int(status.split('VmHWM:')[1].split()[0]) / 2**20)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert float(out.stdout) <= 1.0


def test_a_rescan_changes_position_and_noise_but_neither_the_patient_nor_what_is_true_of_the_masks():
    first, again = (PhantomCohort(zero=1, nonzero=2, rescan=k).cases() for k in (0, 1))
    assert [case.case_id for case in first] == [case.case_id for case in again]
    for one, other in zip(first, again, strict=True):
        assert (one.label, one.cac_score) == (other.label, other.cac_score)
        assert (one.source.patient, one.source.disease) == (other.source.patient, other.source.disease)
        assert one.source.record()["truth"] == other.source.record()["truth"]
        assert one.source.acquisition.noise_seed != other.source.acquisition.noise_seed
        assert one.source.acquisition.table_mm != other.source.acquisition.table_mm
        assert one.source.digest() != other.source.digest()
    one, other = (cases[0].source.load() for cases in (first, again))
    volumes = [float(array(scan.masks["coronary"]).astype(bool).sum()) for scan in (one, other)]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.1)
    assert not (array(one.image) == array(other.image)).all()


def test_another_rescan_gives_other_noise_and_the_first_scan_is_the_default():
    seeds = {
        PhantomCohort(zero=1, nonzero=0, rescan=k).cases()[0].source.acquisition.noise_seed for k in range(4)
    }
    assert len(seeds) == 4
    assert PhantomCohort(zero=3, nonzero=3).cases() == PhantomCohort(zero=3, nonzero=3, rescan=0).cases()
