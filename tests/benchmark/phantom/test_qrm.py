"""The digital QRM insert against a closed form of blurred cylinders, published ranges, and the real scan."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.special import erf
from scipy.stats import ncx2

from benchmark.calcium.scoring import CalciumScoring, score
from benchmark.images.reading import read_image
from benchmark.phantom.heart.plaque import calcium_hu
from benchmark.phantom.qrm import DENSITIES_MG_CM3, REAL_SCAN, QrmCohort, QrmPhantom

THICKNESS_MM = 3.0
OFFSETS_MM = np.linspace(-1.5, 1.5, 10, endpoint=False)
IDEAL = {
    (200, 5): (39, 79),
    (400, 5): (118, 157),
    (800, 5): (157, 216),
    (200, 3): (7, 14),
    (400, 3): (28, 35),
    (800, 3): (28, 57),
}
"""Published range of the Agatston score over all z-offsets without blur, 3 mm slices: (density, size): (min, max)."""
REGRESSION = [55.249, 17.146, 0.0, 210.519, 55.249, 0.0, 326.734, 75.254, 0.0]
CALIBRATED = CalciumScoring(mass_calibration=1000 * 0.2 / calcium_hu(200))


def slice_fraction(z: np.ndarray, length: float, sigma: float) -> np.ndarray:
    """Return how much of a slice at `z` a cylinder of that length fills: two boxes and a Gaussian convolved."""
    sigma = max(sigma, 1e-9)
    outer, inner = (length + THICKNESS_MM) / 2, abs(length - THICKNESS_MM) / 2
    gauss = np.sqrt(2 * np.pi)

    def ramp(u):
        return u * (1 + erf(u / np.sqrt(2) / sigma)) / 2 + sigma / gauss * np.exp(-(u**2) / 2 / sigma**2)

    return (ramp(z + outer) - ramp(z + inner) - ramp(z - inner) + ramp(z - outer)) / THICKNESS_MM


def closed_form(hu, size, background, blur_sigma, profile_sigma, shift_hu=0.0):
    """Return (min, mean, max) over z-offsets of a blurred cylinder's Agatston score, in closed form.

    A disc blurred by a Gaussian has the profile of a non-central χ² distribution with two degrees of freedom;
    the contour at 130 HU is a circle in every slice. `shift_hu` raises every HU, as noise can.
    """
    radius = np.linspace(0, size / 2 + 4, 3000)
    if blur_sigma:
        disc = ncx2.cdf((size / 2 / blur_sigma) ** 2, 2, np.maximum(radius / blur_sigma, 1e-6) ** 2)
    else:
        disc = (radius <= size / 2).astype(float)
    totals = []
    for offset in np.linspace(-1.5, 1.5, 121):
        total = 0.0
        for fraction in slice_fraction(np.arange(-4, 5) * THICKNESS_MM - offset, size, profile_sigma):
            profile = background + (hu - background) * fraction * disc + shift_hu
            inside = profile >= 130
            if inside.any() and np.pi * (area := radius[inside].max() ** 2) >= 1:
                total += np.pi * area * (1 + np.searchsorted([200, 300, 400], profile.max(), side="right"))
        totals.append(total)
    return min(totals), float(np.mean(totals)), max(totals)


def scores(noise_sd_hu: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Agatston scores and masses (offset, cylinder)."""
    found = []
    for seed, offset in enumerate(OFFSETS_MM):
        acquisition = REAL_SCAN.model_copy(update={"noise_sd_hu": noise_sd_hu, "noise_seed": seed})
        scan = QrmPhantom(z_offset_mm=offset, acquisition=acquisition).load()
        regions = score(scan.image, scan.masks["vessels"], CALIBRATED).regions
        found.append([(r.agatston, r.mass_mg) for r in regions])
    agatston, mass = np.moveaxis(np.array(found), -1, 0)
    return agatston, mass


@pytest.fixture(scope="module")
def noise_free():
    return scores(0.0)


@pytest.fixture(scope="module")
def matched_noise():
    return scores(REAL_SCAN.noise_sd_hu)


@pytest.fixture(scope="module")
def cylinders():
    return QrmPhantom().cylinders


def blurred(cylinder, shift_hu=0.0):
    return closed_form(
        calcium_hu(cylinder.density_mg_cm3),
        cylinder.size_mm,
        QrmPhantom().background_hu,
        REAL_SCAN.psf_sigma_mm,
        REAL_SCAN.profile_sigma_mm,
        shift_hu,
    )


def test_without_blur_the_closed_form_gives_the_published_ranges():
    for (density, size), (low, high) in IDEAL.items():
        found = closed_form(calcium_hu(density, 20), size, 45.0, 0.0, 0.0)
        assert found[0] == pytest.approx(low, abs=1.0)
        assert found[2] == pytest.approx(high, abs=1.0)


def test_volumes_and_masses_are_those_of_the_real_insert(cylinders):
    volumes = {c.size_mm: c.volume_mm3 for c in cylinders}
    assert volumes == pytest.approx({5.0: 98.17, 3.0: 21.21, 1.0: 0.785}, rel=1e-3)
    assert sum(c.volume_mm3 for c in cylinders) == pytest.approx(360.5, abs=0.05)
    assert sum(c.mass_mg for c in cylinders) == pytest.approx(168.2, abs=0.05)


def test_noise_free_scores_over_all_offsets_are_those_of_the_closed_form(noise_free, cylinders):
    for index, cylinder in enumerate(cylinders):
        low, mean, high = blurred(cylinder)
        found = noise_free[0][:, index]
        slack = 0.05 * mean + 1.5
        assert low - slack <= found.min()
        assert found.max() <= high + slack
        assert found.mean() == pytest.approx(mean, rel=0.06, abs=0.5)


def test_at_matched_noise_each_insert_scores_in_the_ideal_range_widened_by_blur_and_noise(
    matched_noise, cylinders
):
    """The range: from the lower of ideal and blurred minimum to the blurred maximum, at ±1 noise SD of HU, and 3 % for
    the pixels.
    """
    for index, cylinder in enumerate(cylinders):
        if cylinder.size_mm == 1.0:
            continue
        ideal = IDEAL[cylinder.density_mg_cm3, cylinder.size_mm]
        low = min(ideal[0], blurred(cylinder, -REAL_SCAN.noise_sd_hu)[0])
        high = max(ideal[1], blurred(cylinder, REAL_SCAN.noise_sd_hu)[2])
        found = matched_noise[0][:, index]
        assert 0.97 * low <= found.min()
        assert found.max() <= 1.03 * high
        assert 0.9 * ideal[0] <= found.mean()


def test_the_total_mass_is_within_a_tenth_of_the_truth(noise_free, matched_noise):
    for _, mass in (noise_free, matched_noise):
        assert mass.sum(axis=1) == pytest.approx(np.full(len(OFFSETS_MM), 168.2), rel=0.10)


def test_noise_free_scores_at_offset_zero_stay_as_they_are():
    acquisition = REAL_SCAN.model_copy(update={"noise_sd_hu": 0.0})
    scan = QrmPhantom(acquisition=acquisition).load()
    found = [r.agatston for r in score(scan.image, scan.masks["vessels"], CALIBRATED).regions]
    assert found == pytest.approx(REGRESSION, abs=1e-3)


def test_cylinders_lie_where_they_lie_in_the_real_scan(real_data):
    """Centres of 5 and 3 mm found in the real series, about the insert's middle, mm."""
    volume = sitk.GetArrayFromImage(read_image(real_data / "qrm_phantom" / "dicom"))[22].astype(float)
    for cylinder in QrmPhantom().cylinders:
        if cylinder.size_mm == 1.0:
            continue
        row, column = (int(v / 0.488) for v in cylinder.centre[1:])
        window = volume[217 + row - 9 : 217 + row + 10, 257 + column - 9 : 257 + column + 10]
        excess = np.clip(window - 120, 0, None)
        offset = [(excess.sum(axis=1 - a) * (np.arange(19) - 9)).sum() / excess.sum() * 0.488 for a in (0, 1)]
        assert np.hypot(*offset) < 1.5


def test_offsets_are_spread_over_one_slice():
    cases = QrmCohort(scans=6).cases()
    offsets = sorted(case.source.z_offset_mm for case in cases)
    assert offsets == pytest.approx([-1.5, -1.0, -0.5, 0.0, 0.5, 1.0])
    assert len({case.source.acquisition.noise_seed for case in cases}) == 6


def test_an_offset_beyond_the_slice_is_refused():
    with pytest.raises(ValueError, match=r"z_offset_mm[\s\S]*less than or equal to 1.5"):
        QrmCohort(z_offset_mm=2.0)


def test_each_density_has_a_spoke_of_its_own(cylinders):
    angles = {c.density_mg_cm3: np.rad2deg(np.arctan2(c.centre[1], c.centre[2])) % 360 for c in cylinders}
    assert sorted(angles) == sorted(DENSITIES_MG_CM3)
    turns = np.diff(sorted(angles.values()))
    assert turns == pytest.approx([120, 120])
