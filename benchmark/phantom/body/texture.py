"""Slow variation of HU within tissue: no organ is a constant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.geometry.fields import Lattice
from benchmark.phantom.geometry.grid import Canvas, Floats
from benchmark.phantom.geometry.vectors import weigh

SCALES_MM = (12.0, 5.0)
TEXTURE_CELL_MM = 2.0
REACH_MM = 420.0
"""The lattice reaches this far from the origin: beyond the largest grid."""
SOFT_SD_HU, LUNG_SD_HU = 4.0, 28.0
LUNG_BELOW_HU, AIR_BELOW_HU = -500.0, -985.0
BONE_ABOVE_HU, CORTICAL_HU = 110.0, 300.0
MARROW_SD_HU = 45.0
"""Trabeculae and islands of fat in cancellous bone."""
SCLEROSIS = 0.26
"""How much the density of cortical bone varies, as a share of what it has above the marrow's."""


def add_texture(canvas: Canvas, seed: int) -> None:
    """Add a smooth random field: SD 4 HU in soft tissue, 28 HU in lung, none in air, 45 HU and more in bone.

    The field belongs to the patient: it is fixed to the origin and so the same on every grid.
    """
    hu = canvas.hu
    field = sum_of_fields(canvas, seed)
    lung = hu < LUNG_BELOW_HU
    field *= np.where(lung, np.float32(LUNG_SD_HU), np.float32(SOFT_SD_HU))
    if (bone := canvas.bone) is not None:
        even = field[bone] / np.float32(SOFT_SD_HU)
        dense = np.float32(SCLEROSIS) * np.maximum(hu[bone] - np.float32(CORTICAL_HU), 0)
        # Denser places are rarer and stand out more than thinner ones: the field's square is added.
        field[bone] = np.float32(MARROW_SD_HU) * even + dense * (even + np.float32(0.5) * even * even)
    field[hu < AIR_BELOW_HU] = 0
    hu += field


def sum_of_fields(canvas: Canvas, seed: int) -> Floats:
    """Return the field of SD 1 on the canvas's grid: independent fields of two scales.

    The second generation's, which tells bone, is interpolated from a lattice: it takes a tenth of the time.
    """
    if canvas.bone is not None:
        lattice = Lattice(canvas.grid, TEXTURE_CELL_MM)
        fields = [smooth_field(lattice, scale, 2 * seed + index) for index, scale in enumerate(SCALES_MM)]
        return lattice.values(np.asarray(sum(fields)) / np.sqrt(len(fields)))
    total = np.zeros(canvas.grid.shape, np.float32)
    for index, scale in enumerate(SCALES_MM):
        total += _field(canvas.grid.axes, scale, int(REACH_MM / scale), 2 * seed + index)
    total /= np.float32(np.sqrt(len(SCALES_MM)))
    return total


def _field(axes: Sequence[NDArray[np.floating]], scale: float, half: int, seed: int) -> Floats:
    """Return one field on axes (z, y, x): white noise on a lattice of `scale` mm, smoothed and interpolated.

    Each plane of the lattice, which reaches `half` points from the origin, has a seed of its own, so that only those
    near the grid are drawn.
    """
    weights, used = zip(*(_interpolation(axis / scale + half, 2 * half) for axis in axes), strict=True)
    planes = [
        np.random.default_rng([seed, int(k)]).standard_normal((2 * half,) * 2, np.float32) for k in used[0]
    ]
    field = np.stack(planes)[:, used[1]][:, :, used[2]]
    for axis, weight in enumerate(weights):
        field = weigh(weight, field, axis)
    return field


def _interpolation(at: NDArray[np.floating], count: int) -> tuple[Floats, NDArray[np.intp]]:
    """Return weights (n, k) that keep the SD at 1, and which k of `count` lattice points they belong to."""
    weights = np.exp(-0.5 * ((at[:, None] - np.arange(count)) / 0.6) ** 2)
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    used = np.flatnonzero(weights.max(axis=0) > 1e-4)
    return weights[:, used].astype(np.float32), used


def smooth_field(lattice: Lattice, scale: float, seed: int) -> NDArray[np.float64]:
    """Return a smooth random field of SD 1 and that scale, mm, on a lattice (z, y, x); fixed to the origin."""
    return _field(lattice.axes, scale, int(REACH_MM / scale) + 1, seed).astype(np.float64)
