"""The thorax around the heart: body wall, lungs with their vessels, ribs, sternum, spine, diaphragm.

HU of tissues: defaults of the field (fat −100, muscle 50, liver 55, cancellous bone 150–300, cortical 700–1500).
Sections that do not change along the body are painted once for all slices.
"""

from __future__ import annotations

import numpy as np

from benchmark.phantom.body.patient import Patient
from benchmark.phantom.geometry.grid import Canvas, Ellipsoid, Floats, Grid
from benchmark.phantom.geometry.sections import Layer, compose, ellipse, oval
from benchmark.phantom.geometry.tubes import Tube, paint_tube
from benchmark.phantom.geometry.vectors import unit

AIR, SKIN, FAT, MUSCLE, LIVER, CANCELLOUS, CORTICAL = -1000.0, 10.0, -100.0, 50.0, 55.0, 200.0, 850.0
WALL_MM = 22.0
"""From the subcutaneous fat to the pleura: muscle with the ribs in it."""
RIB_SPACING_MM = 27.0


def paint_thorax(grid: Grid, patient: Patient) -> Canvas:
    """Return a canvas with everything outside the pericardium, painted from the outside inwards."""
    width, depth = patient.chest_width_mm / 2, patient.chest_depth_mm / 2
    inner = patient.fat_mm + WALL_MM
    lung = oval(grid, width - inner, depth - inner)
    section = compose(
        grid,
        AIR,
        [
            (oval(grid, width, depth), SKIN),
            (oval(grid, width - 2, depth - 2), FAT),
            (oval(grid, width - patient.fat_mm, depth - patient.fat_mm), MUSCLE),
            (lung, patient.lung_hu),
            *_mediastinum(grid, patient),
            *_spine(grid, depth - patient.fat_mm),
            *_sternum(grid, -(depth - patient.fat_mm - 9)),
        ],
    )
    canvas = Canvas(grid, section)
    _paint_diaphragm(canvas, patient, lung * (section < 0))
    aerated = section < patient.lung_hu + 100
    for tube in _lung_vessels(patient, np.random.default_rng([patient.form_seed, 1])):
        paint_tube(canvas, tube, 35.0, aerated)
    for tube in _airways():
        paint_tube(canvas, tube, AIR)
    _paint_ribs(canvas, patient)
    return canvas


def _mediastinum(grid: Grid, patient: Patient) -> list[Layer]:
    """Return the fat behind the sternum, around the great vessels and before the spine, with the oesophagus."""
    depth = patient.chest_depth_mm / 2 - patient.fat_mm
    fat = FAT + 5
    return [
        (ellipse(grid, (-depth + 24, 0.0), (34.0, 13.0)), fat),
        (ellipse(grid, (0.0, 6.0), (46.0, 27.0)), fat),
        (ellipse(grid, (depth - 50.0, 6.0), (40.0, 36.0)), fat),
        (ellipse(grid, (depth - 66.0, 4.0), (6.0, 9.0)), 38.0),
    ]


def _paint_ribs(canvas: Canvas, patient: Patient) -> None:
    """Paint ribs as oval rods around the chest that dip towards the front, cortex around marrow."""
    grid = canvas.grid
    # In double precision: single-precision functions round differently on different processors.
    z, y, x = (axis.astype(np.float64) for axis in grid.axes)
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


def _spine(grid: Grid, back: float) -> list[Layer]:
    """Return the muscles of the back, the vertebra's arch and processes, the canal and the body; no discs."""
    y = back - 42.0
    return [
        (ellipse(grid, (y + 26, 30.0), (19.0, 26.0)), MUSCLE),
        (ellipse(grid, (y + 26, -30.0), (19.0, 26.0)), MUSCLE),
        (ellipse(grid, (y + 26, 0.0), (16.0, 15.0)), 0.6 * CORTICAL),
        (ellipse(grid, (y + 27, 22.0), (5.0, 18.0)), 0.5 * CORTICAL),
        (ellipse(grid, (y + 27, -22.0), (5.0, 18.0)), 0.5 * CORTICAL),
        (ellipse(grid, (y + 38, 0.0), (16.0, 3.5)), 0.6 * CORTICAL),
        (ellipse(grid, (y + 20, 0.0), (8.0, 10.0)), 30.0),
        (ellipse(grid, (y, 0.0), (15.0, 18.5)), 0.7 * CORTICAL),
        (ellipse(grid, (y, 0.0), (13.2, 16.7)), CANCELLOUS),
    ]


def _sternum(grid: Grid, front: float) -> list[Layer]:
    """Return the sternum: a flat plate of marrow in a thin cortex."""
    return [
        (ellipse(grid, (front, 0.0), (6.0, 17.0)), 0.6 * CORTICAL),
        (ellipse(grid, (front, 0.0), (4.4, 15.4)), 0.7 * CANCELLOUS),
    ]


def _paint_diaphragm(canvas: Canvas, patient: Patient, cavity: Floats) -> None:
    """Paint the liver's dome and, on the left and lower, that of the stomach, within the chest's `cavity`."""
    w = patient.chest_width_mm / 340
    for centre, semi_axes, hu in (
        ((-140.0, -5.0, -62.0 * w), (102.0, 82.0, 84.0 * w), LIVER),
        ((-136.0, -30.0, 10.0), (92.0, 66.0, 100.0 * w), LIVER),
        ((-150.0, 15.0, 80.0 * w), (98.0, 74.0, 68.0 * w), 45.0),
    ):
        canvas.ellipsoid(Ellipsoid(centre, semi_axes), hu, cavity)


def _lung_vessels(patient: Patient, rng: np.random.Generator) -> list[Tube]:
    """Return the larger vessels of both lungs: slightly bent tubes that fan out from the hila and taper."""
    vessels = []
    for side in (-1.0, 1.0):
        hilum = np.array([12.0, 8.0, side * 38.0])
        for _ in range(60):
            direction = unit(rng.normal(0, 1, 3) * [1.0, 0.8, 0.7] + [0, 0, side * 0.8])
            bend = rng.normal(0, 0.25, 3)
            start = hilum + direction * rng.uniform(0, 35) + rng.normal(0, 6, 3)
            along = np.linspace(0, rng.uniform(35, 90), 30)[:, None]
            points = start + along * direction + (along / 60) ** 2 * 25 * bend
            vessels.append(Tube.along(points, 3.0, (float(rng.uniform(1.2, 3.0)), 0.6)))
    return vessels


def _airways() -> list[Tube]:
    """Return the trachea and the main bronchi, which lie above the heart."""
    carina = np.array([72.0, 12.0, 2.0])
    courses = (([120, -14, 0], 8.5), ([-30, 4, -36], 6.5), ([-34, 8, 44], 6.0))
    along = np.linspace(0, 1, 30)[:, None]
    return [Tube.along(carina + along * np.array(way), 2.0, (r, 0.85 * r)) for way, r in courses]
