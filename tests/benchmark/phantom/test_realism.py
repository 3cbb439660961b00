"""Phantoms of the second generation beside real scans, by the same measures: docs/phantom.md has the table."""

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.cohorts.phantom import PhantomCohort
from benchmark.images.reading import read_image
from benchmark.phantom.beside_real import write_beside_real
from benchmark.phantom.realism import measures

GATED = {
    "lung p5": (-937, -846),
    "lung p50": (-874, -771),
    "soft tissue p50": (39, 44),
    "bone p50": (257, 309),
    "bone p95": (569, 771),
    "bone max": (1142, 1395),
    "noise SD p50": (12, 22),
    "noise SD p5": (10, 22),
    "noise SD p95": (12, 29),
    "slice correlation": (0.20, 0.25),
    "mean frequency": (0.27, 0.28),
}
"""Measured on six gated scans of one scanner, which are not at hand here; the lowest frequency is lung1_001's."""
REAL = (
    "lung1_001/image.nii.gz",
    "ibsi_ct/nifti/image/phantom.nii.gz",
    "thorax_ct/example_ct_dicom",
    "thorax_ct/aorta/ct_cropped.nii.gz",
    "thorax_ct/pulmonary/ct_cropped.nii.gz",
)
ROWS = (
    *("lung p5", "lung p50", "lung p95", "soft tissue p50", "bone p50", "bone p95", "bone max"),
    *("noise SD p50", "slice correlation", "mean frequency", "pieces mm³ p50", "pieces from lung p50"),
)


def looks(protocol: str, count: int, **scan: object) -> list[dict[str, float]]:
    cohort = PhantomCohort(
        zero=0, nonzero=count, seed="real", protocol=protocol, acquisitions="varied", **scan
    )
    return [measures(case.source.load().image) for case in cohort.cases()]


@pytest.fixture(scope="module")
def gated():
    return looks("cardiac", 5, matrix=400, coverage_mm=60)


@pytest.fixture(scope="module")
def chests():
    return looks("chest", 3, matrix=384, coverage_mm=150)


@pytest.fixture(scope="module")
def real(real_data):
    return [measures(read_image(real_data / name)) for name in REAL]


@pytest.mark.slow
@pytest.mark.parametrize("row", GATED)
def test_gated_phantoms_are_within_the_range_of_gated_scans(gated, row):
    low, high = GATED[row]
    assert low <= np.median([scan[row] for scan in gated]) <= high


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_chest_phantoms_are_within_the_range_of_real_chests(chests, real, row):
    of_real = [scan[row] for scan in real]
    assert min(of_real) <= np.median([scan[row] for scan in chests]) <= max(of_real)


def test_a_patient_is_as_deep_as_drawn_and_the_depths_are_those_of_patients():
    cases = PhantomCohort(zero=150, nonzero=0, seed="depth").cases()
    depths = [case.source.patient.chest_depth_mm for case in cases]
    assert min(depths) >= 190
    assert max(depths) <= 340
    assert 245 <= np.mean(depths) <= 267
    assert np.percentile(depths, 95) >= 290


def test_the_first_generation_is_not_within_the_range_of_gated_scans():
    """What the measures are for: they tell the plain phantom from patients."""
    cohort = PhantomCohort(zero=0, nonzero=2, seed="real", generation=1)
    old = [measures(case.source.load().image) for case in cohort.cases()]
    outside = [
        row for row, (low, high) in GATED.items() if not low <= np.median([scan[row] for scan in old]) <= high
    ]
    assert {"bone max", "slice correlation", "mean frequency"} <= set(outside)


def test_measures_find_the_noise_that_was_put_in():
    hu = np.random.default_rng(0).normal(40, 15, (12, 96, 96)).astype(np.float32)
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((0.8, 0.8, 3.0))
    found = measures(image)
    assert found["noise SD p50"] == pytest.approx(15, rel=0.05)
    assert found["slice correlation"] == pytest.approx(0, abs=0.05)
    assert found["soft tissue p50"] == pytest.approx(40, abs=1)
    assert "lung p50" not in found
    assert "chest depth" not in found


def test_air_alone_has_no_patient_to_measure():
    found = measures(sitk.GetImageFromArray(np.full((8, 64, 64), -1000, np.int16)))
    assert not {"lung p50", "noise SD p50", "bone p50", "chest depth"} & set(found)


@pytest.mark.slow
def test_the_picture_shows_phantoms_above_real_scans(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.phantom.beside_real.COVERAGE_MM", 30.0)
    monkeypatch.setattr("benchmark.phantom.beside_real.PATIENTS", 1)
    scan = PhantomCohort(zero=1, nonzero=0, coverage_mm=30).cases()[0].source.load()
    sitk.WriteImage(scan.image, str(tmp_path / "real.nii.gz"))
    write_beside_real(tmp_path / "new" / "beside.png", [tmp_path / "real.nii.gz"])
    assert (tmp_path / "new" / "beside.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
