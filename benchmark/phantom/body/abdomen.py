"""What lies under the diaphragm: liver, stomach, spleen and fat."""

from __future__ import annotations

import numpy as np

from benchmark.phantom.body.cage import Cage
from benchmark.phantom.body.soft_tissue import FAT_HU
from benchmark.phantom.body.texture import smooth_field
from benchmark.phantom.geometry.fields import Distances, Lattice, ellipsoid_distance, paint, smooth_union
from benchmark.phantom.geometry.grid import Canvas, Ellipsoid

CONTENT_HU = {"empty": 20.0, "gas": 25.0, "contrast": 320.0}
DOMES_MM = ((-28.0, 5.0, -68.0), (-40.0, 0.0, 78.0))
"""Tops of the right and the left dome (z, y, x)."""
UNDER_HEART_MM = -44.0
"""Height of the central tendon, which the heart lies on."""


def below_diaphragm(lattice: Lattice, cage: Cage) -> Distances:
    """Return the distance to the diaphragm's surface, negative below it."""
    build = cage.physique
    rise = build.diaphragm_mm
    falls_y, falls_x = 0.62 * float(cage.section(np.array(0.0))[1]), 0.52 * cage.half_width_mm
    height = np.full(np.broadcast_shapes(lattice.y.shape, lattice.x.shape), UNDER_HEART_MM + 0.25 * rise)
    height = height - 26 * np.clip((lattice.y - 20) / 60, 0, 2) ** 1.5
    for top, y, x in DOMES_MM:
        away = ((lattice.y - y) / falls_y) ** 2 + ((lattice.x - x) / falls_x) ** 2
        dome = top + rise - 34 * away
        height = -smooth_union(-height, -dome, 26.0)
    height = height + 2.0 * smooth_field(lattice, 25.0, cage.patient.form_seed + 311)[:1]
    step_y, step_x = lattice.steps[1], lattice.steps[2]
    slope = np.gradient(height[0], step_y, axis=0) ** 2 + np.gradient(height[0], step_x, axis=1) ** 2
    return np.asarray((lattice.z - height) / np.sqrt(1 + slope))


def paint_abdomen(canvas: Canvas, lattice: Lattice, cage: Cage, below: Distances) -> None:
    """Paint the organs into the space below the diaphragm; its muscle is a film above them."""
    build = cage.physique
    wave = 3.0 * smooth_field(lattice, 25.0, cage.patient.form_seed + 312)
    rng = np.random.default_rng([cage.patient.form_seed, 29])
    liver_end, size, level = rng.uniform(15, 70), rng.uniform(0.65, 1.15), rng.uniform(-4, 32)
    dz, dy, dx = rng.normal(0, 9, 3)
    paint(canvas, lattice, below, build.muscle_hu)
    paint(canvas, lattice, below + 3.0, FAT_HU + 4)
    # The liver fills the right dome and ends, thinning, left of the middle; the vertebrae lie behind it.
    edge = lattice.x - liver_end + 0.9 * np.maximum(lattice.y + 10, -30) + 0.15 * (lattice.z + 40)
    paint(canvas, lattice, np.maximum(below + 3.5, edge + 3 * wave), build.liver_hu)
    where = (-92.0 + build.diaphragm_mm + dz, -18.0 + dy, 62.0 + dx)
    stomach = ellipsoid_distance(lattice, Ellipsoid(where, (52 * size, 48 * size, 44 * size))) + 2 * wave
    stomach = np.maximum(stomach, below + 4.0)
    paint(canvas, lattice, stomach, 45.0)
    paint(canvas, lattice, stomach + 4.0, CONTENT_HU[build.stomach])
    if build.stomach == "gas":
        paint(canvas, lattice, np.maximum(stomach + 4.0, lattice.y + level + 0 * lattice.z), -950.0)
    place = (-88.0 + build.diaphragm_mm, 48.0, 0.62 * cage.half_width_mm)
    spleen = ellipsoid_distance(lattice, Ellipsoid(place, (48.0, 36.0, 30.0)))
    paint(canvas, lattice, np.maximum(spleen + wave, below + 4.0), 50.0)
