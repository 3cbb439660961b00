"""What lies between the lungs, and how far they reach in front of it (second generation)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.phantom.body.cage import Cage
from benchmark.phantom.body.soft_tissue import pleura
from benchmark.phantom.body.texture import smooth_field
from benchmark.phantom.geometry.fields import (
    Distances,
    Lattice,
    ellipsoid_distance,
    smooth_union,
    spheres_distance,
)
from benchmark.phantom.geometry.grid import Ellipsoid
from benchmark.phantom.geometry.tubes import Tube

HILUM_MM = (18.0, 12.0, 42.0)
SPINE_SLEEVE_MM = 4.0
HEART_TOP_MM = 55.0
CORE_FROM_MM = 30.0
"""From this height up there is fat between the great vessels; below it there is the heart."""


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
    for part in (_around_spine(lattice, cage), _behind_sternum(lattice, cage), _core(lattice, cage)):
        whole = smooth_union(whole, part, rounding)
    whole = smooth_union(whole, _front_wall(lattice, cage), _filled_before(lattice, cage, heart))
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
    """Return the distance to the chest wall at the heart's height."""
    centre, depth, _ = cage.section(lattice.axes[0])
    behind = lattice.y - (centre - 0.35 * depth)[:, None, None]
    above = lattice.z - HEART_TOP_MM
    return np.maximum(np.maximum(-pleura(lattice, cage), behind), above)


def _filled_before(lattice: Lattice, cage: Cage, heart: Ellipsoid) -> Distances:
    """Return over which width fat rounds off the corners between heart and chest wall, (z, 1, x).

    The lungs reach in front of the heart; below its notch the left one leaves the heart to the wall, and in the middle
    heart and wall touch up to a height that varies.
    """
    build = cage.physique
    left = np.clip((lattice.x - heart.centre[2] + 5) / 25, 0, 1)
    below = np.clip((build.notch_top_mm - lattice.z) / 16 + 0.5, 0, 1)
    width = build.recess_mm + (build.notch_mm - build.recess_mm) * left * below
    middle = np.clip(1.5 - np.abs(lattice.x - 0.5 * heart.centre[2]) / build.contact_mm, 0, 1)
    touching = np.clip((build.contact_top_mm - lattice.z) / 16 + 0.5, 0, 1)
    return np.asarray(np.maximum(width, (8.0 + 2.5 * build.retrosternal_mm) * middle * touching))


def _core(lattice: Lattice, cage: Cage) -> Distances:
    """Return the distance to the fat between the great vessels, from the spine on; to the sternum it thins out."""
    z = lattice.axes[0]
    front, back = cage.front(z)[:, None, None], cage.spine_y(z)[:, None, None]
    share = (lattice.y - front) / (back - front)
    half = np.interp(share, (0.0, 0.35, 0.6, 1.0), (2.0, 15.0, 21.0, 17.0))
    return np.maximum(np.abs(lattice.x - 4.0) - half, CORE_FROM_MM - lattice.z)


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
