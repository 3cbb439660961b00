"""The chest around the heart, painted from the outside inwards (second generation)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.phantom.body.abdomen import below_diaphragm, paint_abdomen
from benchmark.phantom.body.cage import Cage
from benchmark.phantom.body.lungs import paint_airways, paint_lung_vessels, paint_lungs, paint_opacities
from benchmark.phantom.body.skeleton.plates import paint_shoulders, paint_sternum
from benchmark.phantom.body.skeleton.ribs import paint_ribs
from benchmark.phantom.body.skeleton.spine import paint_spine
from benchmark.phantom.body.soft_tissue import AIR_HU, paint_wall, pleura
from benchmark.phantom.body.texture import smooth_field
from benchmark.phantom.geometry.fields import (
    Distances,
    Lattice,
    ellipsoid_distance,
    paint,
    smooth_union,
    spheres_distance,
)
from benchmark.phantom.geometry.grid import Canvas, Ellipsoid, Grid
from benchmark.phantom.geometry.tubes import Tube

MEDIASTINAL_FAT_HU = -97.0
HILUM_MM = (18.0, 12.0, 42.0)
SPINE_SLEEVE_MM = 4.0
AGAINST_WALL_MM, HEART_TOP_MM = 18.0, 55.0
"""How far fat fills the gap between heart and chest wall where there is least of it, and up to which height."""


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
    paint_lung_vessels(canvas, cage, cage.patient.lung_hu + 150)
    paint_airways(canvas)
    paint_spine(canvas, cage)
    paint_ribs(canvas, cage)
    paint_sternum(canvas, cage)
    paint_shoulders(canvas, cage)
    return canvas


def mediastinum(lattice: Lattice, cage: Cage, heart: Ellipsoid, vessels: Sequence[Tube]) -> Distances:
    """Return the distance to what lies between the lungs: heart, vessels, hila, spine, fat that rounds them off."""
    build = cage.physique
    rounding = 3.5 * build.mediastinal_fat_mm
    whole = ellipsoid_distance(lattice, heart) - 2.0
    for tube in vessels:
        nodes = tube.nodes[::5].astype(np.float64)
        chain = spheres_distance(lattice, nodes, tube.radius[::5].astype(np.float64) + 1.5)
        whole = smooth_union(whole, chain, rounding)
    hila = np.array(
        [[HILUM_MM[0] + up, HILUM_MM[1], side * HILUM_MM[2]] for side in (-1, 1) for up in (-22, 0, 20)]
    )
    whole = smooth_union(whole, spheres_distance(lattice, hila, np.full(6, 9.0)), rounding)
    for part in (_around_spine(lattice, cage), _behind_sternum(lattice, cage)):
        whole = smooth_union(whole, part, rounding)
    whole = smooth_union(whole, _front_wall(lattice, cage), AGAINST_WALL_MM + 4 * build.mediastinal_fat_mm)
    for pad in _fat_pads(cage, heart):
        whole = smooth_union(whole, ellipsoid_distance(lattice, pad), 14.0)
    # Fat is lobed: its border with the lung waves.
    waves = smooth_field(lattice, 14.0, cage.patient.form_seed + 321)
    return np.asarray(whole - 0.35 * build.mediastinal_fat_mm * np.maximum(waves, -0.4))


def _fat_pads(cage: Cage, heart: Ellipsoid) -> list[Ellipsoid]:
    """Return the fat in the angles between heart, diaphragm and chest wall, and before the right ventricle."""
    rng = np.random.default_rng([cage.patient.form_seed, 33])
    fat = cage.physique.mediastinal_fat_mm
    z, _, x = heart.centre
    front = float(cage.front(np.array(0.0)))
    places = ((z - 34, front + 14, x - 48), (z - 36, front + 12, x + 42), (z - 8, front + 7, x - 4))
    sizes = ((18, 12, 15), (18, 12, 20), (30, 8, 26))
    pads = []
    for (pz, py, px), (a, b, c) in zip(places, sizes, strict=True):
        grows = float(np.clip(rng.normal(0.55 + 0.09 * fat, 0.25), 0.35, 1.7))
        pads.append(Ellipsoid((pz, py, px), (a * grows, b * grows, c * grows)))
    return pads


def _front_wall(lattice: Lattice, cage: Cage) -> Distances:
    """Return the distance to the chest wall at the heart's height: the heart lies broadly against it, on fat."""
    centre, depth, _ = cage.section(lattice.axes[0])
    behind = lattice.y - (centre - 0.35 * depth)[:, None, None]
    above = lattice.z - HEART_TOP_MM
    return np.maximum(np.maximum(-pleura(lattice, cage), behind), above)


def _around_spine(lattice: Lattice, cage: Cage) -> Distances:
    z = lattice.axes[0]
    y = lattice.y - cage.spine_y(z)[:, None, None]
    x = lattice.x - cage.spine_x(z)[:, None, None]
    size = cage.physique.vertebra_mm / 24
    body = (np.hypot(y / (15.2 * size + SPINE_SLEEVE_MM), x / (18 * size + SPINE_SLEEVE_MM)) - 1) * 18
    arch = (np.hypot((y - 30) / 24, x / 27) - 1) * 24
    return smooth_union(body, arch, 14.0)


def _behind_sternum(lattice: Lattice, cage: Cage) -> Distances:
    front = cage.front(lattice.axes[0])[:, None, None]
    wide = 9.0 + 10.0 * np.clip(cage.local(lattice.axes[0]) / 100, 0, 1)[:, None, None]
    return np.asarray((np.hypot((lattice.y - front) / 12.0, lattice.x / wide) - 1) * np.minimum(wide, 12.0))


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
