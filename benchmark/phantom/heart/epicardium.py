"""Epicardial fat as it lies on hearts (second generation): thick in the grooves, thin over the walls between them.

The ventricles fill the sac up to a depth that varies; the chambers' ellipsoids are painted into them afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.phantom.body.texture import smooth_field
from benchmark.phantom.geometry.fields import Distances, Lattice, ellipsoid_distance, paint
from benchmark.phantom.geometry.grid import Canvas
from benchmark.phantom.geometry.tubes import Tube
from benchmark.phantom.geometry.vectors import unit
from benchmark.phantom.heart.frame import BASE_XI, HeartFrame

GROOVES_DEG = (95.0, 280.0)
"""Angles of the anterior and the inferior interventricular groove."""
IN_GROOVE_MM, IN_RING_MM = 8.0, 12.0
"""Fat in the interventricular grooves and in the ring between atria and ventricles, beyond that elsewhere."""
THINNEST_MM = 0.8
RIGHT_WALL_MM = 4.0
AROUND_ARTERY_MM, EVERY_NODE = 5.5, 6
"""Fat around an artery's axis, and how many of its nodes are looked at: one in six, 5 mm apart."""


def paint_ventricles(
    canvas: Canvas, heart: HeartFrame, fat_mm: float, seed: int, muscle_hu: float, right_hu: float
) -> None:
    """Paint the ventricles' muscle under `fat_mm` of fat, more in the grooves, and blood in the right one's hollow."""
    lattice = Lattice(canvas.grid)
    xi, right, angle = _place(lattice, heart)
    ring = np.exp(-(((xi - BASE_XI) / 0.13) ** 2))
    turns = [np.exp(-((((angle - groove + 180) % 360 - 180) / 20) ** 2)) for groove in GROOVES_DEG]
    waves = smooth_field(lattice, 16.0, seed + 351)
    fat = fat_mm + IN_RING_MM * ring + IN_GROOVE_MM * sum(turns) * (1 - ring) + 0.6 * fat_mm * waves
    below = ellipsoid_distance(lattice, heart.sac) + np.maximum(fat, THINNEST_MM)
    # Behind the ring lie the atria.
    behind = (BASE_XI + 0.05 - xi) * heart.semi_axes[0]
    paint(canvas, lattice, np.maximum(below, behind), muscle_hu)
    left_of = (0.05 - right) * heart.semi_axes[1]
    hollow = np.maximum(np.maximum(below + RIGHT_WALL_MM, behind + 3.0), left_of)
    paint(canvas, lattice, hollow, right_hu)


def paint_fat_along(canvas: Canvas, heart: HeartFrame, arteries: Sequence[Tube], fat_hu: float) -> None:
    """Paint the fat in which arteries lie, out to the sac: they run in furrows of the muscle."""
    lattice = Lattice(canvas.grid)
    furrows = _along(lattice, heart, arteries)
    paint(canvas, lattice, np.maximum(furrows, ellipsoid_distance(lattice, heart.sac)), fat_hu)


def _along(lattice: Lattice, heart: HeartFrame, arteries: Sequence[Tube]) -> Distances:
    """Return the distance to the fat from the arteries out to the sac; far from it, how far is not known."""
    nearest = np.full(lattice.shape, AROUND_ARTERY_MM)
    for tube in arteries:
        nodes = tube.nodes[::EVERY_NODE].astype(np.float64)
        outwards = AROUND_ARTERY_MM / 2 * unit(nodes - heart.centre)
        for centre in np.concatenate([nodes, nodes + outwards]):
            around = lattice.around(centre, 2 * AROUND_ARTERY_MM)
            z, y, x = (axis[part] - c for axis, part, c in zip(lattice.axes, around, centre, strict=True))
            away = np.sqrt((z**2)[:, None, None] + (y**2)[:, None] + x**2) - AROUND_ARTERY_MM
            np.minimum(nearest[around], away, out=nearest[around])
    return nearest


def _place(lattice: Lattice, heart: HeartFrame) -> tuple[Distances, Distances, Distances]:
    """Return where cells lie in the sac: along its axis (ξ), to the right, and their angle in degrees."""
    offset = [axis - c for axis, c in zip((lattice.z, lattice.y, lattice.x), heart.centre, strict=True)]
    u, s, t = (
        (row[0] * offset[0] + row[1] * offset[1] + row[2] * offset[2]) / half
        for row, half in zip(heart.axes, heart.semi_axes, strict=True)
    )
    return u, s, np.rad2deg(np.arctan2(t, s))
