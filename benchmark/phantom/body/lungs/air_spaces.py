"""Lungs: air spaces denser at the back, fissures, airways (second generation)."""

from __future__ import annotations

import numpy as np

from benchmark.phantom.body.cage import Cage
from benchmark.phantom.body.texture import smooth_field
from benchmark.phantom.geometry.fields import Distances, Lattice, ellipsoid_distance, paint
from benchmark.phantom.geometry.grid import Canvas, Ellipsoid, Flags
from benchmark.phantom.geometry.points import add_points
from benchmark.phantom.geometry.tubes import Tube, paint_tube

WALL_HU, AIR_HU = 20.0, -1000.0
THINNEST_HU = -935.0
"""Real lungs without emphysema have no more air (5th percentile of gated scans: −937 to −846 HU, noise included)."""
SMALL_VESSELS_MM, SMALL_VESSELS_HU = 6.0, np.float32(50.0)
"""Vessels too small to be drawn one by one make the lung around them denser."""
FISSURE_HU, FISSURE_STEP_MM, FISSURE_MM = 20.0, 0.5, (0.2, 0.6)
"""Two layers of pleura: density, the points they are made of, thickness."""


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


def paint_fissures(canvas: Canvas, cage: Cage, aerated: Flags) -> None:
    """Paint the oblique fissure of either lung and the horizontal one of the right: films of pleura, in part absent."""
    rng = np.random.default_rng([cage.patient.form_seed, 25])
    step = FISSURE_STEP_MM
    mesh = np.meshgrid(np.arange(0, 130, step), np.arange(-90, 110, step))
    # Points in rows would show as a pattern where pixels are finer.
    across, along = (axis.ravel() + rng.uniform(-step / 2, step / 2, axis.size) for axis in mesh)
    for side, oblique in ((-1.0, True), (1.0, True), (-1.0, False)):
        tilt, height = rng.normal(0.75 if oblique else 0.05, 0.1), rng.normal(8 if oblique else 22, 8)
        sway, bow = rng.uniform(0, 6, 2), rng.uniform(4, 14)
        # The oblique one falls forwards from behind the hilum; the horizontal one lies before it.
        z = height + tilt * along + bow * (across / 130) ** 2
        z += 3.0 * np.sin(along / 21 + sway[0]) + 2.5 * np.sin(across / 17 + sway[1])
        complete = (np.sin(along / 33 + sway[1]) + np.sin(across / 29 + sway[0])) > rng.uniform(-2.2, -0.6)
        shown = complete & (oblique | (along < 10))
        points = np.stack([z, along, side * (15 + across)], axis=-1)[shown]
        volume = step * step * float(np.sqrt(1 + tilt * tilt)) * float(rng.uniform(*FISSURE_MM))
        add_points(canvas, points, np.full(len(points), volume), FISSURE_HU, aerated)


def paint_airways(canvas: Canvas) -> list[Tube]:
    """Paint trachea, main and lobar bronchi, each with its wall, and return them."""
    airways = _airways()
    for tube in airways:
        wall = Tube(tube.nodes, tube.tangents, tube.radius + np.float32(1.6), name=tube.name)
        paint_tube(canvas, wall, WALL_HU)
    for tube in airways:
        paint_tube(canvas, tube, AIR_HU)
    return airways


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
