"""A patch as another scanner shows it: tube voltage, kernel and dose."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmenters.denseraunet.training.study import Augmentation


def as_another_scanner(
    stack: NDArray[Any], augmentation: Augmentation, pixel_mm: float, rng: np.random.Generator
) -> NDArray[Any]:
    """Return slices (k, y, x) in HU as another tube voltage, kernel and dose might show them."""
    from scipy import ndimage

    if not (augmentation.contrast or augmentation.noise_hu or augmentation.blur_mm):
        return stack
    hu: NDArray[np.float32] = stack.astype(np.float32)
    hu = np.where(hu > 0, hu * np.float32(1 + rng.uniform(-1, 1) * augmentation.contrast), hu)
    if (sigma := float(rng.uniform(0, augmentation.blur_mm)) / pixel_mm) > 0.2:
        hu = ndimage.gaussian_filter(hu, (0, sigma, sigma))
    noise = rng.standard_normal(hu.shape, np.float32)
    if augmentation.noise_peak_per_mm is None:
        # A reconstructed image's noise is coloured: neighbouring pixels are not independent.
        noise = ndimage.gaussian_filter(noise, (0.4, 0.7, 0.7))
    else:
        noise = _textured(noise, float(rng.uniform(*augmentation.noise_peak_per_mm)), pixel_mm)
    return np.asarray(hu + noise * np.float32(rng.uniform(0, augmentation.noise_hu) / noise.std()))


def _textured(white: NDArray[np.float32], peak: float, pixel_mm: float) -> NDArray[np.float32]:
    """Return noise whose power rises from 0 to its most at `peak` (/mm) and falls, as of filtered back-projection."""
    import scipy.fft

    rows, columns = white.shape[1:]
    frequency = np.hypot(np.fft.fftfreq(rows, pixel_mm)[:, None], np.fft.rfftfreq(columns, pixel_mm)[None])
    amplitude = np.sqrt(frequency * np.exp(-frequency / peak)).astype(np.float32)
    return np.asarray(scipy.fft.irfft2(scipy.fft.rfft2(white) * amplitude, s=(rows, columns)), np.float32)
