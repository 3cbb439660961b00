"""Lungs: air spaces denser at the back, branching vessels, airways (second generation)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.body.cage import Cage
from benchmark.phantom.body.texture import smooth_field
from benchmark.phantom.geometry.fields import Distances, Lattice, ellipsoid_distance, paint
from benchmark.phantom.geometry.grid import Canvas, Ellipsoid
from benchmark.phantom.geometry.tubes import Tube, paint_tube
from benchmark.phantom.geometry.vectors import unit

VESSEL_HU, WALL_HU, AIR_HU = 38.0, 20.0, -1000.0
THINNEST_HU = -935.0
"""Real lungs without emphysema have no more air (5th percentile of gated scans: −937 to −846 HU, noise included)."""
SMALL_VESSELS_MM, SMALL_VESSELS_HU = 6.0, np.float32(90.0)
"""Vessels too small to be drawn one by one make the lung around them denser."""
GENERATIONS = 6
FEWEST_MM = 0.6


def paint_lungs(canvas: Canvas, lattice: Lattice, cage: Cage, inside: Distances) -> None:
    """Fill the cavity with lung: the back, on which it rests, is denser."""
    if (covered := lattice.occupancy(inside)) is None:
        return
    box, occupancy = covered
    centre, depth, _ = cage.section(canvas.grid.axes[0][box[0]].astype(float))
    rest = (canvas.grid.axes[1][box[1]][None, :] - centre[:, None]) / depth[:, None]
    hu = cage.patient.lung_hu + cage.physique.lung_slope_hu * rest.astype(np.float32)
    hu = np.maximum(hu, THINNEST_HU)[..., None].astype(np.float32)
    small = np.maximum(smooth_field(lattice, SMALL_VESSELS_MM, cage.patient.form_seed + 333) - 0.5, 0)
    view = canvas.hu[box]
    view += occupancy * (hu + SMALL_VESSELS_HU * lattice.values(small)[box] - view)


def paint_opacities(canvas: Canvas, lattice: Lattice, cage: Cage, inside: Distances) -> None:
    """Paint what many lungs have: collapsed lung where one lies on it, and in some consolidations and nodules."""
    rng = np.random.default_rng([cage.patient.form_seed, 23])
    if rng.random() < 0.5:
        behind = lattice.y - cage.section(lattice.axes[0])[0][:, None, None] - 35
        waves = 4.0 * smooth_field(lattice, 18.0, cage.patient.form_seed + 331)
        rim = np.maximum(-(inside + float(rng.uniform(2, 7)) + waves), -behind)
        paint(canvas, lattice, np.maximum(rim, inside), -250.0)
    count = int(rng.integers(1, 6)) if rng.random() < 0.25 else 0
    for _ in range(count):
        centre = (rng.uniform(-60, 90), rng.uniform(-50, 60), rng.choice([-1, 1]) * rng.uniform(50, 110))
        size = rng.uniform(3, 22, 3)
        clump = ellipsoid_distance(lattice, Ellipsoid(centre, (size[0], size[1], size[2])))
        clump = clump + 3.0 * smooth_field(lattice, 9.0, cage.patient.form_seed + 332)
        paint(canvas, lattice, np.maximum(clump, inside), float(rng.uniform(-300, 40)))


def paint_lung_vessels(canvas: Canvas, cage: Cage, aerated_below_hu: float) -> None:
    """Paint the branching vessels wherever there is lung."""
    aerated = canvas.hu < aerated_below_hu
    for tube in _vessel_trees(cage):
        paint_tube(canvas, tube, VESSEL_HU, aerated)


def paint_airways(canvas: Canvas) -> None:
    """Paint trachea, main and lobar bronchi, each with its wall."""
    for tube in _airways():
        wall = Tube(tube.nodes, tube.tangents, tube.radius + np.float32(1.6), name=tube.name)
        paint_tube(canvas, wall, WALL_HU)
    for tube in _airways():
        paint_tube(canvas, tube, AIR_HU)


def _vessel_trees(cage: Cage) -> list[Tube]:
    """Return arteries and veins of both lungs: from each hilum a few stems that fork six times and taper."""
    rng = np.random.default_rng([cage.patient.form_seed, 21])
    tubes: list[Tube] = []
    for side in (-1.0, 1.0):
        hilum = np.array([18.0, 12.0, side * 42.0])
        for up in (-1.5, -0.9, -0.3, 0.3, 0.9):
            for _ in range(2):
                way = unit(np.array([up, rng.normal(0.15, 0.7), side * 0.8]) + rng.normal(0, 0.2, 3))
                start = hilum + np.array([15 * up, 0, 0]) + rng.normal(0, 5, 3)
                _fork(start, way, float(rng.uniform(3.2, 5.2)), 0, rng, tubes)
    return tubes


def _fork(
    start: NDArray[np.float64],
    way: NDArray[np.float64],
    radius: float,
    generation: int,
    rng: np.random.Generator,
    tubes: list[Tube],
) -> None:
    length = float(rng.uniform(0.75, 1.25)) * (30.0 - 3.0 * generation)
    share = np.linspace(0, 1, 12)[:, None]
    points = start + share * length * way + share**2 * rng.normal(0, 2.5, 3)
    thinner = 0.78 * radius
    tubes.append(Tube.along(points, 2.5, (radius, thinner)))
    if generation + 1 >= GENERATIONS or thinner < FEWEST_MM:
        return
    for _ in range(2):
        turned = unit(way + rng.normal(0, 0.45, 3))
        _fork(points[-1], turned, thinner * float(rng.uniform(0.72, 0.95)), generation + 1, rng, tubes)


def _airways() -> list[Tube]:
    """Return trachea, main bronchi and the first lobar ones."""
    carina = np.array([80.0, 22.0, 2.0])
    courses = (
        (carina, [110, -18, 0], 8.5),
        (carina, [-30, 2, -34], 6.5),
        (carina, [-38, 6, 42], 5.8),
        (carina + np.array([-30, 2, -34]), [-32, 8, -22], 4.5),
        (carina + np.array([-38, 6, 42]), [-30, 10, 16], 4.2),
        (carina + np.array([-24, 2, -28]), [16, 4, -30], 3.8),
        (carina + np.array([-34, 6, 38]), [18, -2, 26], 3.6),
    )
    along = np.linspace(0, 1, 30)[:, None]
    return [Tube.along(start + along * np.array(way), 2.0, (r, 0.85 * r)) for start, way, r in courses]
