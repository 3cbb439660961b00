"""Moran's I and Geary's C of a region, of all pairs of its voxels at once.

Dale et al., Ecography 2002;25:558; IBSI's `N365` and `NPT7`, weights the inverse distances. mirp adds up pair by pair,
minutes for a tumour, or samples pairs. A weight depends on the shift between two voxels alone, so that sums over
pairs are convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


def moran_and_geary(
    places: NDArray[np.int64], values: NDArray[np.float64], spacing: NDArray[np.float64]
) -> tuple[float, float]:
    """Return Moran's I and Geary's C of voxels at `places` (n, 3), n at least 2; `spacing` mm along the same axes.

    Both are 1 where all values are equal.
    """
    from scipy.fft import irfftn, next_fast_len, rfftn

    off = values - values.mean()
    if not (spread := float(off @ off)):
        return 1.0, 1.0
    places = places - places.min(axis=0)
    sides = [next_fast_len(2 * int(side) + 1, real=True) for side in places.max(axis=0)]
    weights = rfftn(_inverse_distances(sides, spacing))

    def pulled(strengths: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return for each voxel the sum of the others' strengths by weight."""
        grid = np.zeros(sides)
        grid[tuple(places.T)] = strengths
        return np.asarray(irfftn(rfftn(grid) * weights, sides)[tuple(places.T)])

    by_weight, of_others = pulled(1.0), pulled(off)
    total, products, squares = by_weight.sum(), off @ of_others, off**2 @ by_weight
    count = len(values)
    return float(count * products / (total * spread)), float(
        (count - 1) * (squares - products) / (total * spread)
    )


def _inverse_distances(sides: list[int], spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weight of each shift, those to the left from the end on; 0 for none."""
    steps = [np.fft.fftfreq(side, 1 / side) * mm for side, mm in zip(sides, spacing, strict=True)]
    z, y, x = np.meshgrid(*steps, indexing="ij", sparse=True)
    distance = np.sqrt(z**2 + y**2 + x**2)
    distance[0, 0, 0] = np.inf
    return np.asarray(1 / distance)


@contextmanager
def in_the_place_of_mirps() -> Iterator[None]:
    """Let mirp take both from here meanwhile."""
    from mirp._features.morph_3d_data import Data3DSpatial

    theirs = Data3DSpatial._spatial_distribution
    Data3DSpatial._spatial_distribution = _of_table
    try:
        yield
    finally:
        Data3DSpatial._spatial_distribution = theirs


def _of_table(measured: Any, data: pd.DataFrame) -> tuple[float, float]:
    places = data[["z", "y", "x"]].to_numpy().astype(np.int64)
    return moran_and_geary(places, data["g"].to_numpy().astype(np.float64), np.array(measured.spacing))
