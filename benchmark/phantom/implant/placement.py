"""Where plaques go: on the wall of the vessel that a mask outlines, along it, inside it, and apart from each other.

The mask need be no tree: at any of its voxels the vessel's direction is that in which the mask extends within a few
millimetres, its middle the mean of the mask there, and outwards is away from the middle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmark.errors import CaseError
from benchmark.images.geometry import bounding_box
from benchmark.phantom.geometry.grid import Ellipsoid, Grid
from benchmark.phantom.geometry.vectors import combine, dot, unit
from benchmark.phantom.heart.crumbled import crumbled
from benchmark.phantom.heart.plaque import Disease, Lesion

INSIDE = 0.7
"""The share of a plaque's volume that must lie in the mask: the rest is the wall's outside, as of a phantom."""
APART = 0.05
"""The share of it that may lie in another plaque."""
NEIGHBOURHOOD_MM = 6.0
TRIES = 60
SCATTER_MM = 4.0
"""How far from each other the pieces of a plaque lie beyond the nearest place."""
SMALLEST_MM3 = 0.3
"""A plaque that fits nowhere is put in as two halves, down to this size."""


Axes = tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]


@dataclass(frozen=True)
class Implant:
    """A plaque with its place: the ellipsoid in mm from the first voxel's centre, and the vessel's label."""

    lesion: Lesion
    shape: Ellipsoid
    label: int


@dataclass(frozen=True)
class Vessel:
    """The voxels of a vessel mask: `labels` (z, y, x), and `free`, where nothing dense is and plaques may lie."""

    labels: NDArray[np.integer]
    free: NDArray[np.bool_]
    grid: Grid

    @cached_property
    def rim(self) -> tuple[NDArray[np.intp], NDArray[np.integer]]:
        """The free voxels (n, 3) at the border of the mask in their slice, and their labels."""
        box = bounding_box(self.labels > 0)
        assert box is not None  # noqa: S101  an empty mask was refused
        inner = ndimage.binary_erosion(self.labels[box] > 0, np.ones((1, 3, 3), bool))
        voxels = np.argwhere(self.free[box] & ~inner) + [part.start for part in box]
        return voxels, self.labels[tuple(voxels.T)]

    def share_inside(self, shape: Ellipsoid) -> float:
        """Return the share of a shape's volume that lies in free voxels of the mask."""
        index = np.rint(_ball(shape) / np.asarray(self.grid.spacing)).astype(int)
        on = np.all((index >= 0) & (index < self.grid.shape), axis=1)
        return float(self.free[tuple(index[on].T)].sum()) / len(index)

    def frame(self, voxel: NDArray[np.integer]) -> Axes:
        """Return the unit vectors along the vessel, around it and outwards, at a voxel of the mask."""
        half = np.ceil(NEIGHBOURHOOD_MM / np.asarray(self.grid.spacing)).astype(int)
        low, high = np.maximum(voxel - half, 0), voxel + half + 1
        near = self.labels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] > 0
        points = (np.argwhere(near) + low - voxel) * np.asarray(self.grid.spacing)
        points = points[dot(points, points) <= NEIGHBOURHOOD_MM**2]
        middle = points.mean(axis=0)
        along = _longest_axis(points - middle)
        outwards = -middle + dot(middle, along) * along
        if dot(outwards, outwards) < 0.01:  # in the middle every way is outwards
            outwards = np.cross(along, np.eye(3)[int(np.argmin(np.abs(along)))])
        outwards = unit(outwards)
        return along, np.cross(along, outwards), outwards


def widened(labels: NDArray[np.integer], margin_mm: float, grid: Grid) -> NDArray[np.integer]:
    """Return a mask's labels carried on to the voxels within a margin of it."""
    box = bounding_box(labels > 0)
    if not margin_mm or box is None:
        return labels
    reach = [int(np.ceil(margin_mm / mm)) for mm in grid.spacing]
    box = tuple(slice(max(part.start - r, 0), part.stop + r) for part, r in zip(box, reach, strict=True))
    away, nearest = ndimage.distance_transform_edt(labels[box] == 0, grid.spacing, return_indices=True)
    wide = labels.copy()
    wide[box] = np.where(away <= margin_mm, labels[box][tuple(nearest)], 0)
    return wide


def in_pieces(disease: Disease, seed: int) -> tuple[Disease, ...]:
    """Return each lesion as it goes in, the largest first: most are in pieces of unlike density."""
    largest = sorted(disease.lesions, key=lambda lesion: -lesion.volume_mm3)
    return tuple(crumbled(Disease(lesions=(lesion,)), seed + k) for k, lesion in enumerate(largest))


def place(plaques: Sequence[Disease], vessel: Vessel, seed: int) -> tuple[Implant, ...]:
    """Place plaques, the pieces of each near each other. Raises `CaseError` where the mask has no room for one.

    Where the mask has labels of vessels, a plaque goes to its own if there is room, else to any.
    """
    rng = np.random.default_rng(seed)
    placed: list[Implant] = []
    for plaque in plaques:
        near: NDArray[np.float64] | None = None
        for piece in plaque.lesions:
            new = _fitted(piece, vessel, placed, near, rng)
            near = np.asarray(new[0].shape.centre) if near is None else near
            placed += new
    return tuple(placed)


def at_voxel(lesion: Lesion, place: Sequence[float], vessel: Vessel, host: str) -> Implant:
    """Return a plaque centred at a place in voxels (z, y, x). Raises `CaseError` if it is not in the mask."""
    index = np.rint(place).astype(int)
    shape, share = None, 0.0
    if np.all((index >= 0) & (index < vessel.grid.shape)) and vessel.labels[tuple(index)] > 0:
        axes = vessel.frame(index)
        shape = _ellipsoid(np.asarray(place) * vessel.grid.spacing, lesion, axes)
        share = vessel.share_inside(shape)
    if shape is None or share < INSIDE:
        where = ", ".join(f"{value:g}" for value in place)
        raise CaseError(
            f"{host}: the plaque at voxel ({where}) lies outside the vessel mask, {share:.0%} of its volume is in free "
            f"voxels of it and {INSIDE:.0%} must be; move it, make it smaller, or widen the mask by `margin_mm`"
        )
    return Implant(lesion, shape, int(vessel.labels[tuple(index)]))


def _fitted(
    lesion: Lesion,
    vessel: Vessel,
    placed: Sequence[Implant],
    near: NDArray[np.float64] | None,
    rng: np.random.Generator,
) -> list[Implant]:
    """Return a plaque in place, or its halves."""
    for voxel in _candidates(lesion, vessel, near, rng):
        axes = vessel.frame(voxel)
        jitter = rng.uniform(-0.5, 0.5, 3)
        depth = lesion.semi_axes_mm[2]
        for inwards in (0.0, 0.5 * depth, depth):
            centre = (voxel + jitter) * vessel.grid.spacing - inwards * axes[2]
            shape = _ellipsoid(centre, lesion, axes)
            if vessel.share_inside(shape) >= INSIDE and _apart(shape, [one.shape for one in placed]):
                return [Implant(lesion, shape, int(vessel.labels[tuple(voxel)]))]
    if lesion.volume_mm3 < 2 * SMALLEST_MM3:
        raise CaseError(
            f"the vessel mask has no room for all plaques ({len(placed)} are in): give a mask of the whole vessels, "
            "widen it by `margin_mm`, or lower `disease: {median_score: …}`"
        )
    half = lesion.model_copy(update={"semi_axes_mm": _halved(lesion.semi_axes_mm)})
    first = _fitted(half, vessel, placed, near, rng)
    return first + _fitted(half, vessel, [*placed, *first], np.asarray(first[0].shape.centre), rng)


def _candidates(
    lesion: Lesion, vessel: Vessel, near: NDArray[np.float64] | None, rng: np.random.Generator
) -> Iterator[NDArray[np.integer]]:
    """Yield voxels to try: near a place first if one is given, in the lesion's own vessel, then in any."""
    every, label = vessel.rim
    own = every[label == lesion.vessel]
    for voxels in (own, every) if 0 < len(own) < len(every) else (every,):
        if near is not None:
            away = voxels * np.asarray(vessel.grid.spacing) - near
            order = SCATTER_MM * rng.random(len(voxels)) + np.sqrt(dot(away, away))
            yield from voxels[np.argsort(order, kind="stable")[:TRIES]]
        yield from rng.permutation(voxels)[:TRIES]


def _halved(semi_axes: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return semi-axes of half the volume: half as long where that is not shorter than wide."""
    a, b, c = semi_axes
    part = 0.5 ** (1 / 3)
    return (a / 2, b, c) if a / 2 >= b else (a * part, b * part, c * part)


def _ellipsoid(centre: NDArray[np.floating], lesion: Lesion, axes: Axes) -> Ellipsoid:
    z, y, x = (float(value) for value in centre)
    rows = tuple((float(row[0]), float(row[1]), float(row[2])) for row in axes)
    return Ellipsoid((z, y, x), lesion.semi_axes_mm, rows)


def _apart(shape: Ellipsoid, others: Sequence[Ellipsoid]) -> bool:
    points = _ball(shape)
    for other in others:
        offset = points - np.asarray(other.centre)
        form = dot(offset, np.stack([dot(offset, row) for row in other.matrix], axis=-1))
        if np.mean(form < 1) > APART:
            return False
    return True


def _ball(shape: Ellipsoid) -> NDArray[np.float64]:
    """Return points spread evenly over a shape's volume, mm."""
    points = combine(_BALL * np.asarray(shape.semi_axes), np.asarray(shape.axes))
    return np.asarray(points + np.asarray(shape.centre))


def _longest_axis(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the direction in which points about the origin extend most, by power iteration."""
    covariance = combine(points.T, points)
    direction = np.array([0.8, 0.5, 0.33])
    for _ in range(30):
        turned = combine(direction, covariance)
        if dot(turned, turned) == 0:  # a single voxel extends nowhere
            break
        direction = unit(turned)
    return unit(direction)


def _lattice() -> NDArray[np.float64]:
    side = (np.arange(9) - 4) / 4.5
    points = np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(points[dot(points, points) <= 1])


_BALL = _lattice()
"""An even lattice in the unit ball."""
