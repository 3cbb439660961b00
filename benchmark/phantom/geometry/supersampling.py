"""What is finer than a voxel: each voxel's fraction filled by vessels, stents and calcium, found by supersampling.

In the plane the fraction is averaged over the pixel; along z it is weighted by the slice profile, a box of the
slice's thickness blurred by a Gaussian. Motion averages over the places that a structure passes during a scan.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from benchmark.phantom.geometry.grid import Box, Ellipsoid, Floats, Grid
from benchmark.phantom.geometry.vectors import weigh

FINE_MM = (0.4, 0.25, 0.25)
FINE_PER_HALF = 8
"""Sub-voxels are at most this large, and at most an eighth of half the shape's extent."""

STILL = np.zeros((1, 3), np.float32)


class Shape(Protocol):
    """A solid that can say how far it fills the voxels of a grid."""

    @property
    def centre(self) -> tuple[float, float, float]:
        """The middle of its box, (z, y, x) mm."""

    @property
    def half_extent(self) -> NDArray[np.float64]:
        """Half the size of its box, mm."""

    def occupancy(self, grid: Grid) -> tuple[Box, Floats] | None:
        """Return its box on the grid and the fraction it fills of each voxel there; None off the grid."""


class PartialVolume:
    """Fractions of voxels, and the HU they bring, summed up structure by structure."""

    def __init__(self, grid: Grid, profile_sigma: float) -> None:
        self.grid, self.sigma = grid, profile_sigma
        self.fraction: Floats = np.zeros(grid.shape, np.float32)
        self.hu: Floats = np.zeros(grid.shape, np.float32)

    def compose(self, canvas_hu: Floats) -> None:
        """Lay the fine structures over a painted volume, in place."""
        canvas_hu *= 1 - np.minimum(self.fraction, 1)
        canvas_hu += self.hu

    def add_ellipsoid(self, shape: Ellipsoid, hu: float, path: Floats = STILL) -> None:
        """Add an ellipsoid that passes through the displacements `path` (k, 3), mm, during the scan."""
        for shift in path:
            z, y, x = np.asarray(shape.centre) + shift
            moved = Ellipsoid((z, y, x), shape.semi_axes, shape.axes)
            self.add_shape(moved, hu, 1 / len(path))

    def add_shape(self, shape: Shape, hu: float, weight: float = 1.0) -> None:
        """Add a shape at rest; `weight` is the part of the scan for which it is there."""
        if (covered := self.share(shape)) is not None:
            box, share = covered
            share *= np.float32(weight)
            self.fraction[box] += share
            self.hu[box] += share * np.float32(hu)

    def share(self, shape: Shape) -> tuple[Box, Floats] | None:
        """Return the box a shape reaches and the fraction it fills of each voxel there."""
        grid = self.grid
        reach = np.array([grid.thickness / 2 + 3 * self.sigma, *grid.spacing[1:]])
        box = grid.box(np.asarray(shape.centre), shape.half_extent + reach)
        if box is None:
            return None
        fine = self._fine_grid(shape, box)
        covered = shape.occupancy(fine)
        if covered is None:
            return None
        occupancy = np.zeros(fine.shape, np.float32)
        occupancy[covered[0]] = covered[1]
        ny, nx = (part.stop - part.start for part in box[1:])
        pixels = occupancy.reshape(fine.shape[0], ny, fine.shape[1] // ny, nx, fine.shape[2] // nx).mean(
            (2, 4)
        )
        weights = self._profile(grid.axes[0][box[0]][:, None] - fine.axes[0][None, :]) * fine.spacing[0]
        return box, weigh(weights.astype(np.float32), pixels, axis=0)

    def _fine_grid(self, shape: Shape, box: Box) -> Grid:
        """Return a lattice over the box: pixels divided evenly, along z only where the shape is."""
        grid = self.grid
        wanted = np.minimum(FINE_MM, shape.half_extent / FINE_PER_HALF)
        divisions = [max(math.ceil(s / f), 1) for s, f in zip(grid.spacing[1:], wanted[1:], strict=True)]
        spacing = [s / n for s, n in zip(grid.spacing[1:], divisions, strict=True)]
        half = float(shape.half_extent[0])
        count = math.ceil(2 * half / wanted[0])
        step = 2 * half / count
        first = [
            float(axis[part][0]) - s / 2 + f / 2
            for axis, part, s, f in zip(grid.axes[1:], box[1:], grid.spacing[1:], spacing, strict=True)
        ]
        size = [(part.stop - part.start) * n for part, n in zip(box[1:], divisions, strict=True)]
        return Grid(
            (count, size[0], size[1]),
            (step, spacing[0], spacing[1]),
            (shape.centre[0] - half + step / 2, first[0], first[1]),
            step,
        )

    def _profile(self, dz: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the slice profile at `dz` mm from the slice's middle, per mm; it integrates to 1."""
        # A profile without blur is a box; a width of 0 would be divided by.
        half, width = self.grid.thickness / 2, math.sqrt(2) * max(self.sigma, 1e-3)
        return np.asarray((erf((dz + half) / width) - erf((dz - half) / width)) / (4 * half))

    def add_points(self, points: Floats, volume_mm3: float, hu: Floats, path: Floats = STILL) -> None:
        """Add sub-voxels at `points` (n, 3), each of that volume and with its own HU."""
        grid = self.grid
        factor = volume_mm3 / (grid.spacing[1] * grid.spacing[2] * len(path))
        reach = math.ceil((grid.thickness / 2 + 3 * self.sigma) / grid.spacing[0] - 0.5)
        voxels, weights, values = [], [], []
        for shift in path:
            moved = points + shift
            k, j, i = np.rint((moved - np.asarray(grid.origin)) / grid.spacing).astype(np.intp).T
            inside = (j >= 0) & (j < grid.shape[1]) & (i >= 0) & (i < grid.shape[2])
            for step in range(-reach, reach + 1):
                keep = np.flatnonzero(inside & (k + step >= 0) & (k + step < grid.shape[0]))
                slices = k[keep] + step
                weight = self._profile(moved[keep, 0] - (grid.origin[0] + slices * grid.spacing[0])) * factor
                voxels.append((slices * grid.shape[1] + j[keep]) * grid.shape[2] + i[keep])
                weights.append(weight)
                values.append(weight * hu[keep])
        where, size = np.concatenate(voxels), math.prod(grid.shape)
        for total, parts in ((self.fraction, weights), (self.hu, values)):
            total += np.bincount(where, np.concatenate(parts), size).reshape(grid.shape).astype(np.float32)


def subdivide(grid: Grid, finest: tuple[float, float, float]) -> tuple[Floats, float]:
    """Return the offsets (m, 3) of a voxel's sub-voxels from its centre, and a sub-voxel's volume, mm³."""
    counts = [max(math.ceil(s / f), 1) for s, f in zip(grid.spacing, finest, strict=True)]
    steps = [((np.arange(n) + 0.5) / n - 0.5) * s for n, s in zip(counts, grid.spacing, strict=True)]
    offsets = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float32)
    return offsets, math.prod(grid.spacing) / math.prod(counts)
