"""Large smooth shapes as signed distances: computed on a coarse lattice, painted on the grid with soft edges.

Distances are in mm, negative inside, and in double precision: single-precision functions round differently on
different processors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.geometry.grid import Box, Canvas, Ellipsoid, Floats, Grid

Distances = NDArray[np.float64]
CELL_MM = 4.0


@dataclass(frozen=True)
class Lattice:
    """A lattice that covers a grid, of some 4 mm where no other size is asked for."""

    grid: Grid
    cell_mm: float = CELL_MM

    @cached_property
    def axes(self) -> tuple[Distances, Distances, Distances]:
        """Coordinates along z, y and x."""
        z, y, x = (
            np.arange(n, dtype=np.float64) * step + origin
            for n, step, origin in zip(self.shape, self.steps, self.grid.origin, strict=True)
        )
        return z, y, x

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Cells along z, y and x: the last may lie beyond the grid."""
        z, y, x = (
            int(np.ceil((n - 1) * s / step)) + 1
            for n, s, step in zip(self.grid.shape, self.grid.spacing, self.steps, strict=True)
        )
        return z, y, x

    @cached_property
    def steps(self) -> tuple[float, float, float]:
        """Size of a cell: never finer than the grid."""
        z, y, x = (max(self.cell_mm, s) for s in self.grid.spacing)
        return z, y, x

    @cached_property
    def z(self) -> Distances:
        """Coordinates along z, (z, 1, 1)."""
        return self.axes[0][:, None, None]

    @cached_property
    def y(self) -> Distances:
        """Coordinates along y, (1, y, 1)."""
        return self.axes[1][None, :, None]

    @cached_property
    def x(self) -> Distances:
        """Coordinates along x, (1, 1, x)."""
        return self.axes[2][None, None, :]

    def around(self, centre: Distances, reach_mm: float) -> Box:
        """Return the cells within a distance along every axis of a point (z, y, x)."""
        z, y, x = (
            slice(int(np.searchsorted(axis, c - reach_mm)), int(np.searchsorted(axis, c + reach_mm)))
            for axis, c in zip(self.axes, centre, strict=True)
        )
        return z, y, x

    def occupancy(self, distance: Distances) -> tuple[Box, Floats] | None:
        """Return the box that a shape reaches on the grid and the fraction it fills of each voxel there."""
        filled = 0.5 - distance / self._edge(distance)
        box = self._box(filled)
        return None if box is None else (box, np.clip(self._on_grid(filled.astype(np.float32), box), 0, 1))

    def values(self, field: Distances) -> Floats:
        """Return a field of the lattice on the whole grid."""
        z, y, x = (slice(0, n) for n in self.grid.shape)
        return self._on_grid(field.astype(np.float32), (z, y, x))

    def _edge(self, distance: Distances) -> Distances:
        """Return how much the distance changes across a voxel: Σ |∂d/∂i| Δi."""
        size = (max(self.grid.thickness, self.grid.spacing[0]), *self.grid.spacing[1:])
        total = np.full(distance.shape, 1e-3)
        for axis, (voxel, step) in enumerate(zip(size, self.steps, strict=True)):
            if distance.shape[axis] > 1:
                total += np.abs(np.gradient(distance, step, axis=axis)) * voxel
        return total

    def _box(self, filled: Distances) -> Box | None:
        """Return the voxels of the grid within one cell of those of the lattice that are filled at all."""
        inside = filled > 0
        if not inside.any():
            return None
        parts = []
        for axis in range(3):
            along = np.flatnonzero(inside.any(axis=tuple(i for i in range(3) if i != axis)))
            scale = self.steps[axis] / self.grid.spacing[axis]
            low, high = int((along[0] - 1) * scale), int((along[-1] + 1) * scale) + 2
            parts.append(slice(max(low, 0), min(high, self.grid.shape[axis])))
        return (parts[0], parts[1], parts[2])

    def _on_grid(self, field: Floats, box: Box) -> Floats:
        """Interpolate linearly, axis by axis."""
        for axis, part in enumerate(box):
            at = np.arange(part.start, part.stop) * (self.grid.spacing[axis] / self.steps[axis])
            low = np.minimum(at.astype(np.intp), field.shape[axis] - 1)
            high = np.minimum(low + 1, field.shape[axis] - 1)
            weight = (at - low).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
            start = field.take(low, axis=axis)
            field = field.take(high, axis=axis)
            field -= start
            field *= weight
            field += start
        return field


def paint(canvas: Canvas, lattice: Lattice, distance: Distances, value: float) -> None:
    """Paint the inside of a shape with one HU."""
    if (covered := lattice.occupancy(distance)) is not None:
        canvas.blend(*covered, value)


def smooth_union(first: Distances, second: Distances, width: float | Distances) -> Distances:
    """Return the distance to both shapes, the corner between them rounded off over `width` mm."""
    corner = np.maximum(width - np.abs(first - second), 0) / width
    return np.asarray(np.minimum(first, second) - corner * corner * width / 4)


def ellipsoid_distance(lattice: Lattice, shape: Ellipsoid) -> Distances:
    """Return the distance to an ellipsoid, exact at its surface to first order."""
    m = shape.matrix
    offset = [axis - c for axis, c in zip((lattice.z, lattice.y, lattice.x), shape.centre, strict=True)]
    rows = [m[i, 0] * offset[0] + m[i, 1] * offset[1] + m[i, 2] * offset[2] for i in range(3)]
    level = np.sqrt(sum(o * r for o, r in zip(offset, rows, strict=True)))
    slope = np.sqrt(sum(r * r for r in rows))
    return np.asarray(level * (level - 1) / np.maximum(slope, 1e-6))


def spheres_distance(lattice: Lattice, centres: Distances, radii: Distances) -> Distances:
    """Return the distance to a chain of spheres: centres (n, 3) in (z, y, x), radii (n)."""
    nearest = np.full(lattice.shape, np.inf)
    for (z, y, x), radius in zip(centres, radii, strict=True):
        squared = (lattice.z - z) ** 2 + (lattice.y - y) ** 2 + (lattice.x - x) ** 2
        np.minimum(nearest, np.sqrt(squared) - radius, out=nearest)
    return nearest
