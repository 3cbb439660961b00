"""Area, volume and diameters of PyRadiomics' mesh of a ROI, without its search over all pairs of vertices.

The mesh is marching cubes with vertices half-way between voxels (Lorensen and Cline, SIGGRAPH 1987). A cube of eight
voxels has 256 states, so area and volume are sums over how often, and where, each occurs; what a state adds is read
from PyRadiomics by giving it single cubes, so that its tables hold. The largest distance of two vertices is one of two
corners of their convex hull.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CORNERS = tuple(product((0, 1), repeat=3))
"""Corners (z, y, x) of a cube; the bit of a state that says whether the corner is in the ROI is their place here."""
FEW = 64
"""Points of which all pairs are compared at once."""


class Mesh(NamedTuple):
    """Measures of a mesh, in mm: area, volume, and the largest distance of two vertices.

    The first three are of vertices in one plane across z, y and x, the last of any two.
    """

    area: float
    volume: float
    diameters: tuple[float, float, float, float]


def mesh_of(roi: NDArray[np.bool_], spacing: NDArray[np.float64]) -> Mesh:
    """Return the measures of a ROI (z, y, x) with an empty margin of one voxel; spacing in mm (z, y, x).

    Area and volume differ from PyRadiomics' by rounding (1e-13), for they are added in another order; diameters not.
    """
    states = _states(roi)
    z, y, x = np.nonzero(states % 255)
    found = states[z, y, x]
    volumes, shifts = _volumes()
    count = np.bincount(found, minlength=256)
    moved = sum(
        float(np.bincount(found, weights=along, minlength=256) @ shift)
        for along, shift in zip((z, y, x), shifts, strict=True)
    )
    area, volume = float(count @ _areas(tuple(spacing))), float(count @ volumes) + moved
    return Mesh(area, volume * float(np.prod(spacing)), _diameters(roi, spacing))


def _states(roi: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the state of every cube of 2 × 2 × 2 voxels."""
    states = np.zeros([size - 1 for size in roi.shape], np.uint8)
    for bit, corner in enumerate(CORNERS):
        states |= roi[tuple(slice(a, a + n) for a, n in zip(corner, states.shape, strict=True))] << np.uint8(
            bit
        )
    return states


def _cube(state: int) -> NDArray[np.bool_]:
    return np.array([state >> bit & 1 for bit in range(8)], bool).reshape(2, 2, 2)


@cache
def _areas(spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the area of the mesh in a cube of each state, in mm²."""
    return np.array([_coefficients(_cube(state), spacing)[0] for state in range(256)])


@cache
def _volumes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a cube of each state adds to the volume at the origin, and by axis for each voxel away from it.

    Volumes of tetrahedra from the origin; in voxels.
    """
    at_origin = np.array([_coefficients(_cube(state))[1] for state in range(256)])
    shifts = np.zeros((3, 256))
    for axis, state in product(range(3), range(256)):
        cube = _cube(state)
        first = np.take(cube, [0], axis)
        before = np.concatenate([np.zeros_like(first), first], axis)
        both = np.concatenate([np.zeros_like(first), cube], axis)
        shifts[axis, state] = _coefficients(both)[1] - _coefficients(before)[1] - at_origin[state]
    return at_origin, shifts


def _coefficients(
    roi: NDArray[np.bool_], spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> tuple[float, float]:
    from radiomics import cShape

    area, volume, _ = cShape.calculate_coefficients(np.ascontiguousarray(roi), np.array(spacing))
    return area, volume


def _diameters(roi: NDArray[np.bool_], spacing: NDArray[np.float64]) -> tuple[float, float, float, float]:
    halves = _vertices(roi)
    points = halves * 0.5 * spacing  # exact halves, then one rounding, as PyRadiomics has it
    across_z, across_y, across_x = (_in_planes(halves[:, axis], points) for axis in range(3))
    return across_z, across_y, across_x, float(np.sqrt(_largest(points)))


def _vertices(roi: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the vertices (z, y, x) in half voxels: the middles between neighbours of which one is in the ROI."""
    found = []
    for axis in range(3):
        pairs = np.argwhere(np.diff(roi, axis=axis)) * 2
        pairs[:, axis] += 1
        found.append(pairs)
    return np.concatenate(found)


def _in_planes(place: NDArray[np.int64], points: NDArray[np.float64]) -> float:
    """Return the largest distance of two points of one plane, those of the largest extent first."""
    order = np.argsort(place, kind="stable")
    planes = np.split(points[order], np.flatnonzero(np.diff(place[order])) + 1)
    extents = np.array([((plane.max(axis=0) - plane.min(axis=0)) ** 2).sum() for plane in planes])
    largest = 0.0
    for plane in np.argsort(-extents, kind="stable"):
        if extents[plane] < largest:
            break
        largest = max(largest, _largest(planes[plane]))
    return float(np.sqrt(largest))


def _largest(points: NDArray[np.float64]) -> float:
    """Return the largest squared distance of two points."""
    corners = points if len(points) <= FEW else _hull(points)
    z, y, x = np.moveaxis((corners[:, None] - corners[None]) ** 2, -1, 0)
    return float((z + y + x).max())


def _hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners of the convex hull of points in a volume or a plane, or the ends of those in a line."""
    from scipy.spatial import ConvexHull, QhullError

    varied = np.flatnonzero(np.ptp(points, axis=0) > 0)
    try:
        if len(varied) > 1:
            return np.asarray(points[ConvexHull(points[:, varied]).vertices])
    except QhullError:  # a line across the axes
        pass
    along = points[:, varied[0]]
    return np.asarray(points[[along.argmin(), along.argmax()]])
