"""Twelve pairs of ribs with their cartilages: rods that leave the spine, go round the chest and fall as they go.

Drops, angles and sternal heights: a typical adult chest, read off real scans; lengths in mm for 24 mm vertebrae.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.body.cage import Cage
from benchmark.phantom.body.flecks import paint_cartilage_flecks, paint_rib_edges
from benchmark.phantom.body.skeleton.rods import Rod, paint_bone, paint_cartilage, rod
from benchmark.phantom.geometry.grid import Canvas

Points = NDArray[np.float64]
ANGLE_DEG = (148, 156, 160, 161, 160, 156, 150, 140, 128, 114, 88, 62)
"""How far round from the back each rib's bone reaches."""
DROP_MM = (48, 60, 70, 80, 90, 100, 110, 112, 106, 94, 62, 40)
"""How far it falls from the spine to its end."""
STERNAL_MM = (122, 98, 76, 56, 38, 22, 8)
"""Where the cartilages of the first seven meet the sternum."""
BEYOND_MM = 5.5
"""The ribs' middle outside the pleura."""
TRUE_RIBS, WITH_CARTILAGE = 7, 10


def paint_ribs(canvas: Canvas, cage: Cage) -> None:
    """Paint the ribs, then the cartilages, each pair a little unlike."""
    build = cage.physique
    for side in (-1.0, 1.0):
        previous: Points | None = None
        for number in range(1, 13):
            rng = np.random.default_rng([cage.patient.form_seed, number, int(side > 0)])
            specks = np.random.default_rng([cage.patient.form_seed, number, int(side > 0), 43])
            course = rib_course(cage, number, side, rng)
            radius = float(rng.normal(6.0, 0.5)) * (0.8 if number in (1, 12) else 1.0)
            marrow = build.marrow_hu * float(rng.uniform(0.8, 1.3))
            bone = _facing(cage, course, (0.95 * radius, 1.1 * radius), 0.55)
            if number <= WITH_CARTILAGE:
                previous = cartilage_course(cage, number, side, course[-1], previous)
                calcified = float(np.clip(build.cartilage_calcium * rng.uniform(0.6, 1.4), 0, 1))
                gristle = _facing(cage, previous, (1.12 * radius, 0.85 * radius), 0.7)
                paint_cartilage(canvas, gristle, float(rng.normal(92, 10)), calcified, rng)
                paint_cartilage_flecks(canvas, previous, radius, calcified, specks)
            paint_bone(
                canvas, bone, 0.62 * build.cortex_hu * float(rng.uniform(0.8, 1.2)), marrow, build.cortex_mm
            )
            paint_rib_edges(canvas, course, cage.normals(course), radius, build.osteophytes, specks)


def rib_course(cage: Cage, number: int, side: float, rng: np.random.Generator) -> Points:
    """Return a rib's middle line (n, 3): head beside the vertebra, tubercle, angle, round to its end."""
    scale = cage.physique.vertebra_mm / 24 * cage.physique.rib_slope
    drop = DROP_MM[number - 1] * scale * float(rng.normal(1, 0.05))
    end = ANGLE_DEG[number - 1] + float(rng.normal(0, 3))
    head_z = cage.vertebra_z(number) + 0.4 * cage.physique.vertebra_mm
    azimuth = np.linspace(min(34.0, 0.55 * end), end, 60)
    done = np.linspace(0.04, 1, 60) ** 1.15
    round_chest = cage.surface(head_z - drop * done, azimuth, BEYOND_MM, side)
    at = np.array(head_z)
    spine = np.array([head_z, float(cage.spine_y(at)), float(cage.spine_x(at))])
    start = spine + np.array([[0.0, 5.0, side * 17.0], [0.5, 14.0, side * 26.0], [0.0, 22.0, side * 38.0]])
    return _rounded(np.concatenate([start, round_chest]))


def cartilage_course(cage: Cage, number: int, side: float, start: Points, above: Points | None) -> Points:
    """Return a cartilage's middle line: to the sternum, or from the eighth rib on to the cartilage above."""
    if number <= TRUE_RIBS:
        z = STERNAL_MM[number - 1] + cage.physique.cage_shift_mm
        stop = np.array([z, float(cage.front(np.array(z))) - 5.0, side * 15.0])
    else:
        assert above is not None  # noqa: S101
        stop = above[int(0.45 * len(above))] + np.array([-9.0, 0.0, 0.0])
    share = np.linspace(0, 1, 30)
    straight = start + share[:, None] * (stop - start)
    # Round the chest, not through it; the lower ones first go on down, then turn up to the sternum.
    _, depth, _ = cage.section(straight[:, 0])
    bulge = 4 * share * (1 - share)
    straight[:, 1] -= bulge * np.minimum(8.0, 0.1 * depth)
    straight[:, 0] -= bulge * max(0.0, 0.14 * float(stop[0] - start[0]))
    return straight


def _facing(cage: Cage, points: Points, radii: tuple[float, float], flatness: float) -> Rod:
    return rod(points, radii, cage.normals(points), flatness)


def _rounded(points: Points) -> Points:
    """Smooth a chain of points by a running mean; its ends stay."""
    padded = np.concatenate([points[:1], points[:1], points, points[-1:], points[-1:]])
    weights = (1, 3, 4, 3, 1)
    total = sum(w * padded[i : i + len(points)] for i, w in enumerate(weights))
    smooth = np.asarray(total) / sum(weights)
    smooth[0], smooth[-1] = points[0], points[-1]
    return smooth
