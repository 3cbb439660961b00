"""The thorax around the heart: body wall, lungs with their vessels, ribs, sternum, spine, diaphragm.

HU of tissues: defaults of the field (fat −100, muscle 50, liver 55, cancellous bone 150–300, cortical 700–1500).
Sections that do not change along the body are painted once for all slices.
"""

from __future__ import annotations

import numpy as np

from benchmark.phantom.grid import Canvas, Ellipsoid, Floats, Grid
from benchmark.phantom.patient import Patient
from benchmark.phantom.tubes import Tube

AIR, FAT, MUSCLE, LIVER, CANCELLOUS, CORTICAL = -1000.0, -100.0, 50.0, 55.0, 200.0, 850.0
WALL_MM = 22.0
"""From the subcutaneous fat to the pleura: muscle with the ribs in it."""
RIB_SPACING_MM = 27.0


def paint_thorax(canvas: Canvas, patient: Patient) -> None:
    """Paint everything outside the pericardium, from the outside inwards."""
    grid = canvas.grid
    width, depth = patient.chest_width_mm / 2, patient.chest_depth_mm / 2
    inner = patient.fat_mm + WALL_MM
    canvas.layer(_oval(grid, width, depth), FAT)
    canvas.layer(_oval(grid, width - patient.fat_mm, depth - patient.fat_mm), MUSCLE)
    canvas.layer(_oval(grid, width - inner, depth - inner), patient.lung_hu)
    rng = np.random.default_rng([patient.form_seed, 1])
    for tube in _lung_vessels(patient, rng):
        paint_tube(canvas, tube, 35.0)
    canvas.layer(_mediastinum(grid, patient), FAT + 5)
    _paint_ribs(canvas, patient)
    _paint_spine(canvas, depth - patient.fat_mm)
    _paint_sternum(canvas, -(depth - patient.fat_mm - 9))
    _paint_diaphragm(canvas, patient)


def paint_tube(canvas: Canvas, tube: Tube, value: float) -> None:
    """Paint a tube's inside with softened edges."""
    from benchmark.phantom.tubes import nearby

    found = nearby(tube, canvas.grid, float(tube.radius.max()) + 2.5)
    if not len(found.voxels):
        return
    spacing = np.array(
        [max(canvas.grid.thickness, canvas.grid.spacing[0]), *canvas.grid.spacing[1:]], np.float32
    )
    length = np.linalg.norm(found.offset, axis=1) + 1e-6
    edge = (np.abs(found.offset) @ spacing) / length
    occupancy = np.clip(0.5 - (found.distance(tube) - tube.radius[found.node]) / edge, 0, 1)
    flat = canvas.hu.reshape(-1)
    flat[found.voxels] += occupancy * (np.float32(value) - flat[found.voxels])


def _oval(grid: Grid, half_width: float, half_depth: float, power: float = 2.4) -> Floats:
    """Return the section of a chest: a superellipse about the origin, with softened edges."""
    _, y, x = grid.axes
    level = (np.abs(x / half_width) ** power)[None, :] + (np.abs(y / half_depth) ** power)[:, None]
    distance = (level ** (1 / power) - 1) * min(half_width, half_depth)
    return np.clip(0.5 - distance / grid.spacing[1], 0, 1).astype(np.float32)


def _ellipse(grid: Grid, centre: tuple[float, float], semi_axes: tuple[float, float]) -> Floats:
    """Return an ellipse (y, x) in the section, with softened edges."""
    _, y, x = grid.axes
    level = (((x - centre[1]) / semi_axes[1]) ** 2)[None, :] + (((y - centre[0]) / semi_axes[0]) ** 2)[
        :, None
    ]
    distance = (np.sqrt(level) - 1) * min(semi_axes)
    return np.clip(0.5 - distance / grid.spacing[1], 0, 1).astype(np.float32)


def _mediastinum(grid: Grid, patient: Patient) -> Floats:
    """Return the column between the lungs, from the sternum to the spine."""
    depth = patient.chest_depth_mm / 2 - patient.fat_mm
    return np.maximum(
        _ellipse(grid, (0.0, 4.0), (depth, 30.0)), _ellipse(grid, (depth - 45.0, 0.0), (42.0, 38.0))
    )


def _paint_ribs(canvas: Canvas, patient: Patient) -> None:
    """Paint ribs as oval rods around the chest that dip towards the front, cortex around marrow."""
    grid = canvas.grid
    z, y, x = grid.axes
    width = patient.chest_width_mm / 2 - patient.fat_mm - 10
    depth = patient.chest_depth_mm / 2 - patient.fat_mm - 10
    radial = (np.hypot(x[None, :] / width, y[:, None] / depth) - 1) * (width + depth) / 2
    angle = np.arctan2(-y[:, None] / depth, x[None, :] / width)
    ring = np.flatnonzero((np.abs(radial) < 7) & (np.abs(x)[None, :] > 16))
    if not len(ring):
        return
    dip = 35 * (1 + np.sin(angle.ravel()[ring])) / 2
    side = np.where(angle.ravel()[ring] > 0, 3.0, 0.0)
    phase = z[:, None] + (dip + side)[None, :] + (patient.form_seed % 27)
    along = (phase + RIB_SPACING_MM / 2) % RIB_SPACING_MM - RIB_SPACING_MM / 2
    level = np.sqrt((radial.ravel()[ring] / 4.5) ** 2 + (along / 7.0) ** 2)
    for scale, value in ((1.0, CORTICAL), (0.72, CANCELLOUS)):
        occupancy = np.clip(0.5 - (level / scale - 1) * 4.5 * scale / 1.2, 0, 1).astype(np.float32)
        view = canvas.hu.reshape(grid.shape[0], -1)
        view[:, ring] += occupancy * (np.float32(value) - view[:, ring])


def _paint_spine(canvas: Canvas, back: float) -> None:
    """Paint the vertebral body, its cortex, the canal and the processes; the discs are left out."""
    y = back - 42.0
    grid = canvas.grid
    canvas.layer(_ellipse(grid, (y + 26, 0.0), (16.0, 15.0)), CORTICAL * 0.6)
    canvas.layer(_ellipse(grid, (y + 27, 24.0), (5.0, 18.0)), CORTICAL * 0.5)
    canvas.layer(_ellipse(grid, (y + 27, -24.0), (5.0, 18.0)), CORTICAL * 0.5)
    canvas.layer(_ellipse(grid, (y + 38, 0.0), (16.0, 3.5)), CORTICAL * 0.6)
    canvas.layer(_ellipse(grid, (y + 20, 0.0), (8.0, 10.0)), 30.0)
    canvas.layer(_ellipse(grid, (y, 0.0), (15.0, 18.5)), CORTICAL * 0.7)
    canvas.layer(_ellipse(grid, (y, 0.0), (13.2, 16.7)), CANCELLOUS)


def _paint_sternum(canvas: Canvas, front: float) -> None:
    """Paint the sternum: a flat plate of marrow in a thin cortex."""
    canvas.layer(_ellipse(canvas.grid, (front, 0.0), (6.0, 17.0)), CORTICAL * 0.6)
    canvas.layer(_ellipse(canvas.grid, (front, 0.0), (4.4, 15.4)), CANCELLOUS * 0.7)


def _paint_diaphragm(canvas: Canvas, patient: Patient) -> None:
    """Paint the liver's dome and, on the left and lower, that of the stomach and spleen."""
    w = patient.chest_width_mm / 340
    canvas.ellipsoid(Ellipsoid((-140.0, -10.0, -55.0 * w), (100.0, 85.0, 92.0 * w)), LIVER)
    canvas.ellipsoid(Ellipsoid((-148.0, 15.0, 78.0 * w), (98.0, 78.0, 72.0 * w)), 45.0)


def _lung_vessels(patient: Patient, rng: np.random.Generator) -> list[Tube]:
    """Return the larger vessels of both lungs: slightly bent tubes that fan out from the hila and taper."""
    found = []
    for side in (-1.0, 1.0):
        hilum = np.array([12.0, 8.0, side * 38.0])
        for _ in range(36):
            direction = rng.normal(0, 1, 3) * [1.0, 0.8, 0.7] + [0, 0, side * 0.8]
            direction /= np.linalg.norm(direction)
            bend = rng.normal(0, 0.25, 3)
            start = hilum + direction * rng.uniform(0, 35) + rng.normal(0, 6, 3)
            along = np.linspace(0, rng.uniform(35, 75), 24)[:, None]
            points = start + along * direction + (along / 60) ** 2 * 25 * bend
            found.append(Tube.along(points, 2.0, (float(rng.uniform(1.2, 3.0)), 0.6)))
    return found
