"""Tubes: vessels as a chain of nodes, and which voxels lie near them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.geometry.grid import Canvas, Floats, Grid
from benchmark.phantom.geometry.vectors import dot, unit

Indices = NDArray[np.intp]
_PIECE = 4_096
"""Points that are looked at together: neighbours, so that most nodes of a long tube are near none of them."""
_ROUNDING_MM2 = 1.0
"""Far above what single precision makes of squared distances within a chest."""
SOFT_EDGE_MM = 2.0
"""How far beyond its radius a painted tube is looked for: its edge is as soft as a voxel is long."""


@dataclass(frozen=True)
class Tube:
    """A tube of circular section: nodes (n, 3) in (z, y, x) mm at equal steps, tangents, and radii, mm.

    Its ends are half spheres, or cut off where `flat` (beginning, end) says so.
    """

    nodes: Floats
    tangents: Floats
    radius: Floats
    wall: float = 0.0
    name: str = ""
    label: int = 0
    flat: tuple[bool, bool] = (False, False)

    @classmethod
    def along(
        cls,
        points: NDArray[np.float64],
        step: float,
        radii: tuple[float, float],
        wall: float = 0.0,
        name: str = "",
        label: int = 0,
        flat: tuple[bool, bool] = (False, False),
    ) -> Tube:
        """Resample `points` to equal steps of about `step` mm; the radius changes linearly from end to end."""
        lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        at = np.linspace(0, lengths[-1], max(int(lengths[-1] / step), 2) + 1)
        nodes = np.stack([np.interp(at, lengths, points[:, i]) for i in range(3)], axis=-1)
        tangents = np.gradient(nodes, axis=0)
        tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
        radius = np.linspace(radii[0], radii[1], len(nodes))
        return cls(
            nodes.astype(np.float32),
            tangents.astype(np.float32),
            radius.astype(np.float32),
            wall,
            name,
            label,
            flat,
        )

    @property
    def length_mm(self) -> float:
        """Return the length of the centreline."""
        return float(np.linalg.norm(np.diff(self.nodes, axis=0), axis=1).sum())

    def at(self, position_mm: float) -> int:
        """Return the node nearest to a distance from the beginning."""
        fraction = position_mm / self.length_mm
        return int(np.clip(round(fraction * (len(self.nodes) - 1)), 0, len(self.nodes) - 1))

    def section(self, centre: int, length_mm: float) -> Tube:
        """Return the part of the tube within half of `length_mm` either side of a node."""
        half = round(length_mm / 2 / (self.length_mm / (len(self.nodes) - 1)))
        part = slice(max(centre - half, 0), centre + half + 1)
        return replace(
            self,
            nodes=self.nodes[part],
            tangents=self.tangents[part],
            radius=self.radius[part],
            flat=(True, True),
        )

    def axial_distance(self, offset: Floats, node: Indices) -> Floats:
        """Return the distance to the centreline of points at `offset` from their nearest `node`; inf beyond a cut."""
        along = np.einsum("ij,ij->i", offset, self.tangents[node])
        before, after = (node == 0) & (along < 0), (node == len(self.nodes) - 1) & (along > 0)
        along[before | after] = 0
        squared = np.einsum("ij,ij->i", offset, offset) - along**2
        distance = np.sqrt(np.maximum(squared, 0)).astype(np.float32)
        for beyond, cut in zip((before, after), self.flat, strict=True):
            if cut:
                distance[beyond] = np.inf
        return np.asarray(distance)

    def frame(self, node: int, angle_deg: float) -> tuple[Floats, Floats, Floats]:
        """Return the unit vectors along the tube, around it and outwards, at a node and an angle of its section."""
        along = self.tangents[node]
        helper = np.eye(3, dtype=np.float32)[int(np.argmin(np.abs(along)))]
        first = unit(np.cross(along, helper))
        second = np.cross(along, first)
        angle = np.deg2rad(angle_deg)
        outwards = np.cos(angle) * first + np.sin(angle) * second
        around = np.cross(along, outwards)
        return along, around, outwards


@dataclass(frozen=True)
class Nearby:
    """Voxels near a tube (flat indices), the nearest node of each, and its offset from that node, mm."""

    voxels: Indices
    node: Indices
    offset: Floats

    def distance(self, tube: Tube) -> Floats:
        """Return the distance of each voxel's centre to the centreline, mm."""
        return tube.axial_distance(self.offset, self.node)


def nearby(tube: Tube, grid: Grid, reach: float, within: NDArray[np.bool_] | None = None) -> Nearby:
    """Return the voxels whose centre lies within `reach` mm of the tube's nodes, those alone that are `within`.

    `within` is a part of the grid, (z, y, x), or of its section, (y, x).
    """
    voxels = _voxels_around(tube, grid, reach)
    if within is not None:
        voxels = voxels[within.ravel()[voxels % within.size]]
    points = grid.points(voxels)
    node = _nearest_node(points, tube.nodes)
    offset = points - tube.nodes[node]
    near = np.einsum("ij,ij->i", offset, offset) <= reach**2
    return Nearby(voxels[near], node[near], offset[near])


def _voxels_around(tube: Tube, grid: Grid, reach: float) -> Indices:
    """Return the flat indices of the voxels in boxes of half-size `reach` around every few nodes."""
    step = max(int(reach / 3 / float(np.linalg.norm(tube.nodes[1:2] - tube.nodes[0], axis=1)[0])), 1)
    nodes = np.concatenate([tube.nodes[::step], tube.nodes[-1:]])
    low, high = (np.rint((nodes + way * reach - grid.origin) / grid.spacing).astype(int) for way in (-1, 1))
    low, high = np.maximum(low, 0), np.minimum(high + 1, grid.shape)
    within = np.all(low < high, axis=1)
    if not within.any():
        return np.zeros(0, np.intp)
    low, high = low[within], high[within]
    first = low.min(axis=0)
    marked = np.zeros(high.max(axis=0) - first, bool)
    for (z0, y0, x0), (z1, y1, x1) in zip(low - first, high - first, strict=True):
        marked[z0:z1, y0:y1, x0:x1] = True
    z, y, x = np.nonzero(marked)
    return np.asarray(((z + first[0]) * grid.shape[1] + y + first[1]) * grid.shape[2] + x + first[2])


def _nearest_node(points: Floats, nodes: Floats) -> Indices:
    """Return the index of the nearest node of each point, in pieces that keep the table of distances small."""
    origin = nodes.mean(axis=0)
    nodes, points = nodes - origin, points - origin
    half_squared = np.einsum("ij,ij->i", nodes, nodes) / 2
    nearest = []
    for first in range(0, len(points), _PIECE):
        piece = points[first : first + _PIECE]
        chosen = _perhaps_nearest(piece, nodes)
        (z, y, x), some = np.ascontiguousarray(piece.T), nodes[chosen]
        nearness = some[:, :1] * z - half_squared[chosen, None]
        nearness += some[:, 1:2] * y
        nearness += some[:, 2:] * x
        nearest.append(chosen[np.argmax(nearness, axis=0)])
    return np.concatenate(nearest) if nearest else np.zeros(0, np.intp)


def _perhaps_nearest(points: Floats, nodes: Floats) -> Indices:
    """Return the nodes but those further from the points' box than another is from its far corner, and rounding."""
    low, high = points.min(axis=0), points.max(axis=0)
    gap = np.maximum(np.maximum(low - nodes, nodes - high), 0)
    farthest = np.maximum(nodes - low, high - nodes)
    reach = np.einsum("ij,ij->i", farthest, farthest).min() + _ROUNDING_MM2
    return np.flatnonzero(np.einsum("ij,ij->i", gap, gap) <= reach)


@dataclass(frozen=True)
class Walls:
    """Voxels near any tube (flat indices): distance to the nearest outer wall, and which tube and node that is."""

    voxels: Indices
    distance: Floats
    tube: NDArray[np.int16]
    node: Indices


def nearest_walls(tubes: Sequence[Tube], grid: Grid, reach: float) -> Walls:
    """Return the voxels within `reach` mm of a tube's outer wall; the distance is negative inside.

    Where tubes meet the nearer wall wins.
    """
    distance = np.full(np.prod(grid.shape), np.inf, np.float32)
    which = np.full(distance.shape, -1, np.int16)
    nodes = np.zeros(distance.shape, np.int32)
    for index, tube in enumerate(tubes):
        near = nearby(tube, grid, reach + float(tube.radius.max()) + tube.wall)
        wall = near.distance(tube) - tube.radius[near.node] - tube.wall
        nearer = wall < np.minimum(distance[near.voxels], reach)
        voxels = near.voxels[nearer]
        distance[voxels], which[voxels], nodes[voxels] = wall[nearer], index, near.node[nearer]
    voxels = np.flatnonzero(which >= 0)
    return Walls(voxels, distance[voxels], which[voxels], nodes[voxels].astype(np.intp))


def paint_tube(canvas: Canvas, tube: Tube, value: float, within: NDArray[np.bool_] | None = None) -> None:
    """Paint a tube's inside with softened edges, optionally only `within` a part, see `nearby`."""
    grid = canvas.grid
    near = nearby(tube, grid, float(tube.radius.max()) + SOFT_EDGE_MM, within)
    if not near.voxels.size:
        return
    spacing = np.array([max(grid.thickness, grid.spacing[0]), *grid.spacing[1:]], np.float32)
    edge = dot(np.abs(near.offset), spacing) / (np.linalg.norm(near.offset, axis=1) + np.float32(1e-6))
    occupancy = np.clip(0.5 - (near.distance(tube) - tube.radius[near.node]) / edge, 0, 1)
    flat = canvas.hu.reshape(-1)
    flat[near.voxels] += occupancy * (np.float32(value) - flat[near.voxels])
