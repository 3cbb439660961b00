"""Small calcium of the chest that is no coronary plaque (second generation).

Flecks of the costal cartilages, bone at the edges of the discs, calcified rings of the airways, scars of old infections
in lung, liver and spleen, plates on the pleura. They belong to the patient and say nothing about coronary disease.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.body.cage import POWER, Cage
from benchmark.phantom.geometry.grid import Canvas, Ellipsoid
from benchmark.phantom.geometry.tubes import Tube
from benchmark.phantom.geometry.vectors import unit

Points = NDArray[np.float64]
PER_CARTILAGE, PER_DISC, PER_AIRWAY, PER_RIB = 60.0, 16.0, 8.0, 0.5
"""Mean numbers where all that can calcify has; at the edges of a rib where bone grows as much as it can."""
HU = (150.0, 900.0)
"""From one to the other every ratio is as likely: most are faint."""


def paint_cartilage_flecks(
    canvas: Canvas, course: Points, radius: float, calcified: float, rng: np.random.Generator
) -> None:
    """Paint grains within a cartilage whose middle line (n, 3) is given, and chips where bone meets it."""
    count = int(rng.poisson(PER_CARTILAGE * calcified))
    nodes = np.minimum((len(course) * rng.beta(0.8, 1.2, count)).astype(int), len(course) - 1)
    centres = course[nodes] + 0.45 * radius * rng.normal(0, 1, (count, 3))
    _paint(canvas, centres, rng.uniform(0.8, 1.9, (count, 3)), _hu(rng, count))


def paint_rib_edges(
    canvas: Canvas, course: Points, outwards: Points, radius: float, grows: float, rng: np.random.Generator
) -> None:
    """Paint bone that has grown into what is attached to a rib: above, below and outside its middle line (n, 3)."""
    count = int(rng.poisson(PER_RIB * (0.3 + 0.7 * grows)))
    node = rng.integers(len(course), size=count)
    away = rng.normal(0, 0.6, (count, 1)) * outwards[node] + rng.choice([-1.0, 1.0], (count, 1)) * [1, 0, 0]
    centres = course[node] + radius * rng.uniform(1.2, 1.8, (count, 1)) * unit(away)
    _paint(canvas, centres, rng.uniform(0.8, 1.9, (count, 3)), _hu(rng, count))


def paint_disc_edges(canvas: Canvas, cage: Cage) -> None:
    """Paint bone at the edges of the discs and at the arches' joints, free of the vertebrae or on them."""
    rng = np.random.default_rng([cage.patient.form_seed, 35])
    build = cage.physique
    size = build.vertebra_mm / 24
    for number in range(1, 14):
        count = int(rng.poisson(PER_DISC * build.osteophytes))
        z = cage.vertebra_z(number) - 0.5 * build.vertebra_mm + rng.normal(0, 4, count)
        angle, out = rng.uniform(-1.9, 1.9, count), rng.uniform(1.1, 1.5, count)
        y = cage.spine_y(z) - 15.2 * size * out * np.cos(angle)
        x = cage.spine_x(z) + 18.0 * size * out * np.sin(angle)
        # Half lie behind: small joints, ligaments between the spinous processes.
        behind = rng.random(count) < 0.5
        y = np.where(behind, cage.spine_y(z) + rng.uniform(18, 58, count) * size, y)
        x = np.where(behind, cage.spine_x(z) + rng.normal(0, 9, count) * size, x)
        semi = rng.uniform(0.8, 1.9, (count, 3)) * [1.3, 1.0, 1.0]
        _paint(canvas, np.stack([z, y, x], axis=-1), semi, _hu(rng, count))


def paint_airway_rings(canvas: Canvas, cage: Cage, airways: Sequence[Tube]) -> None:
    """Paint calcified parts of the cartilage rings of the airways, as plates in their wall."""
    rng = np.random.default_rng([cage.patient.form_seed, 37])
    for tube in airways:
        for _ in range(int(rng.poisson(PER_AIRWAY * cage.physique.airway_calcium))):
            node = int(rng.integers(len(tube.nodes)))
            axes = tube.frame(node, float(rng.uniform(0, 360)))
            semi = (float(rng.uniform(0.8, 2.2)), float(rng.uniform(1.2, 3.5)), float(rng.uniform(0.6, 1.3)))
            centre = tube.nodes[node] + (float(tube.radius[node]) + 0.9) * axes[2]
            _ellipsoid(canvas, centre, semi, float(_hu(rng, 1)[0]), np.stack(axes))


def paint_scars(canvas: Canvas, cage: Cage) -> None:
    """Paint granulomas of the lungs, below the diaphragm of liver or spleen, and calcified plates of the pleura."""
    rng = np.random.default_rng([cage.patient.form_seed, 39])
    build = cage.physique
    count = build.granulomas
    centres = np.stack(
        [rng.uniform(-75, 120, count), rng.uniform(-90, 90, count), rng.uniform(-130, 130, count)], axis=-1
    )
    middle, depth, width = cage.section(centres[:, 0])
    level = np.abs((centres[:, 1] - middle) / depth) ** POWER + np.abs(centres[:, 2] / width) ** POWER
    chosen = (level < 0.9) & (np.abs(centres[:, 2]) > 55)
    semi = rng.uniform(1.0, 3.5, (count, 1)) * rng.uniform(0.8, 1.2, (count, 3))
    _paint(canvas, centres[chosen], semi[chosen], _hu(rng, count)[chosen])
    if not build.pleural_plaques:
        return
    for side in rng.choice([-1.0, 1.0], int(rng.integers(3, 12))):
        at = cage.surface(rng.uniform(-40, 70, 1), rng.uniform(25, 150, 1), -1.0, float(side))
        outwards = cage.normals(at)[0]
        along = unit(np.cross(outwards, [1.0, 0.0, 0.0]))
        semi_axes = (float(rng.uniform(3, 10)), float(rng.uniform(3, 10)), float(rng.uniform(0.7, 1.5)))
        axes = np.stack([np.cross(along, outwards), along, outwards])
        _ellipsoid(canvas, at[0], semi_axes, float(_hu(rng, 1)[0]), axes)


def _hu(rng: np.random.Generator, count: int) -> Points:
    return np.exp(rng.uniform(np.log(HU[0]), np.log(HU[1]), count))


def _paint(canvas: Canvas, centres: Points, semi_axes: Points, hu: Points) -> None:
    for centre, semi, value in zip(centres, semi_axes, hu, strict=True):
        _ellipsoid(canvas, centre, (float(semi[0]), float(semi[1]), float(semi[2])), float(value), np.eye(3))


def _ellipsoid(
    canvas: Canvas, centre: Points, semi_axes: tuple[float, float, float], hu: float, axes: Points
) -> None:
    z, y, x = (float(v) for v in centre)
    rows = tuple((float(a[0]), float(a[1]), float(a[2])) for a in axes)
    if (covered := Ellipsoid((z, y, x), semi_axes, rows).occupancy(canvas.grid)) is not None:
        box, occupancy = covered
        view = canvas.hu[box]
        view += occupancy * np.maximum(np.float32(hu) - view, 0)  # bone that it lies on stays as dense
