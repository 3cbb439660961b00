"""Streaks around metal, as filtered back-projection leaves them: rays from it, bright and dark, that fade away."""

from __future__ import annotations

import numpy as np

from benchmark.phantom.geometry.grid import Floats, Grid

METAL_HU = 1900.0
FADES_MM = 12.0
RAYS = 9
HU_PER_MM2 = 60.0
STRONGEST_HU = 500.0


def add_streaks(hu: Floats, grid: Grid, seed: int) -> Floats:
    """Add streaks to every slice (y, x) that holds metal: HU above 1900."""
    metal = hu > METAL_HU
    for index in np.flatnonzero(metal.any(axis=(1, 2))):
        rng = np.random.default_rng([seed, 51, int(index)])
        rows, columns = np.nonzero(metal[index])
        y = grid.axes[1][:, None].astype(np.float64) - float(grid.axes[1][rows].mean())
        x = grid.axes[2][None, :].astype(np.float64) - float(grid.axes[2][columns].mean())
        distance, angle = np.hypot(y, x), np.arctan2(y, x)
        rays = np.zeros(distance.shape)
        for _ in range(RAYS):
            sharp = float(rng.uniform(60, 500))
            rays += (
                float(rng.choice([-1.0, 0.7])) * np.abs(np.cos(angle - float(rng.uniform(0, np.pi)))) ** sharp
            )
        area = len(rows) * grid.spacing[1] * grid.spacing[2]
        strength = min(HU_PER_MM2 * area, STRONGEST_HU)
        hu[index] += (strength * rays * FADES_MM / (distance + FADES_MM) * ~metal[index]).astype(np.float32)
    return hu
