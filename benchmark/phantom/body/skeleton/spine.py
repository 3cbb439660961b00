"""Thoracic vertebrae: bodies with end plates and discs, canal, pedicles, laminae, processes, and bone spurs.

A vertebra is a few convex solids in its own system: x to the left of it, y behind the body's centre, z above it, mm.
It is finer than thick slices, so each slice is the mean of sections through its thickness.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.body.cage import Cage
from benchmark.phantom.geometry.grid import Canvas, Floats

Array = NDArray[np.float64]
DISC_MM = 5.0
REACH_MM = (24.0, 66.0, 46.0)
"""Of the box around a vertebra: before the body, behind it, and to either side."""
CANAL_HU, DISC_HU = 28.0, 95.0
CORTEX_MM, END_PLATE_MM = 0.9, 1.4


def paint_spine(canvas: Canvas, cage: Cage) -> None:
    """Paint the vertebrae, slice by slice."""
    grid = canvas.grid
    for index, z in enumerate(grid.axes[0].astype(float)):
        centre_y, centre_x = float(cage.spine_y(np.array(z))), float(cage.spine_x(np.array(z)))
        part = grid.box(
            np.array([z, centre_y + (REACH_MM[1] - REACH_MM[0]) / 2, centre_x]),
            np.array([0.1, (REACH_MM[0] + REACH_MM[1]) / 2, REACH_MM[2]]),
        )
        if part is None:
            continue
        y = grid.axes[1][part[1]].astype(float)[:, None] - centre_y
        x = grid.axes[2][part[2]].astype(float)[None, :] - centre_x
        view = canvas.hu[index, part[1], part[2]]
        steps = max(round(grid.thickness / 1.0), 1)
        offsets = ((np.arange(steps) + 0.5) / steps - 0.5) * grid.thickness
        painted = [_section(view, cage, z + dz, y, x, grid.spacing[1]) for dz in offsets]
        view[...] = np.mean(painted, axis=0, dtype=np.float32)


def _section(under: Floats, cage: Cage, z: float, y: Array, x: Array, pixel: float) -> Floats:
    """Return the section at one height, painted over what is under it."""
    hu = under.copy()
    spacing = cage.physique.vertebra_mm
    number = round((cage.vertebra_z(8) - z) / spacing) + 8
    rng = np.random.default_rng([cage.patient.form_seed, 77, number % 64])
    up = z - cage.vertebra_z(number)
    size = float(rng.normal(1.0, 0.03)) * spacing / 24
    body, disc = _body(cage, up, y, x, size, rng)
    arch = _arch(up, y, np.abs(x + 0.6), size)
    # The spinous and lower articular processes of the vertebra above hang down to this height.
    arch = np.minimum(arch, _arch(up - spacing, y, np.abs(x + 0.6), size))
    canal = (np.hypot(x / 10.5, (y - 21 * size) / 8.0) - 1) * 8
    build = cage.physique
    marrow = build.marrow_hu + float(rng.normal(0, 15))
    _lay(hu, disc, DISC_HU, pixel)
    for solid, inset in ((arch, CORTEX_MM), (body, END_PLATE_MM if abs(up) > 0.3 * spacing else CORTEX_MM)):
        _lay(hu, solid, build.cortex_hu * (0.62 if solid is arch else 0.5), pixel)
        _lay(hu, solid + inset, marrow * (1.15 if solid is arch else 1.0), pixel)
    _lay(hu, canal, CANAL_HU, pixel)
    return hu


def _lay(hu: Floats, distance: Array, value: float, pixel: float) -> None:
    filled = np.clip(0.5 - distance / (1.2 * pixel), 0, 1).astype(np.float32)
    hu += filled * (np.float32(value) - hu)


def _body(
    cage: Cage, up: float, y: Array, x: Array, size: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return distances to the vertebral body with its spurs, and to the disc."""
    half = (cage.physique.vertebra_mm - DISC_MM) / 2
    wide, deep = float(rng.normal(18.0, 0.9)) * size, float(rng.normal(15.2, 0.8)) * size
    waist = 1 - 0.09 * max(0.0, 1 - (up / half) ** 2)
    angle = np.arctan2(x, -y)
    spur = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    for _ in range(2):
        at, grows = float(rng.uniform(-1.7, 1.7)), float(rng.random() < cage.physique.osteophytes)
        length = grows * float(rng.uniform(0.15, 0.55)) * cage.physique.osteophytes
        near_plate = np.exp(-(((abs(up) - half) / 3.5) ** 2))
        spur = spur + length * near_plate * np.exp(-(((angle - at) / 0.5) ** 2))
    notch = 1 + 0.12 * np.clip(y / deep, 0, 1) * (1 - np.clip(np.abs(x) / wide, 0, 1))
    level = np.hypot(x / (wide * waist), y * notch / (deep * waist)) / (1 + spur)
    plane = (level - 1) * (wide + deep) / 2
    body = np.maximum(plane, abs(up) - half)
    return body, np.maximum(plane - 0.5, half - abs(up))


def _arch(up: float, y: Array, x: Array, size: float) -> Array:
    """Return the distance to pedicles, laminae, articular, transverse and spinous processes; x is |x|."""
    bars = (
        ((9, 11, 3), (13, 20, 3), 4.3, 1.5),
        ((14, 23, 0), (2, 33, -5), 3.2, 2.4),
        ((15, 21, -9), (15, 23, 10), 5.2, 1.0),
        ((15, 22, 5), (33, 30, 9), 4.4, 1.3),
        ((0, 33, -6), (0, 50, -19), 2.9, 2.6),
    )
    distances = [
        _bar(up, y, x, np.array(a) * size, np.array(b) * size, r * size, tall) for a, b, r, tall in bars
    ]
    return np.asarray(np.minimum.reduce(distances))


def _bar(up: float, y: Array, x: Array, start: Array, stop: Array, radius: float, tall: float) -> Array:
    """Return the distance to a bar between two points (x, y, z), `tall` times as high as it is thick."""
    way = (stop - start) / np.array([1, 1, tall])
    rx, ry, rz = x - start[0], y - start[1], (up - start[2]) / tall
    share = np.clip((rx * way[0] + ry * way[1] + rz * way[2]) / float((way**2).sum()), 0, 1)
    return np.asarray(
        np.sqrt((rx - share * way[0]) ** 2 + (ry - share * way[1]) ** 2 + (rz - share * way[2]) ** 2) - radius
    )
