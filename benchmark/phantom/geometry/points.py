"""What is thinner than voxels, as points that each hold a volume: it goes to the voxel that a point lies in."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.geometry.grid import Canvas, Flags, Grid


def add_points(
    canvas: Canvas,
    points: NDArray[np.float64],
    volumes: NDArray[np.float64],
    value: float,
    within: Flags | None = None,
) -> None:
    """Replace as much of the voxels as the points (n, 3) hold, mm³ each, by a HU above theirs; none gets beyond it.

    `within`, of the canvas's shape, keeps them to a part of it.
    """
    grid, flat = canvas.grid, canvas.hu.reshape(-1)
    k, j, i = (np.rint((points[:, a] - grid.origin[a]) / grid.spacing[a]).astype(np.intp) for a in range(3))
    held = np.ones(len(points), np.bool_)
    for index, size in zip((k, j, i), grid.shape, strict=True):
        held &= (index >= 0) & (index < size)
    voxels = ((k * grid.shape[1] + j) * grid.shape[2] + i)[held]
    shares = volumes[held] / math.prod(grid.spacing)
    if within is not None:
        inside = within.reshape(-1)[voxels]
        voxels, shares = voxels[inside], shares[inside]
    touched, place = np.unique(voxels, return_inverse=True)
    filled = np.minimum(np.bincount(place, shares, len(touched)), 1.0).astype(np.float32)
    flat[touched] += filled * np.maximum(np.float32(value) - flat[touched], 0)


def near(grid: Grid, points: NDArray[np.float64], reach_mm: float | NDArray[np.float64]) -> Flags:
    """Say which points (n, 3) lie on the grid or within `reach_mm`, one for all or (n, 1), of it."""
    low = np.asarray(grid.origin) - reach_mm
    high = low + 2 * reach_mm + np.asarray(grid.spacing) * (np.asarray(grid.shape) - 1)
    return np.asarray(((points >= low) & (points <= high)).all(axis=1))
