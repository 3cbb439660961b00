"""Cardiac motion during a rotation, as scans without gating show it: crescents, tails and shadows.

A reconstructed slice is, along each direction of its Fourier plane, the projection that was taken at that angle
(Fourier slice theorem, parallel beams, half a turn). What moves meanwhile is shifted from angle to angle, so its
spectrum takes the phase of where it was then. A mean along the way has no shadows and keeps no sharp parts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RADIUS_MM = (8.0, 25.0)
"""Of what moves along with a pixel; beyond, less and less does."""
TURN = np.pi / 2
"""How far the way may bend either way, rad."""
SLICE_TURN = 0.3
"""SD of how much later, in rad of the rotation, the next slice is taken in the heart's beat."""
CALCIUM_HU = 50.0
"""A pixel is calcium still where calcium alone gives it that much."""
SOFT_HU = 60.0


def moved(
    stack: NDArray[Any],
    calcium: NDArray[np.bool_],
    centre: tuple[float, float],
    way_mm: float,
    pixel_mm: float,
    rng: np.random.Generator,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return slices (k, y, x) in HU and the calcium (y, x) of the middle one, what is around `centre` having moved.

    `centre` is a pixel (y, x), `way_mm` the length of the way in the plane over half a turn.
    """
    from scipy import ndimage

    hu: Floats = stack.astype(np.float32)
    middle = len(hu) // 2
    dense = np.where(ndimage.binary_dilation(calcium, iterations=2), np.maximum(hu[middle] - SOFT_HU, 0), 0)
    window = _window(calcium.shape, centre, float(rng.uniform(*RADIUS_MM)) / pixel_mm)
    way = _way(rng, way_mm / pixel_mm)
    start, later = rng.uniform(0, np.pi), rng.normal(0, SLICE_TURN)
    starts = [start + later * (k - middle) for k in range(len(hu))]
    inside = np.concatenate([hu, dense[None]]) * window
    after = _reconstructed(inside, [*starts, start], way)
    share = dense * (1 - window) + after[-1]
    return hu + after[:-1] - inside[:-1], np.asarray(share >= CALCIUM_HU)


def _window(shape: tuple[int, ...], centre: tuple[float, float], radius: float) -> Floats:
    """Return how much of each pixel (y, x) moves: all around the centre, nothing far from it or at the border."""
    y, x = (np.arange(size) - place for size, place in zip(shape, centre, strict=True))
    disc = np.exp(-(((y[:, None] ** 2 + x[None] ** 2) / radius**2) ** 2))
    ends = [np.clip(np.minimum(np.arange(n), n - 1 - np.arange(n)) / 12, 0, 1) for n in shape]
    return np.asarray(disc * ends[0][:, None] * ends[1][None], np.float32)


def _way(rng: np.random.Generator, length: float) -> NDArray[np.float64]:
    """Draw an arc: displacements (y, x) in pixels at evenly spaced moments, about their mean."""
    bend = rng.uniform(0, 2 * np.pi) + rng.uniform(-TURN, TURN) * np.linspace(-0.5, 0.5, 32)
    steps = np.stack([np.sin(bend), np.cos(bend)]) * length / len(bend)
    places = np.cumsum(steps, axis=1)
    return np.asarray(places - places.mean(axis=1, keepdims=True))


def _reconstructed(images: Floats, starts: list[float], way: NDArray[np.float64]) -> Floats:
    """Return images (k, y, x) that moved along `way` while the rotation began, for each, at its angle."""
    import scipy.fft

    rows, columns = images.shape[1:]
    fy, fx = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None]
    angle = np.arctan2(fy, fx)
    moments = np.linspace(0, 1, way.shape[1])
    spectra = scipy.fft.rfft2(images)
    for spectrum, start in zip(spectra, starts, strict=True):
        when = np.mod(angle - start, np.pi) / np.pi
        y, x = (np.interp(when, moments, along) for along in way)
        spectrum *= np.exp(-2j * np.pi * (fy * y + fx * x)).astype(np.complex64)
    return np.asarray(scipy.fft.irfft2(spectra, s=(rows, columns)), np.float32)
