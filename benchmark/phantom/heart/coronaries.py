"""The coronary tree: smooth, tapering centrelines in the grooves of the heart.

The arteries run in the fat of the atrioventricular groove (RCA, LCx) and of the interventricular grooves (LAD,
posterior descending artery), 4 to 8 mm below the pericardium. They begin at the aortic root and taper linearly
from their proximal to their distal calibre.
"""

from __future__ import annotations

import numpy as np

from benchmark.phantom.body.patient import Patient
from benchmark.phantom.geometry.tubes import Tube
from benchmark.phantom.geometry.vectors import dot, unit
from benchmark.phantom.heart.frame import BASE_XI, HeartFrame, Vectors

STEP_MM = 0.8
AORTIC_ROOT = (-25.0, 12.0, 8.0)
"""Centre of the aortic root in heart coordinates (u, s, t), mm at scale 1."""
AORTIC_AXIS = unit(np.array([1.0, 0.05, -0.12]))
"""The way of the ascending aorta, (z, y, x)."""
OSTIUM_HEIGHT_MM = 18.0


Knots = tuple[tuple[float, float, float], ...]
"""Where a branch passes on the heart: angle in degrees, ξ, depth in mm."""


def coronary_tree(patient: Patient, heart: HeartFrame) -> list[Tube]:
    """Return the branches, each main artery (LM, LAD, LCx, RCA) before its side branches.

    Side branches carry the label of the artery they leave. The posterior descending artery leaves the RCA, or
    the LCx in a left-dominant heart.
    """
    rng = np.random.default_rng(patient.form_seed)
    c, right = patient.calibre, patient.dominance == "right"
    fork = heart.surface(np.array([97.0]), np.array([BASE_XI]), 7.0)[0]
    left, ostium = (_ostium(patient, heart, towards) for towards in (fork, heart.at(-20, 36, 20)))
    lm = _tube("LM", 1, _line(left, fork), c.lm, c.lm * 0.93, patient, ostial=True)
    jitter = rng.normal(0, 1, 8)
    lad = _course(((96, 0.1, 6), (94, 0.55, 5), (95, 0.88, 5), (200, 0.98, 5)), heart, fork, rng)
    end = (206 if right else 282) + 4 * jitter[0]
    lcx = _course(((135, -0.3, 6), (175, -0.27, 6), (end, -0.3, 6)), heart, fork, rng)
    rca_end = (-110 if right else -55) + 3 * jitter[1]
    rca = _course(((4, -0.27, 6), (0.4 * rca_end, -0.24, 6), (rca_end, -0.3, 6)), heart, ostium, rng)
    tree = [
        lm,
        _tube("LAD", 2, lad, c.lad, c.lad_distal * 0.75, patient),
        _tube("LCx", 3, lcx, c.lcx, 0.55 * c.lcx, patient),
        _tube("RCA", 4, rca, c.rca, 0.72 * c.rca, patient, ostial=True),
    ]
    return tree + _side_branches(tree, heart, patient, rng)


def _ostium(patient: Patient, heart: HeartFrame, towards: Vectors) -> Vectors:
    """Return where an artery leaves the aorta: on its wall, on the side of `towards`, above the root."""
    root = heart.at(*AORTIC_ROOT)
    way = towards - root
    height = float(dot(way, AORTIC_AXIS))
    outwards = unit(way - height * AORTIC_AXIS)
    return np.asarray(
        root + min(height, OSTIUM_HEIGHT_MM) * AORTIC_AXIS + (patient.aorta_mm / 2 - 0.5) * outwards
    )


def _side_branches(
    tree: list[Tube], heart: HeartFrame, patient: Patient, rng: np.random.Generator
) -> list[Tube]:
    """Return two diagonals, an obtuse marginal, an acute marginal and the posterior descending artery."""
    _, lad, lcx, rca = tree
    jitter = rng.normal(0, 1, 4)
    giver, share = (rca, 0.83) if patient.dominance == "right" else (lcx, 0.97)
    courses = (
        ("D1", lad, 0.24, ((135 + 5 * jitter[0], 0.3, 5), (146 + 5 * jitter[0], 0.6, 5))),
        ("D2", lad, 0.45, ((122 + 5 * jitter[1], 0.55, 5), (130, 0.75, 5))),
        ("OM", lcx, 0.45, ((185 + 6 * jitter[2], 0.1, 5), (195, 0.5, 5))),
        ("AM", rca, 0.5, ((-38 + 5 * jitter[3], 0.15, 5), (-45, 0.45, 5))),
        ("PDA", giver, share, ((279, 0.2, 5), (276, 0.6, 5))),
    )
    branches = []
    for name, parent, where, knots in courses:
        index = int(where * (len(parent.nodes) - 1))
        points = _course(knots, heart, parent.nodes[index].astype(float), rng)
        calibre = 1.3 * float(parent.radius[index])
        branches.append(_tube(name, parent.label, points, calibre, 0.6 * calibre, patient))
    return branches


def _course(knots: Knots, heart: HeartFrame, start: Vectors, rng: np.random.Generator) -> Vectors:
    """Return a smooth path from `start` through the knots, with windings of a millimetre or two."""
    theta, xi, depth = heart.coordinates(start)
    theta += 360 * round((knots[0][0] - theta) / 360)
    table = np.array([(theta, xi, depth), *knots])
    along = np.linspace(0, len(knots), 240)
    theta_deg, xis, depths = (_smooth(along, column) for column in table.T)
    straight = heart.surface(theta_deg, xis, depths)
    length = float(np.linalg.norm(np.diff(straight, axis=0), axis=1).sum())
    phase = along / len(knots)
    winding = np.sin(np.pi * phase) * min((length / 100) ** 1.5, 1.0)
    theta_deg = theta_deg + 1.8 * winding * np.sin(2 * np.pi * (3 * phase + rng.random()))
    xis = xis + 0.018 * winding * np.sin(2 * np.pi * (2.5 * phase + rng.random()))
    depths = depths + 0.7 * winding * np.sin(2 * np.pi * (4 * phase + rng.random()))
    return heart.surface(theta_deg, np.clip(xis, -0.98, 0.985), np.maximum(depths, 3.0))


def _smooth(along: Vectors, knots: Vectors) -> Vectors:
    """Interpolate by a Catmull–Rom spline through the knots, which lie at whole numbers."""
    padded = np.concatenate([[2 * knots[0] - knots[1]], knots, [2 * knots[-1] - knots[-2]]])
    i = np.minimum(along.astype(int), len(knots) - 2)
    f = along - i
    p0, p1, p2, p3 = (padded[i + k] for k in range(4))
    curve = (
        2 * p1 + (p2 - p0) * f + (2 * p0 - 5 * p1 + 4 * p2 - p3) * f**2 + (3 * p1 - p0 - 3 * p2 + p3) * f**3
    )
    return np.asarray(curve / 2)


def _line(start: Vectors, stop: Vectors) -> Vectors:
    return start + np.linspace(0, 1, 50)[:, None] * (stop - start)


def _tube(
    name: str,
    label: int,
    points: Vectors,
    first_mm: float,
    last_mm: float,
    patient: Patient,
    ostial: bool = False,
) -> Tube:
    """Resample a path and give it its taper, between two diameters, and its wall; `ostial`: cut at the aorta."""
    return Tube.along(
        points, STEP_MM, (first_mm / 2, last_mm / 2), patient.wall_mm, name, label, (ostial, False)
    )
