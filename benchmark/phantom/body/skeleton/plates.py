"""Flat bones: the sternum in its three parts, and the shoulder blades; and the collar bones."""

from __future__ import annotations

import numpy as np

from benchmark.phantom.body.cage import Cage
from benchmark.phantom.body.skeleton.rods import paint_bone, rod
from benchmark.phantom.geometry.grid import Canvas

THICK_MM = 10.5
STERNUM_UP_MM = (-46, -40, -18, -14, 30, 76, 84, 90, 128, 134)
"""Heights at which its width is drawn: xiphoid, body, manubrium."""
JOINTS_MM = (-15.0, 84.0)
WIRE_HU, WIRE_MM = 2800.0, 0.6


def paint_sternum(canvas: Canvas, cage: Cage) -> None:
    """Paint manubrium, body and xiphoid before the inner surface, slice by slice; wires where it was opened."""
    build = cage.physique
    half_widths = _half_widths(np.random.default_rng([cage.patient.form_seed, 5]))
    for index, z in enumerate(canvas.grid.axes[0].astype(float)):
        up = z - build.cage_shift_mm
        if -45 < up < 133:
            wide = float(np.interp(up, STERNUM_UP_MM, half_widths))
            _paint_sternum_section(canvas, cage, index, up, wide)
    if build.sternal_wires:
        _paint_wires(canvas, cage)


def _half_widths(rng: np.random.Generator) -> list[float]:
    """Return half the sternum's width at the heights `STERNUM_UP_MM`."""
    manubrium, waist, body, xiphoid = rng.normal([24, 17, 20, 5], [2, 1.5, 2, 1])
    lower = [0.5, xiphoid, xiphoid + 2, body, body * 0.95]
    return [*lower, waist, waist, manubrium, manubrium * 1.15, 0.5]


def _paint_sternum_section(canvas: Canvas, cage: Cage, index: int, up: float, half_width: float) -> None:
    """Paint one slice: marrow in a thin cortex, or the cartilage of a joint."""
    grid, build = canvas.grid, cage.physique
    z = up + build.cage_shift_mm
    y = float(cage.front(np.array(z))) - THICK_MM / 2 - 1.5
    half = THICK_MM / 2 * (0.7 if up < JOINTS_MM[0] else 1.0)
    part = grid.box(np.array([z, y, 0.0]), np.array([0.1, half + 2, half_width + 2]))
    if part is None:
        return
    ys = np.abs(grid.axes[1][part[1]].astype(float)[:, None] - y) / half
    xs = np.abs(grid.axes[2][part[2]].astype(float)[None, :]) / half_width
    level = (ys**3 + xs**3) ** (1 / 3)
    joint = min(abs(up - at) for at in JOINTS_MM) < 1.5
    layers = (
        [(1.0, 95.0)] if joint else [(1.0, 0.3 * build.cortex_hu), (1 - 1.15 / half, 0.8 * build.marrow_hu)]
    )
    view = canvas.hu[index, part[1], part[2]]
    for scale, value in layers:
        filled = np.clip(0.5 - (level / scale - 1) * half * scale / (1.3 * grid.spacing[1]), 0, 1)
        view += filled.astype(np.float32) * (np.float32(value) - view)


def _paint_wires(canvas: Canvas, cage: Cage) -> None:
    """Paint steel loops around the sternum."""
    turn = np.linspace(0, 2 * np.pi, 40)
    for up in (0.0, 22.0, 44.0, 66.0, 96.0, 112.0):
        z = up + cage.physique.cage_shift_mm
        y = float(cage.front(np.array(z))) - THICK_MM / 2 - 1.5
        loop = np.stack([z + 2 * np.sin(turn), y + 7.5 * np.cos(turn), 20 * np.sin(turn)], axis=-1)
        paint_bone(canvas, rod(loop, (WIRE_MM, WIRE_MM)), WIRE_HU, WIRE_HU, 0.3)


def paint_shoulders(canvas: Canvas, cage: Cage) -> None:
    """Paint shoulder blades (blade, border and spine as rods side by side) and collar bones."""
    build, shift = cage.physique, cage.physique.cage_shift_mm
    middle = np.array([0.0, float(cage.section(np.array(100.0))[0]), 0.0])
    raised = 18.0 if build.arms == "up" else 0.0
    hard = 0.62 * build.cortex_hu
    for side in (-1.0, 1.0):
        heights = np.linspace(18.0, 150.0, 12) + raised + shift
        medial = cage.surface(heights, np.linspace(50, 38, 12) + raised, 17.0, side)
        lateral = cage.surface(heights, np.linspace(56, 90, 12) + 0.7 * raised, 24.0, side)
        across = np.cross(lateral - medial, np.gradient(medial, axis=0))
        for share in (0.1, 0.3, 0.5, 0.7, 0.9):
            blade = rod(medial + share * (lateral - medial), (7.0, 15.0), across, 0.17)
            paint_bone(canvas, blade, hard, 150.0, 1.0)
        for border, radii in ((medial, (3.6, 3.0)), (lateral, (5.5, 7.5))):
            paint_bone(canvas, rod(border, radii, across, 0.8), hard, 150.0, 1.3)
        ridge = np.stack([medial[9] + f * (lateral[10] - medial[9]) for f in np.linspace(0, 1.15, 12)])
        ridge[:, 1] += 9
        paint_bone(canvas, rod(ridge, (4.0, 6.5)), 0.7 * build.cortex_hu, 160.0, 1.4)
        start = np.array([128 + shift, float(cage.front(np.array(128.0 + shift))) - 8, side * 22])
        stop = np.array([160 + shift + raised, middle[1] + 5, side * (cage.half_width_mm + 22)])
        f = np.linspace(0, 1, 20)[:, None]
        collar = start + f * (stop - start) + np.sin(2 * np.pi * f) * np.array([0, -9.0, 0])
        paint_bone(canvas, rod(collar, (6.5, 5.5)), 0.8 * build.cortex_hu, 140.0, 1.7)
