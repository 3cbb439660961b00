"""The scan's physics, measured as one measures a scanner: noise, its spectrum, resolution, slice profile."""

import csv

import numpy as np
import pytest

from benchmark.phantom.acquisition.noise import correlated_noise
from benchmark.phantom.acquisition.scanner import SCANNERS, Acquisition, blur, draw_acquisition, noise, preset
from benchmark.phantom.body.patient import Patient
from benchmark.phantom.geometry.grid import Ellipsoid, Grid
from benchmark.phantom.geometry.supersampling import PartialVolume
from benchmark.phantom.heart.plaque import Disease, calcium_hu
from benchmark.phantom.qrm import REAL_SCAN, QrmPhantom
from benchmark.phantom.synthesis import Phantom


def scanned(shapes: list[Ellipsoid], acquisition: Acquisition) -> tuple[np.ndarray, Grid]:
    """Return the noise-free scan of shapes of 1000 HU in a void of 0 HU."""
    grid = acquisition.grid((0.0, 0.0, 0.0))
    layer = PartialVolume(grid, acquisition.profile_sigma_mm)
    for shape in shapes:
        layer.add_shape(shape, 1000.0)
    hu = np.zeros(grid.shape, np.float32)
    layer.compose(hu)
    return blur(hu, grid, acquisition), grid


def measured_mtf50(acquisition: Acquisition) -> float:
    """Return the frequency (/mm) at which the presampled MTF falls to a half.

    A thin wire is scanned at eight places within a pixel; together they sample its line spread eight times finer
    than the pixel, so that nothing aliases.
    """
    frequency = np.linspace(0, 1, 1001)
    spectrum = np.zeros(len(frequency), complex)
    for part in range(8):
        shift = (part / 8 - 0.5) * acquisition.pixel_mm
        volume, grid = scanned([Ellipsoid((0.0, 0.1, shift), (30.0, 0.12, 0.12))], acquisition)
        line = volume[grid.shape[0] // 2].sum(axis=0)
        spectrum += np.exp(-2j * np.pi * np.outer(frequency, grid.axes[2] - shift)) @ line
    mtf = np.abs(spectrum) / np.abs(spectrum[0])
    below = int(np.argmax(mtf < 0.5))
    return float(np.interp(0.5, mtf[[below, below - 1]], frequency[[below, below - 1]]))


def measured_nps(volume: np.ndarray, pixel: float, side: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Return the radial NPS (HU² mm²) from squares of `side` pixels, each freed of its mean (ICRU 87)."""
    _, rows, columns = volume.shape
    squares = [
        volume[:, r : r + side, c : c + side]
        for r in range(0, rows - side + 1, side)
        for c in range(0, columns - side + 1, side)
    ]
    stack = np.concatenate(squares).astype(float)
    stack -= stack.mean(axis=(1, 2), keepdims=True)
    power = (np.abs(np.fft.fft2(stack)) ** 2).mean(axis=0) * pixel**2 / side**2
    axis = np.fft.fftfreq(side, pixel)
    radius = np.hypot(axis[:, None], axis[None, :])
    edges = np.arange(0.5, side // 2) / (side * pixel)
    which = np.digitize(radius, edges)
    frequency = np.array([radius[which == i].mean() for i in range(1, len(edges))])
    return frequency, np.array([power[which == i].mean() for i in range(1, len(edges))])


@pytest.mark.parametrize("scanner", SCANNERS)
def test_the_noise_of_a_cardiac_scan_has_the_sd_that_was_asked_for(scanner):
    patient = Patient()
    scans = [
        Phantom(patient, Disease(), draw_acquisition(preset("cardiac", scanner), patient, False, seed))
        for seed in (1, 2)
    ]
    asked = scans[0].acquisition
    same_place = scans[1].acquisition.model_copy(update={"table_mm": asked.table_mm})
    first = Phantom(patient, Disease(), asked).image().astype(float)
    second = Phantom(patient, Disease(), same_place).image().astype(float)
    middle = slice(60, 132)
    measured = (first - second)[:, middle, middle].std() / np.sqrt(2)
    assert measured == pytest.approx(asked.noise_sd_hu, rel=0.05)


def test_the_noise_does_not_depend_on_the_pixel_size():
    for pixel in (0.35, 0.488, 0.78125, 1.2):
        side = round(120 / pixel)
        field = correlated_noise((12, side, side), (3.0, pixel, pixel), 0.21, 0.0, seed=1)
        assert field.std() == pytest.approx(1.0, rel=0.02)


def test_the_noise_of_adjacent_slices_has_the_asked_correlation():
    field = correlated_noise((200, 48, 48), (1.5, 0.8, 0.8), 0.25, 0.2, seed=3)
    assert np.corrcoef(field[1:].ravel(), field[:-1].ravel())[0, 1] == pytest.approx(0.2, abs=0.02)
    assert np.corrcoef(field[4:].ravel(), field[:-4].ravel())[0, 1] == pytest.approx(0.0, abs=0.02)


def test_noise_falls_from_the_middle_of_the_body_to_its_outline():
    acquisition = Acquisition(field_of_view_mm=320, pixel_mm=1.25, coverage_mm=180)
    field = noise(acquisition.grid((0.0, 0.0, 0.0)), acquisition, Patient())
    middle, flank = field[:, 118:138, 118:138].std(), field[:, 118:138, 5:15].std()
    assert middle == pytest.approx(20.0, rel=0.05)
    assert flank < 0.85 * middle


def test_the_noise_spectrum_follows_the_one_published_for_a_real_scan(real_data):
    with (real_data / "qrm_phantom" / "nps_published.csv").open() as stream:
        rows = [(float(r["frequency_per_mm"]), float(r["nps_hu2_mm2"])) for r in csv.DictReader(stream)]
    published = np.array(rows)
    a = REAL_SCAN
    field = correlated_noise(
        (40, 512, 512), (3.0, a.pixel_mm, a.pixel_mm), a.nps_peak_per_mm, a.slice_correlation, seed=5
    )
    frequency, power = measured_nps(field * a.noise_sd_hu, a.pixel_mm)
    reference = np.interp(frequency, *published.T)
    smooth = np.convolve(power, [0.25, 0.5, 0.25], mode="same")
    assert frequency[smooth.argmax()] == pytest.approx(published[published[:, 1].argmax(), 0], rel=0.1)
    assert np.abs(power / smooth.max() - reference / published[:, 1].max()).max() < 0.1
    area = np.trapezoid(2 * np.pi * frequency * power, frequency)
    assert area == pytest.approx(a.noise_sd_hu**2, rel=0.05)


@pytest.mark.parametrize("scanner", SCANNERS)
def test_a_cardiac_scan_resolves_027_to_032_per_mm(scanner):
    base = preset("cardiac", scanner)
    for pixel in (0.4, 0.78125):
        acquisition = base.model_copy(update={"pixel_mm": pixel, "coverage_mm": 9.0})
        measured = measured_mtf50(acquisition)
        assert 0.27 <= measured <= 0.32
        assert measured == pytest.approx(base.mtf50_per_mm, rel=0.03)


def test_a_sharper_chest_kernel_resolves_more_and_is_noisier():
    chest, cardiac = preset("chest", "sharp"), preset("cardiac", "sharp")
    assert measured_mtf50(chest.model_copy(update={"coverage_mm": 9.0, "pixel_mm": 0.4})) > 0.38
    assert chest.noise_sd_hu > cardiac.noise_sd_hu
    assert chest.nps_peak_per_mm > cardiac.nps_peak_per_mm


@pytest.mark.parametrize("thickness", [1.0, 3.0, 5.0])
def test_the_slice_profile_is_as_wide_as_the_slice(thickness):
    acquisition = Acquisition(
        slice_thickness_mm=thickness, increment_mm=0.25, coverage_mm=24.0, field_of_view_mm=20.0
    )
    disc = Ellipsoid((0.0, 0.0, 0.0), (0.1, 2.0, 2.0))
    volume, grid = scanned([disc], acquisition)
    profile = volume[:, grid.shape[1] // 2, grid.shape[2] // 2]
    above = np.flatnonzero(profile >= profile.max() / 2)
    assert (above[-1] - above[0] + 1) * 0.25 == pytest.approx(thickness, abs=0.3)


@pytest.mark.parametrize("semi_axes", [(0.6, 0.5, 0.5), (1.5, 1.0, 0.7), (4.0, 2.4, 1.8)])
def test_no_calcium_is_lost_in_the_scan(semi_axes):
    """What a lesion brings, summed over all voxels, is its closed-form volume times its HU."""
    turned = ((0.6, 0.8, 0.0), (-0.8, 0.6, 0.0), (0.0, 0.0, 1.0))
    acquisition = Acquisition(coverage_mm=45, field_of_view_mm=60)
    for centre in ((0.0, 0.0, 0.0), (1.3, 0.21, -0.37)):
        volume, grid = scanned([Ellipsoid(centre, semi_axes, turned)], acquisition)
        brought = volume.sum(dtype=float) * np.prod(grid.spacing)
        assert brought == pytest.approx(1000 * 4 / 3 * np.pi * np.prod(semi_axes), rel=0.02)


def test_calcium_is_darker_in_a_larger_patient():
    """Computed spectra: 264 HU for 200 mg/cm³ behind 20 cm of water, 246 HU behind 30 cm."""
    assert calcium_hu(200, 20) == pytest.approx(264, abs=0.5)
    assert calcium_hu(200, 30) == pytest.approx(246, abs=0.5)
    assert calcium_hu(800, 30) == pytest.approx(983, abs=2)
    assert calcium_hu(400, 20) == pytest.approx(528, abs=0.5)


def test_a_larger_patient_has_more_noise():
    small, large = Patient(chest_width_mm=280, chest_depth_mm=190), Patient(chest_width_mm=420)
    drawn = [draw_acquisition(preset("cardiac", "soft"), p, False, 0).noise_sd_hu for p in (small, large)]
    assert drawn[0] < preset("cardiac", "soft").noise_sd_hu < drawn[1]


def test_the_digital_qrm_scan_has_the_noise_of_the_real_one():
    region = QrmPhantom().image()[:, 196:256, 226:286].astype(float)
    away = np.concatenate([region[:5], region[-5:]])
    assert away.mean() == pytest.approx(74.9, abs=1.0)
    assert away.std() == pytest.approx(21.6, rel=0.05)
