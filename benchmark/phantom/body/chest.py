"""The chest around the heart, painted from the outside inwards (second generation)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.phantom.body.abdomen import below_diaphragm, paint_abdomen
from benchmark.phantom.body.cage import Cage
from benchmark.phantom.body.flecks import paint_airway_rings, paint_disc_edges, paint_scars
from benchmark.phantom.body.lungs.air_spaces import (
    THINNEST_HU,
    paint_airways,
    paint_fissures,
    paint_lungs,
    paint_opacities,
)
from benchmark.phantom.body.lungs.vessels import paint_lung_vessels
from benchmark.phantom.body.mediastinum import mediastinum
from benchmark.phantom.body.skeleton.plates import paint_shoulders, paint_sternum
from benchmark.phantom.body.skeleton.ribs import paint_ribs
from benchmark.phantom.body.skeleton.spine import paint_spine
from benchmark.phantom.body.soft_tissue import AIR_HU, paint_wall, pleura
from benchmark.phantom.body.texture import BONE_ABOVE_HU
from benchmark.phantom.geometry.fields import Lattice, paint
from benchmark.phantom.geometry.grid import Canvas, Ellipsoid, Grid
from benchmark.phantom.geometry.tubes import Tube

MEDIASTINAL_FAT_HU = -97.0
AERATED_HU = 150.0
"""That far above the lung's own HU there is something else."""


def paint_chest(grid: Grid, cage: Cage, heart: Ellipsoid, vessels: Sequence[Tube]) -> Canvas:
    """Return a canvas with everything but heart and great vessels, which the mediastinum makes room for."""
    lattice = Lattice(grid)
    canvas = Canvas(grid, np.full(grid.shape[1:], AIR_HU, np.float32))
    paint_wall(canvas, lattice, cage)
    cavity = pleura(lattice, cage)
    paint(canvas, lattice, cavity, MEDIASTINAL_FAT_HU)
    below = below_diaphragm(lattice, cage)
    paint_abdomen(canvas, lattice, cage, np.maximum(below, cavity))
    between = mediastinum(lattice, cage, heart, vessels)
    lung = np.maximum(np.maximum(cavity + 1.0, -between), -below)
    paint_lungs(canvas, lattice, cage, lung)
    paint_opacities(canvas, lattice, cage, lung)
    aerated = (canvas.hu >= THINNEST_HU) & (canvas.hu < cage.patient.lung_hu + AERATED_HU)
    paint_lung_vessels(canvas, cage, aerated)
    paint_fissures(canvas, cage, aerated)
    airways = paint_airways(canvas)
    even = canvas.hu > BONE_ABOVE_HU  # what a stomach holds
    paint_spine(canvas, cage)
    paint_ribs(canvas, cage)
    paint_sternum(canvas, cage)
    paint_shoulders(canvas, cage)
    paint_disc_edges(canvas, cage)
    paint_airway_rings(canvas, cage, airways)
    paint_scars(canvas, cage)
    canvas.bone = (canvas.hu > BONE_ABOVE_HU) & ~even
    return canvas


def paint_nodes(canvas: Canvas, cage: Cage) -> None:
    """Paint lymph nodes: soft ones in everybody, calcified ones where the patient has them."""
    rng = np.random.default_rng([cage.patient.form_seed, 31])
    places = rng.normal(0, 6, (20, 3)) + np.array(
        [[18, 12, -42], [18, 12, 42], [62, 24, 4], [85, 5, -14]] * 5, dtype=float
    )
    for index, (z, y, x) in enumerate(places):
        calcified = index < cage.physique.calcified_nodes
        semi = tuple(float(v) for v in rng.uniform(1.5, 4.5, 3) * (0.8 if calcified else 1.0))
        hu = float(rng.uniform(300, 1100)) if calcified else 35.0
        canvas.ellipsoid(Ellipsoid((float(z), float(y), float(x)), (semi[0], semi[1], semi[2])), hu)
