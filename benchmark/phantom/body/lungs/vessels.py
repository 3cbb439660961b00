"""The lungs' vessels: from each hilum a few stems that fork, generation by generation (second generation).

The wide ones are tubes with soft edges; twigs, which are as thin as voxels, are points that hold their volume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.body.cage import POWER, Cage
from benchmark.phantom.geometry.grid import Canvas, Flags, Grid
from benchmark.phantom.geometry.points import add_points, near
from benchmark.phantom.geometry.tubes import SOFT_EDGE_MM, Tube, paint_tube
from benchmark.phantom.geometry.vectors import unit

Points = NDArray[np.float64]
VESSEL_HU = 38.0
STEMS = (-1.5, -0.9, -0.3, 0.3, 0.9)
"""How far up from the hilum they lead; arteries and veins of two segments each."""
STEM_MM = (2.6, 4.8)
GENERATIONS, TWIG_MM, THINNEST_MM = 12, 1.5, 0.3
"""Forks, the radius below which a vessel is a twig, and the radius at which it ends."""
LENGTH_MM, SHORTER = 27.0, 0.85
TAPER, DAUGHTER = 0.92, (0.78, 0.985)
"""Radius at a branch's end, and of its daughters, against what it was before."""
STRAY = 0.5
UP_TO = 0.97
"""No branch ends further out than this level of the cage's section (1: the pleura)."""
ALONG_MM = 0.8
"""From one disc of a twig to the next."""
DISC = np.array(
    [
        [0.0, 0.0],
        *([0.62 * a, 0.62 * b] for a, b in ((1, 0), (0.5, 0.87), (-0.5, 0.87))),
        *([-0.62 * a, -0.62 * b] for a, b in ((1, 0), (0.5, 0.87), (-0.5, 0.87))),
    ]
)
"""Points of a twig's disc of radius 1."""


@dataclass(frozen=True)
class Branches:
    """Branches of one generation: beginning, direction and bow (n, 3), radius where they begin (n), length (n)."""

    start: Points
    way: Points
    bow: Points
    radius: Points
    length: Points

    def at(self, share: float) -> Points:
        """Return the points (n, 3) at a share of every branch's length."""
        return np.asarray(self.start + share * self.length[:, None] * self.way + share**2 * self.bow)

    def thin(self, chosen: Flags) -> Branches:
        """Return some of them."""
        return Branches(
            *(part[chosen] for part in (self.start, self.way, self.bow, self.radius, self.length))
        )


def paint_lung_vessels(canvas: Canvas, cage: Cage, aerated: Flags) -> None:
    """Paint arteries and veins wherever there is lung."""
    rng = np.random.default_rng([cage.patient.form_seed, 21])
    branches = _stems(rng)
    for generation in range(GENERATIONS):
        wide = branches.radius > TWIG_MM
        for tube in _tubes(_on_grid(canvas.grid, branches.thin(wide))):
            paint_tube(canvas, tube, VESSEL_HU, aerated)
        _paint_twigs(canvas, branches.thin(~wide), aerated)
        branches = _daughters(branches, generation, rng)
        branches = branches.thin(_in_cage(cage, branches.at(1.0)))


def _in_cage(cage: Cage, points: Points) -> Flags:
    centre, depth, width = cage.section(points[:, 0])
    level = np.abs((points[:, 1] - centre) / depth) ** POWER + np.abs(points[:, 2] / width) ** POWER
    return np.asarray(level < UP_TO)


def _stems(rng: np.random.Generator) -> Branches:
    sides, ups = (part.ravel() for part in np.meshgrid([-1.0, 1.0], np.repeat(STEMS, 3), indexing="ij"))
    count = len(ups)
    aims = np.stack([ups, rng.normal(-0.1, 0.9, count), 0.8 * sides], axis=-1) + rng.normal(
        0, 0.2, (count, 3)
    )
    start = np.stack([18 + 15 * ups, np.full(count, 12.0), 42 * sides], axis=-1) + rng.normal(
        0, 5, (count, 3)
    )
    return _grown(start, unit(aims), rng.uniform(*STEM_MM, count), 0, rng)


def _grown(start: Points, way: Points, radius: Points, generation: int, rng: np.random.Generator) -> Branches:
    length = LENGTH_MM * SHORTER**generation * rng.uniform(0.7, 1.3, len(radius))
    return Branches(start, way, rng.normal(0, 2.5, (len(radius), 3)), radius, length)


def _daughters(branches: Branches, generation: int, rng: np.random.Generator) -> Branches:
    """Return the two that every branch forks into, as long as they are wide enough."""
    ends = np.repeat(branches.at(1.0), 2, axis=0)
    way = np.repeat(branches.way, 2, axis=0)
    way = unit(way + rng.normal(0, STRAY, way.shape))
    radius = TAPER * np.repeat(branches.radius, 2) * rng.uniform(*DAUGHTER, len(way))
    grown = _grown(ends, way, radius, generation + 1, rng)
    return grown.thin(radius > THINNEST_MM)


def _on_grid(grid: Grid, branches: Branches) -> Branches:
    """Return those that may reach it: most of a chest's vessels lie beside a field of view around the heart."""
    bow = np.linalg.norm(branches.bow, axis=1)
    reach_mm = branches.length / 2 + bow + branches.radius + SOFT_EDGE_MM
    return branches.thin(near(grid, branches.at(0.5), reach_mm[:, None]))


def _tubes(branches: Branches) -> list[Tube]:
    courses = np.stack([branches.at(share) for share in np.linspace(0, 1, 8)], axis=1)
    return [
        Tube.along(course, 2.5, (float(r), TAPER * float(r)))
        for course, r in zip(courses, branches.radius, strict=True)
    ]


def _paint_twigs(canvas: Canvas, twigs: Branches, aerated: Flags) -> None:
    """Add the points of their discs; those off the grid are not looked at."""
    twigs = twigs.thin(near(canvas.grid, twigs.at(0.5), LENGTH_MM))
    if not len(twigs.radius):
        return
    first = unit(np.cross(twigs.way, [0.31, 0.87, 0.38]))
    second = np.cross(twigs.way, first)
    steps = max(int(np.ceil(twigs.length.max() / ALONG_MM)), 1)
    for share in (np.arange(steps) + 0.5) / steps:
        radius = (1 - (1 - TAPER) * share) * twigs.radius
        disc = radius[:, None, None] * (
            DISC[None, :, :1] * first[:, None, :] + DISC[None, :, 1:] * second[:, None, :]
        )
        volumes = np.pi * radius**2 * twigs.length / steps / len(DISC)
        points = (twigs.at(share)[:, None, :] + disc).reshape(-1, 3)
        add_points(canvas, points, np.repeat(volumes, len(DISC)), VESSEL_HU, aerated)
