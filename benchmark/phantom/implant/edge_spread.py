"""The point spread of a scan in the plane, measured where air meets skin or the wall of an airway.

Along the normal of such an edge the HU rise from air to tissue as the integral of the line spread; of a Gaussian one
a quarter and three quarters of the rise lie 1.349 σ apart. The method is the edge method of MTF measurement (Samei
et al., Med Phys 1998;25:102; for CT of patients Sanders et al., Med Phys 2016;43:5222) at its simplest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmark.phantom.geometry.grid import Floats

AIR_HU = (-1060.0, -930.0)
TISSUE_HU = (-180.0, 200.0)
EDGE_HU = -500.0
PLATEAU_MM = (2.0, 3.5)
"""Where, from the edge's middle, it is over: air on one side, tissue on the other."""
STEP_MM = 0.1
UPRIGHT = 0.15
"""How steep along z against the plane an edge may be: a slanted one is blurred by the slice's thickness."""
FEWEST_EDGES = 200
SLICES = 16
MOST_PER_SLICE = 1500
QUARTERS = 1.349
"""Distance of the quartiles of a Gaussian of σ = 1."""


def measured_psf_sigma(hu: NDArray[np.integer] | Floats, spacing: tuple[float, float, float]) -> float | None:
    """Return the σ in mm of the Gaussian point spread in the plane; None where too few edges tell.

    `hu` is (z, y, x), axial slices first. The σ holds the pixel's own blur. It is the median over all edges.
    """
    if len(hu) < 3:
        return None
    slices = np.unique(np.linspace(1, len(hu) - 2, SLICES).round().astype(int))
    widths = np.concatenate([_of_slice(hu[z - 1 : z + 2].astype(np.float32), spacing) for z in slices])
    return float(np.median(widths)) / QUARTERS if len(widths) >= FEWEST_EDGES else None


def _of_slice(three: Floats, spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the widths between the quartiles of the edges in the middle of three slices, mm."""
    smooth = ndimage.gaussian_filter(three, [0, 1, 1])
    dz = (smooth[2] - smooth[0]) / (2 * spacing[0])
    dy, dx = np.gradient(smooth[1], *spacing[1:])
    steep = np.hypot(dy, dx)
    edge = (np.abs(smooth[1] - EDGE_HU) < 250) & (np.abs(dz) < UPRIGHT * steep)
    y, x = np.nonzero(edge)
    step = max(len(y) // MOST_PER_SLICE, 1)
    y, x = y[::step], x[::step]
    at = np.arange(-6.0, 6.0 + STEP_MM / 2, STEP_MM)
    lines = [
        (start[:, None] + at * (slope[y, x] / steep[y, x])[:, None] / mm)
        for start, slope, mm in ((y, dy, spacing[1]), (x, dx, spacing[2]))
    ]
    profiles = ndimage.map_coordinates(three[1], lines, order=3, mode="nearest")
    return _widths(profiles, at)


def _widths(profiles: Floats, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances between the quartiles of profiles (n, k) that rise from air to tissue, the others left."""
    middle = _crossing(profiles, np.full(len(profiles), EDGE_HU), at)
    before, after = (
        _mean(profiles, at, middle + way * PLATEAU_MM[0], middle + way * PLATEAU_MM[1]) for way in (-1, 1)
    )
    clean = (before > AIR_HU[0]) & (before < AIR_HU[1]) & (after > TISSUE_HU[0]) & (after < TISSUE_HU[1])
    profiles, low, high = profiles[clean], before[clean], after[clean]
    quarter, three = (_crossing(profiles, low + part * (high - low), at) for part in (0.25, 0.75))
    widths = three - quarter
    return np.asarray(widths[np.isfinite(widths) & (widths > 0)])


def _crossing(profiles: Floats, level: NDArray[np.floating], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where each profile first rises through its level, nearest to the middle; NaN where it does not."""
    above = profiles >= level[:, None]
    rises = ~above[:, :-1] & above[:, 1:]
    distance = np.where(rises, np.abs(at[:-1]), np.inf)
    k, rows = distance.argmin(axis=1), np.arange(len(profiles))
    low, high = profiles[rows, k], profiles[rows, k + 1]
    share = (level - low) / np.where(high > low, high - low, 1)
    return np.where(rises.any(axis=1), at[k] + share * STEP_MM, np.nan)


def _mean(
    profiles: Floats, at: NDArray[np.float64], one: NDArray[np.float64], other: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return each profile's mean between two places of its own; NaN where it does not reach so far."""
    low, high = np.minimum(one, other), np.maximum(one, other)
    inside = (at >= low[:, None]) & (at <= high[:, None])
    reached = (low >= at[0]) & (high <= at[-1])
    mean = (profiles * inside).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    return np.where(reached, mean, np.nan)
