"""The voxel grid of a scan, and the canvas on which smooth anatomy is painted with partial volumes.

Points and vectors are (z, y, x) in mm: z towards the head, y towards the back, x towards the patient's left, so
that an array shown row by row is the usual axial view and the image's direction matrix is the identity (LPS).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.geometry.vectors import combine

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Grid:
    """A regular grid. `origin` is the centre of the first voxel; `thickness` the slice profile's width, mm."""

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    thickness: float

    @classmethod
    def centred(
        cls,
        centre: tuple[float, float, float],
        shape: tuple[int, int, int],
        spacing: tuple[float, float, float],
        thickness: float,
    ) -> Grid:
        """Return the grid whose middle lies at `centre`."""
        origin = tuple(c - (n - 1) / 2 * s for c, n, s in zip(centre, shape, spacing, strict=True))
        return cls(shape, spacing, (origin[0], origin[1], origin[2]), thickness)

    @cached_property
    def axes(self) -> tuple[Floats, Floats, Floats]:
        """The coordinates of the voxel centres along z, y and x."""
        z, y, x = (
            (o + s * np.arange(n)).astype(np.float32)
            for o, s, n in zip(self.origin, self.spacing, self.shape, strict=True)
        )
        return z, y, x

    def box(self, centre: NDArray[np.floating], half: NDArray[np.floating] | float) -> Box | None:
        """Return the voxels within `half` mm of `centre` along each axis; None where they miss the grid."""
        low = (np.asarray(centre) - half - self.origin) / self.spacing
        high = (np.asarray(centre) + half - self.origin) / self.spacing
        start = np.maximum(np.ceil(low - 0.5).astype(int), 0)
        stop = np.minimum(np.floor(high + 0.5).astype(int) + 1, self.shape)
        if np.any(start >= stop):
            return None
        z, y, x = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
        return z, y, x

    def points(self, voxels: NDArray[np.intp]) -> Floats:
        """Return the (n, 3) centres of voxels given by their flat indices."""
        index = np.unravel_index(voxels, self.shape)
        return np.stack([axis[i] for axis, i in zip(self.axes, index, strict=True)], axis=-1)


class Canvas:
    """A volume of HU that structures are painted on, the later over the earlier.

    Every edge is softened over one voxel along its normal (the slice's thickness along z), which is the partial
    volume of a plane through the voxel to first order. What is smaller than a few voxels is not painted here but
    supersampled (`supersampling`).
    """

    def __init__(self, grid: Grid, section: Floats) -> None:
        """Begin with `section` (y, x), the same in all slices."""
        self.grid = grid
        self.hu: Floats = np.repeat(section[None], grid.shape[0], axis=0)
        self.bone: Flags | None = None
        """Where bone is; contrast medium is as bright. None: its texture is that of soft tissue."""

    def blend(self, box: Box, occupancy: Floats, value: float) -> None:
        """Paint `occupancy`, 0 to 1, inside `box`."""
        view = self.hu[box]
        view += occupancy * (np.float32(value) - view)

    def ellipsoid(self, shape: Ellipsoid, value: float, within: Floats | None = None) -> None:
        """Paint an ellipsoid, optionally only as far as `within`, an occupancy of the section (y, x), allows."""
        if (covered := shape.occupancy(self.grid)) is not None:
            box, occupancy = covered
            self.blend(box, occupancy if within is None else occupancy * within[box[1:]], value)


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid: centre (z, y, x), three orthonormal axes as rows, and its semi-axes, mm."""

    centre: tuple[float, float, float]
    semi_axes: tuple[float, float, float]
    axes: tuple[tuple[float, float, float], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

    @property
    def volume_mm3(self) -> float:
        """Return the volume, 4/3 π abc."""
        a, b, c = self.semi_axes
        return 4 / 3 * np.pi * a * b * c

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """The symmetric matrix M of the form q = p M pᵀ that is 1 on the surface."""
        rows = np.asarray(self.axes, float) / np.asarray(self.semi_axes)[:, None]
        return combine(rows.T, rows)

    @cached_property
    def half_extent(self) -> NDArray[np.float64]:
        """Half the size of the smallest box around it, (z, y, x) mm."""
        rows = np.asarray(self.axes, float) * np.asarray(self.semi_axes)[:, None]
        return np.asarray(np.sqrt((rows**2).sum(axis=0)))

    def form(self, z: Floats, y: Floats, x: Floats) -> Floats:
        """Return q on the lattice of three coordinate axes: 0 at the centre, 1 on the surface."""
        m = self.matrix.astype(np.float32)
        z, y, x = (axis - np.float32(c) for axis, c in zip((z, y, x), self.centre, strict=True))
        z, y = z[:, None], y[None, :]
        q = (2 * (m[0, 2] * z + m[1, 2] * y))[..., None] + m[2, 2] * x
        q *= x
        q += (m[0, 0] * z * z + 2 * m[0, 1] * z * y + m[1, 1] * y * y)[..., None]
        return np.asarray(q)

    def occupancy(self, grid: Grid) -> tuple[Box, Floats] | None:
        """Return the box it lies in and the fraction it fills of each voxel there."""
        box = grid.box(np.asarray(self.centre), self.half_extent)
        if box is None:
            return None
        z, y, x = (axis[part] for axis, part in zip(grid.axes, box, strict=True))
        q = self.form(z, y, x)
        q -= 1
        q /= -self._width(grid, z, y, x)
        q += 0.5
        return box, np.clip(q, 0, 1, out=q)

    def _width(self, grid: Grid, z: Floats, y: Floats, x: Floats) -> Floats:
        """Return how much q changes across a voxel: Σ |∂q/∂i| Δi."""
        m = 2 * self.matrix.astype(np.float32)
        z, y, x = (axis - np.float32(c) for axis, c in zip((z, y, x), self.centre, strict=True))
        z, y = z[:, None], y[None, :]
        size = (max(grid.thickness, grid.spacing[0]), grid.spacing[1], grid.spacing[2])
        total: Floats | None = None
        for row, step in zip(m, size, strict=True):
            part = ((row[0] * z + row[1] * y) * step)[..., None] + (row[2] * step) * x
            np.abs(part, out=part)
            total = part if total is None else np.add(total, part, out=total)
        assert total is not None  # noqa: S101
        total += np.float32(1e-3)  # q does not change at the centre, and is divided by this
        return total
