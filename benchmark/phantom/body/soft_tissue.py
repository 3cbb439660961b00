"""The body's wall: skin, subcutaneous fat, muscle with fat between its layers, breasts, arms, table."""

from __future__ import annotations

import numpy as np

from benchmark.phantom.body.cage import POWER, Cage
from benchmark.phantom.body.skeleton.rods import paint_bone, rod
from benchmark.phantom.body.texture import smooth_field
from benchmark.phantom.geometry.fields import Distances, Lattice, ellipsoid_distance, paint, smooth_union
from benchmark.phantom.geometry.grid import Canvas, Ellipsoid

AIR_HU, SKIN_HU, FAT_HU, GLAND_HU, TABLE_HU = -1000.0, 5.0, -104.0, 25.0, -350.0
SKIN_MM = 2.0


def paint_wall(canvas: Canvas, lattice: Lattice, cage: Cage) -> None:
    """Paint everything from the air around the patient to the pleura."""
    build = cage.physique
    outline = body_outline(lattice, cage)
    if build.table:
        _paint_table(canvas, lattice, cage)
    paint(canvas, lattice, outline, SKIN_HU)
    paint(canvas, lattice, outline + SKIN_MM, FAT_HU)
    _paint_glands(canvas, lattice, cage, outline)
    muscle = _muscle(lattice, cage)
    paint(canvas, lattice, np.maximum(muscle, outline + 3.5), build.muscle_hu)
    _paint_fat_planes(canvas, lattice, cage, muscle)
    if build.arms == "down":
        _paint_arms(canvas, lattice, cage)


def body_outline(lattice: Lattice, cage: Cage) -> Distances:
    """Return the distance to the skin: an oval that is flat at the back, with shoulders above and breasts before."""
    patient, build = cage.patient, cage.physique
    z = cage.local(lattice.axes[0])
    shoulders = np.clip((z - 50) / 90, 0, 1) ** 2
    width = patient.chest_width_mm / 2 * (1 + (0.16 if build.arms == "up" else 0.05) * shoulders)
    depth = patient.chest_depth_mm / 2 * (1 - 0.2 * np.clip((z - 90) / 90, 0, 1) ** 2)
    centre = patient.chest_depth_mm / 2 - depth
    outline = _oval(lattice, centre, depth, width, POWER)
    # The spine's furrow in the back.
    furrow = np.exp(-((lattice.x / 13.0) ** 2)) * np.clip(
        (lattice.y - 0.3 * patient.chest_depth_mm) / 20, 0, 1
    )
    outline = outline + (2.0 + 0.12 * patient.fat_mm) * furrow
    if build.breast_mm > 4:
        for side in (-1.0, 1.0):
            outline = smooth_union(outline, _breast(lattice, cage, side), 22.0)
    return np.asarray(outline)


def _oval(lattice: Lattice, centre: Distances, depth: Distances, width: Distances, power: float) -> Distances:
    """Return the distance to a superellipse in every slice: centre y, half-depth and half-width (z)."""
    y, x = lattice.y - centre[:, None, None], lattice.x
    level = (np.abs(y) / depth[:, None, None]) ** power + (np.abs(x) / width[:, None, None]) ** power
    level = np.maximum(level, 1e-9) ** (1 / power)
    return np.asarray((1 - 1 / level) * np.hypot(y, x))


def pleura(lattice: Lattice, cage: Cage) -> Distances:
    """Return the distance to the inner surface of the rib cage."""
    centre, depth, width = cage.section(lattice.axes[0])
    return _oval(lattice, centre, depth, width, POWER)


def _breast(lattice: Lattice, cage: Cage, side: float) -> Distances:
    patient, build = cage.patient, cage.physique
    size = 38.0 + 0.55 * build.breast_mm
    # They fall to the sides when one lies on the back.
    x, y = (
        side * (0.27 * patient.chest_width_mm),
        -0.5 * patient.chest_depth_mm + 0.13 * patient.chest_depth_mm,
    )
    centre = (10.0 + build.cage_shift_mm, y - 0.35 * build.breast_mm, x)
    return ellipsoid_distance(lattice, Ellipsoid(centre, (1.15 * size, 12 + 0.75 * build.breast_mm, size)))


def _paint_glands(canvas: Canvas, lattice: Lattice, cage: Cage, outline: Distances) -> None:
    build = cage.physique
    if build.breast_mm <= 10 or build.glandular < 0.05:
        return
    clumps = smooth_field(lattice, 9.0, cage.patient.form_seed + 301)
    for side in (-1.0, 1.0):
        tissue = (
            _breast(lattice, cage, side) + 0.25 * build.breast_mm + 7 * (clumps + 1.0 - 2 * build.glandular)
        )
        paint(canvas, lattice, np.maximum(tissue, outline + 8), GLAND_HU)


def _muscle(lattice: Lattice, cage: Cage) -> Distances:
    """Return the distance to the muscle's outer surface: thin over the ribs, thick at shoulders and spine."""
    patient, build = cage.patient, cage.physique
    centre, depth, width = cage.section(lattice.axes[0])
    up = np.clip((cage.local(lattice.axes[0]) - 20) / 100, 0, 1)
    thick = 13.0 + 38.0 * up**1.3
    muscle = _oval(lattice, centre, depth + 14.0, width + thick, POWER)
    muscle = muscle + 2.5 * smooth_field(lattice, 30.0, patient.form_seed + 302)
    spine_y, spine_x = cage.spine_y(lattice.axes[0]), cage.spine_x(lattice.axes[0])
    for side in (-1.0, 1.0):
        y = lattice.y - spine_y[:, None, None] - 36
        x = lattice.x - spine_x[:, None, None] - side * 25
        erector = (np.hypot(y / 17.0, x / 24.0) - 1) * 18
        muscle = smooth_union(muscle, erector, 8.0)
        front = float(cage.front(np.array(80.0))) - 8
        chest = Ellipsoid((95.0 + build.cage_shift_mm, front, side * 70), (75.0, 17.0, 72.0))
        pectoral = ellipsoid_distance(lattice, chest)
        muscle = smooth_union(muscle, pectoral, 10.0)
    return np.asarray(muscle)


def _paint_fat_planes(canvas: Canvas, lattice: Lattice, cage: Cage, muscle: Distances) -> None:
    """Paint the films of fat between muscles, and fat that streaks them."""
    wave = smooth_field(lattice, 22.0, cage.patient.form_seed + 303)
    broken = smooth_field(lattice, 15.0, cage.patient.form_seed + 304)
    inner = pleura(lattice, cage)
    for deep in (9.0, 19.0, 29.0):
        film = np.abs(muscle + deep + 3.0 * wave) - np.clip(1.1 + 0.9 * broken, 0, 2.6)
        paint(canvas, lattice, np.maximum(film, 5.0 - inner), FAT_HU + 8)


def _paint_arms(canvas: Canvas, lattice: Lattice, cage: Cage) -> None:
    """Paint the arms beside the body: fat, muscle, bone."""
    out = cage.patient.chest_width_mm / 2 + 44.0
    for side in (-1.0, 1.0):
        x = side * (out - np.clip(cage.local(lattice.axes[0]) - 60, 0, 80) * 0.45)
        disc = np.hypot(lattice.y - 25.0, lattice.x - x[:, None, None])
        for radius, value in ((43.0, SKIN_HU), (41.0, FAT_HU), (34.0, cage.physique.muscle_hu)):
            paint(canvas, lattice, disc - radius, value)
        z = np.linspace(-200, 200, 40)
        line = np.stack(
            [z, np.full(40, 25.0), side * (out - np.clip(cage.local(z) - 60, 0, 80) * 0.45)], axis=-1
        )
        bone = rod(line, (11.0, 11.0))
        paint_bone(canvas, bone, cage.physique.cortex_hu * 1.1, 30.0, 4.5)


def _paint_table(canvas: Canvas, lattice: Lattice, cage: Cage) -> None:
    """Paint the table's shell under the patient."""
    top = cage.patient.chest_depth_mm / 2 + 6.0
    sag = top - 10.0 * np.clip((np.abs(lattice.x) / 220) ** 2, 0, 1) + 0.0 * lattice.z
    for deep, value in ((0.0, TABLE_HU), (3.0, -960.0), (38.0, TABLE_HU), (41.0, AIR_HU)):
        paint(canvas, lattice, np.maximum(sag + deep - lattice.y, np.abs(lattice.x) - 215), value)
