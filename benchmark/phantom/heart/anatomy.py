"""The heart and the great vessels, painted into the thorax; and the tubes that calcium and masks refer to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.phantom.body.cage import Cage
from benchmark.phantom.body.chest import paint_chest, paint_nodes
from benchmark.phantom.body.patient import Patient
from benchmark.phantom.body.thorax import paint_thorax
from benchmark.phantom.geometry.grid import Canvas, Ellipsoid, Grid
from benchmark.phantom.geometry.tubes import Tube, paint_tube
from benchmark.phantom.heart.coronaries import AORTIC_AXIS, AORTIC_ROOT, coronary_tree
from benchmark.phantom.heart.epicardium import paint_fat_along, paint_ventricles
from benchmark.phantom.heart.frame import HeartFrame, Vectors
from benchmark.phantom.heart.great_vessels import METAL_HU, GreatVessels, great_vessels, pacemaker_leads


@dataclass(frozen=True)
class BloodPool:
    """HU of the blood and of the muscle it perfuses; with contrast the left heart is brighter than the right."""

    left: float
    right: float
    myocardium: float

    @classmethod
    def of(cls, patient: Patient, iodine_hu: float) -> BloodPool:
        """Return the HU at an enhancement of the aorta by `iodine_hu` (0: no contrast)."""
        blood = patient.blood_hu
        return cls(blood + iodine_hu, blood + 0.45 * iodine_hu, 50 + 0.17 * iodine_hu)


@dataclass(frozen=True)
class Anatomy:
    """Where a patient's structures lie."""

    patient: Patient
    heart: HeartFrame
    coronaries: tuple[Tube, ...]
    ascending_aorta: Tube
    descending_aorta: Tube
    vessels: GreatVessels | None = None

    @classmethod
    def of(cls, patient: Patient) -> Anatomy:
        """Lay out the anatomy."""
        heart = HeartFrame.of(patient)
        if patient.physique is not None:
            vessels = great_vessels(patient, heart, Cage(patient, patient.physique))
            tree = tuple(coronary_tree(patient, heart))
            return cls(patient, heart, tree, vessels.ascending_aorta, vessels.descending_aorta, vessels)
        return cls(
            patient,
            heart,
            tuple(coronary_tree(patient, heart)),
            _ascending_aorta(patient, heart),
            _descending_aorta(patient, heart),
        )

    def vessel(self, label: int) -> Tube:
        """Return the main branch of a vessel: 1 LM, 2 LAD, 3 LCx, 4 RCA."""
        return next(tube for tube in self.coronaries if tube.label == label)

    def paint(self, grid: Grid, blood: BloodPool) -> Canvas:
        """Paint everything but the coronary arteries and calcium, which are finer than voxels."""
        if self.vessels is not None:
            return self._paint_chest(grid, blood, self.vessels)
        canvas = paint_thorax(grid, self.patient)
        for tube in _pulmonary_veins(self.heart):
            paint_tube(canvas, tube, blood.left)
        paint_tube(canvas, self.descending_aorta, blood.left)
        canvas.ellipsoid(self.heart.pericardium, 30.0)
        canvas.ellipsoid(self.heart.sac, self.patient.epicardial_fat_hu)
        for shape, hu in _chambers(self.heart, blood):
            canvas.ellipsoid(shape, hu)
        for tube, hu in (
            (_pulmonary_trunk(self.heart), blood.right),
            (_superior_vena_cava(self.heart), blood.right),
            (self.ascending_aorta, blood.left),
        ):
            paint_tube(canvas, tube, hu)
        return canvas

    def _paint_chest(self, grid: Grid, blood: BloodPool, vessels: GreatVessels) -> Canvas:
        """Paint the second generation: chest, pericardium, chambers, vessels."""
        patient = self.patient
        assert patient.physique is not None  # noqa: S101
        cage = Cage(patient, patient.physique)
        canvas = paint_chest(grid, cage, self.heart.sac, vessels.all)
        canvas.ellipsoid(self.heart.pericardium, PERICARDIUM_HU)
        canvas.ellipsoid(self.heart.sac, patient.epicardial_fat_hu)
        for tube in vessels.left:
            paint_tube(canvas, tube, blood.left)
        fat_mm = FAT_MM + FAT_PER_SCALE_MM * (1.1 - patient.physique.chamber_scale)
        paint_ventricles(canvas, self.heart, fat_mm, patient.form_seed, blood.myocardium, blood.right)
        scales = _chamber_scales(patient, patient.physique.chamber_scale)
        for shape, hu in _chambers(self.heart, blood, scales):
            canvas.ellipsoid(shape, hu)
        paint_fat_along(canvas, self.heart, self.coronaries, patient.epicardial_fat_hu)
        for tube in vessels.right:
            paint_tube(canvas, tube, blood.right)
        paint_tube(canvas, vessels.oesophagus, 38.0)
        for tube in (vessels.descending_aorta, vessels.ascending_aorta):
            paint_tube(canvas, tube, blood.left)
        paint_nodes(canvas, cage)
        if patient.physique.pacemaker:
            for lead in pacemaker_leads(self.heart):
                paint_tube(canvas, lead, METAL_HU)
        return canvas


PERICARDIUM_HU = -10.0
"""Of a line of 1.5 mm, which a real pericardium of 1 mm at 30 HU fills in part (second generation)."""
FAT_MM, FAT_PER_SCALE_MM = 2.5, 40.0
"""Fat over the walls of the ventricles where the chambers are of typical size, and what smaller ones leave more."""
CHAMBERS: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...] = (
    ((-39, 16, -9), (21, 23, 27)),
    ((-40, -14, 0), (22, 26, 28)),
    ((4, 15, -4), (47, 29, 35)),
    ((3, 15, -4), (43, 25.5, 31.5)),
    ((9, -12, -2), (50, 32, 36)),
    ((4, -12, -2), (42, 21, 24)),
)
"""Right and left atrium, wall and cavity of the right and of the left ventricle: centre and semi-axes along u, s, t."""


def _chambers(
    heart: HeartFrame, blood: BloodPool, scales: tuple[float, ...] = (1.0,) * 6
) -> list[tuple[Ellipsoid, float]]:
    """Return atria, then the right ventricle's wall and cavity, then the left's, which bulges into the right."""
    hu = (blood.right, blood.left, blood.myocardium, blood.right, blood.myocardium, blood.left)
    return [
        (heart.ellipsoid(at, (scale * a, scale * b, scale * c)), value)
        for (at, (a, b, c)), scale, value in zip(CHAMBERS, scales, hu, strict=True)
    ]


def _chamber_scales(patient: Patient, mean: float) -> tuple[float, ...]:
    """Return how large each chamber is: no two hearts have them in the same proportion."""
    right_atrium, left_atrium, right, left = np.random.default_rng([patient.form_seed, 41]).normal(1, 0.05, 4)
    return tuple(float(mean * f) for f in (right_atrium, left_atrium, right, right, left, left))


def _ascending_aorta(patient: Patient, heart: HeartFrame) -> Tube:
    """Return the aorta from its root upwards, slightly to the right and arching back at the top."""
    root = heart.at(*AORTIC_ROOT)
    rise = np.linspace(-8, 95, 60)[:, None]
    points = root + rise * AORTIC_AXIS + np.clip(rise - 60, 0, None) ** 2 * [-0.006, 0.012, 0.004]
    return Tube.along(points, 2.0, (patient.aorta_mm / 2, 0.48 * patient.aorta_mm))


def _descending_aorta(patient: Patient, heart: HeartFrame) -> Tube:
    """Return the aorta in front of the spine, left of the middle."""
    y = patient.chest_depth_mm / 2 - patient.fat_mm - 42 - 20 - patient.aorta_mm * 0.3
    z = np.linspace(110, -150, 80)[:, None]
    points = np.array([0.0, y, 23.0]) + z * np.array([1.0, 0.01, 0.03])
    return Tube.along(points, 2.0, (0.4 * patient.aorta_mm, 0.36 * patient.aorta_mm))


def _pulmonary_trunk(heart: HeartFrame) -> Tube:
    """Return the trunk from the right ventricle's outflow, up and back on the aorta's left."""
    start, stop = heart.at(-10, 12, 30), heart.at(-34, -6, 36) + np.array([34, 14, 4])
    return Tube.along(
        _bend(start, stop, np.array([6.0, -4.0, 4.0])), 2.0, (13.0 * heart.scale, 12.0 * heart.scale)
    )


def _superior_vena_cava(heart: HeartFrame) -> Tube:
    """Return the vein that comes down to the right atrium."""
    stop = heart.at(-45, 22, -2)
    start = stop + np.array([100, 6, -4])
    return Tube.along(_bend(start, stop, np.zeros(3)), 2.0, (9.5, 10.5))


def _pulmonary_veins(heart: HeartFrame) -> list[Tube]:
    """Return four veins from the left atrium into the lungs."""
    atrium = heart.at(-42, -15, 0)
    ends = ([14, 14, 48], [-14, 22, 46], [12, 16, -66], [-12, 24, -64])
    return [Tube.along(_bend(atrium, atrium + end, np.zeros(3)), 2.0, (7.0, 4.5)) for end in ends]


def _bend(start: Vectors, stop: Vectors, by: Vectors) -> Vectors:
    f = np.linspace(0, 1, 40)[:, None]
    return np.asarray(start + f * (stop - start) + 4 * f * (1 - f) * by)
