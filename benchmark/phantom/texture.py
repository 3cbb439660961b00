"""Slow variation of HU within tissue: no organ is a constant."""

from __future__ import annotations

import numpy as np

from benchmark.phantom.grid import Canvas, Floats

SCALES_MM = (12.0, 5.0)
SOFT_SD_HU, LUNG_SD_HU = 4.0, 28.0
LUNG_BELOW_HU, AIR_BELOW_HU = -500.0, -985.0


def add_texture(canvas: Canvas, seed: int) -> None:
    """Add a smooth random field to the volume: SD 4 HU in soft tissue, 28 HU in lung, none in air.

    The field belongs to the patient: it is fixed to the origin and so the same on every grid.
    """
    hu = canvas.hu
    field = sum_of_fields(canvas, seed)
    lung = hu < LUNG_BELOW_HU
    field *= np.where(lung, np.float32(LUNG_SD_HU), np.float32(SOFT_SD_HU))
    field[hu < AIR_BELOW_HU] = 0
    hu += field


def sum_of_fields(canvas: Canvas, seed: int) -> Floats:
    """Return the field of SD 1 on the canvas's grid: independent fields of two scales."""
    total = np.zeros(canvas.grid.shape, np.float32)
    for index, scale in enumerate(SCALES_MM):
        total += _field(canvas, scale, seed + index)
    total /= np.float32(np.sqrt(len(SCALES_MM)))
    return total


def _field(canvas: Canvas, scale: float, seed: int) -> Floats:
    """Return one field: white noise on a lattice of `scale` mm, smoothed and interpolated axis by axis."""
    half = int(320 / scale)
    lattice = np.random.default_rng([seed, 2]).standard_normal((2 * half,) * 3, dtype=np.float32)
    for axis in canvas.grid.axes:
        near = axis / np.float32(scale) + half
        weights = np.exp(-0.5 * ((near[:, None] - np.arange(2 * half)) / 0.6) ** 2)
        weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
        used = np.flatnonzero(weights.max(axis=0) > 1e-4)
        lattice = np.tensordot(lattice[used], weights[:, used].astype(np.float32), axes=(0, 1))
    return lattice
