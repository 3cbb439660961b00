"""The measured point spread against edges of known blur, and against the MTF published for a real scan."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from benchmark.images.geometry import tube_voltage
from benchmark.images.reading import read_image
from benchmark.phantom.implant.edge_spread import measured_psf_sigma


def ellipse(pixel_mm: float, sigma_mm: float, noise_hu: float) -> np.ndarray:
    """Return five slices of a soft ellipse in air: an edge of exact place, blurred on a five times finer grid."""
    side, fine = int(300 / pixel_mm), 5
    at = (np.arange(side * fine) + 0.5) / fine * pixel_mm - side * pixel_mm / 2
    inside = ((at[:, None] / 90) ** 2 + (at / 130) ** 2 < 1).astype(np.float32)
    rest = np.sqrt(sigma_mm**2 - pixel_mm**2 / 12) / pixel_mm * fine
    blurred = ndimage.gaussian_filter(inside, rest).reshape(side, fine, side, fine).mean((1, 3))
    noise = np.random.default_rng(0).normal(0, noise_hu, (5, side, side))
    return 1040 * blurred - 1000 + noise


@pytest.mark.parametrize("noise_hu", [0.0, 25.0])
@pytest.mark.parametrize(("pixel_mm", "sigma_mm"), [(0.4, 0.45), (0.4, 0.7), (0.8, 0.65), (0.8, 0.9)])
def test_a_known_blur_is_measured_within_three_percent(pixel_mm, sigma_mm, noise_hu):
    hu = ellipse(pixel_mm, sigma_mm, noise_hu)
    assert measured_psf_sigma(hu, (3.0, pixel_mm, pixel_mm)) == pytest.approx(sigma_mm, rel=0.03)


def test_a_scan_without_air_or_of_two_slices_tells_nothing():
    soft = np.random.default_rng(0).normal(40, 20, (5, 128, 128))
    assert measured_psf_sigma(soft, (3.0, 0.8, 0.8)) is None
    assert measured_psf_sigma(ellipse(0.8, 0.65, 0)[:2], (3.0, 0.8, 0.8)) is None


def test_of_the_real_qrm_scan_it_is_that_of_the_published_mtf(real_data):
    """Published MTF50 of this series: 0.27 /mm; of a Gaussian MTF50 = √(ln 2 / 2) / (π σ)."""
    image = read_image(real_data / "qrm_phantom" / "dicom")
    sigma = measured_psf_sigma(sitk.GetArrayFromImage(image), image.GetSpacing()[::-1])
    assert np.sqrt(np.log(2) / 2) / (np.pi * sigma) == pytest.approx(0.27, rel=0.05)
    assert tube_voltage(image) == 120
