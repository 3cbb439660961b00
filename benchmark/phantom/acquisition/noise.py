"""CT noise with the texture of filtered back-projection.

The radial noise power spectrum is f · exp(−(f/b)^1.7): the ramp at low frequency, the apodised kernel above it.
With its peak at 0.21 /mm it follows the spectrum published for a real scan of the QRM phantom (FC12 kernel, peak
0.221 /mm) to 0.07 of its maximum. Spectra beyond the Nyquist frequency alias, as they do in a scanner that
samples its reconstruction on a coarse pixel, so the SD does not depend on the pixel.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from benchmark.phantom.geometry.grid import Floats

DECAY = 1.7
_ALIASES = range(-2, 3)


def radial_nps(frequency: NDArray[np.floating], peak: float) -> NDArray[np.float64]:
    """Return the noise power at `frequency` (/mm), 1 at its `peak` (/mm)."""
    b = peak * DECAY ** (1 / DECAY)
    shape = frequency * np.exp(-((frequency / b) ** DECAY))
    return np.asarray(shape / (peak * math.exp(-((peak / b) ** DECAY))))


@lru_cache(maxsize=4)
def amplitude(rows: int, columns: int, dy: float, dx: float, peak: float) -> Floats:
    """Return the filter that gives white noise this texture and an SD of 1, on the half-plane of `rfft2`."""
    power = np.zeros((rows, columns // 2 + 1))
    for a in _ALIASES:
        for b in _ALIASES:
            fy = np.fft.fftfreq(rows, dy) + a / dy
            fx = np.fft.rfftfreq(columns, dx) + b / dx
            power += radial_nps(np.hypot(fy[:, None], fx[None, :]), peak)
    twice = np.full(columns // 2 + 1, 2.0)
    twice[0] = 1.0
    if columns % 2 == 0:
        twice[-1] = 1.0
    mean = float((power * twice).sum()) / (rows * columns)
    return np.sqrt(power / mean).astype(np.float32)


def correlated_noise(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    peak: float,
    slice_correlation: float,
    seed: int,
) -> Floats:
    """Return noise of SD 1 with that spectrum in the plane and that correlation between adjacent slices."""
    rng = np.random.default_rng(seed)
    extra = 2 if slice_correlation > 0 else 0
    white = rng.standard_normal((shape[0] + extra, *shape[1:]), dtype=np.float32)
    if extra:
        tap = (1 - math.sqrt(1 - 2 * slice_correlation**2)) / (2 * slice_correlation)
        white = white[1:-1] + np.float32(tap) * (white[:-2] + white[2:])
        white /= np.float32(math.sqrt(1 + 2 * tap**2))
    spectrum = scipy.fft.rfft2(white)
    spectrum *= amplitude(shape[1], shape[2], spacing[1], spacing[2], peak)
    return np.asarray(scipy.fft.irfft2(spectrum, s=shape[1:], overwrite_x=True), dtype=np.float32)
