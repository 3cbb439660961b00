"""Cross-sections that do not change along z: ovals with softened edges, composed to one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.geometry.grid import Floats, Grid

Layer = tuple[Floats, float]
"""A part of the section: how far it fills each pixel (y, x), and its HU."""


def compose(grid: Grid, background: float, layers: Sequence[Layer]) -> Floats:
    """Return the section (y, x) in HU with the layers painted over the background, the later over the earlier."""
    section = np.full(grid.shape[1:], background, np.float32)
    for occupancy, hu in layers:
        section += occupancy * (np.float32(hu) - section)
    return section


def oval(grid: Grid, half_width: float, half_depth: float, power: float = 2.4) -> Floats:
    """Return the outline of a chest: a superellipse about the origin.

    In double precision: single-precision powers round differently on different processors.
    """
    _, y, x = (axis.astype(np.float64) for axis in grid.axes)
    level = (np.abs(x / half_width) ** power)[None, :] + (np.abs(y / half_depth) ** power)[:, None]
    return _soft((level ** (1 / power) - 1) * min(half_width, half_depth), grid)


def ellipse(grid: Grid, centre: tuple[float, float], semi_axes: tuple[float, float]) -> Floats:
    """Return an ellipse with its centre and semi-axes as (y, x), mm."""
    _, y, x = grid.axes
    level = (((x - centre[1]) / semi_axes[1]) ** 2)[None, :] + (((y - centre[0]) / semi_axes[0]) ** 2)[
        :, None
    ]
    return _soft((np.sqrt(level) - 1) * min(semi_axes), grid)


def _soft(distance: NDArray[np.floating], grid: Grid) -> Floats:
    """Return how far a pixel lies inside an outline at that distance: 0 to 1 over one pixel."""
    return np.asarray(np.clip(0.5 - distance / grid.spacing[1], 0, 1), dtype=np.float32)
