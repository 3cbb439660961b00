"""The great vessels of the second generation: aorta with its arch, pulmonary arteries, veins, oesophagus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.phantom.body.cage import Cage
from benchmark.phantom.body.patient import Patient
from benchmark.phantom.geometry.tubes import Tube
from benchmark.phantom.heart.coronaries import AORTIC_AXIS, AORTIC_ROOT
from benchmark.phantom.heart.frame import HeartFrame, Vectors

ASCENT_MM = 60.0
ARCH_MM = 27.0
"""How far the ascending aorta rises above its root, and the arch above that."""
AORTA_LEFT_MM = 17.0
METAL_HU = 3000.0


@dataclass(frozen=True)
class GreatVessels:
    """Tubes by what flows in them."""

    ascending_aorta: Tube
    descending_aorta: Tube
    right: tuple[Tube, ...]
    left: tuple[Tube, ...]
    oesophagus: Tube

    @property
    def all(self) -> tuple[Tube, ...]:
        """Every tube that the mediastinum makes room for."""
        return (self.ascending_aorta, self.descending_aorta, self.oesophagus, *self.right, *self.left)


def great_vessels(patient: Patient, heart: HeartFrame, cage: Cage) -> GreatVessels:
    """Lay out the vessels between heart, spine and lungs."""
    ascending, top = _ascending_aorta(patient, heart, cage)
    return GreatVessels(
        ascending_aorta=ascending,
        descending_aorta=_descending_aorta(patient, cage, top),
        right=_right_vessels(heart, cage),
        left=_pulmonary_veins(heart),
        oesophagus=_oesophagus(cage),
    )


def _beside_spine(cage: Cage, z: Vectors, before_mm: float, left_mm: Vectors | float) -> Vectors:
    """Return points (n, 3) before the vertebral bodies and to their left."""
    front = cage.spine_y(z) - 15.7 * cage.physique.vertebra_mm / 24 - before_mm
    return np.stack([z, front, cage.spine_x(z) + left_mm], axis=-1)


def _ascending_aorta(patient: Patient, heart: HeartFrame, cage: Cage) -> tuple[Tube, Vectors]:
    """Return the aorta from its root round the arch, and where it meets the descending part."""
    root = heart.at(*AORTIC_ROOT)
    straight = root + np.linspace(-8, ASCENT_MM, 40)[:, None] * AORTIC_AXIS
    top = straight[-1]
    end = _beside_spine(cage, np.array([top[0] - 4.0]), 0.4 * patient.aorta_mm, AORTA_LEFT_MM)[0]
    turn = np.linspace(0, np.pi, 40)[1:, None]
    arch = top + (1 - np.cos(turn)) / 2 * (end - top) + np.sin(turn) * np.array([ARCH_MM, 0.0, 0.0])
    points = np.concatenate([straight, arch])
    return Tube.along(points, 2.0, (patient.aorta_mm / 2, 0.41 * patient.aorta_mm)), end


def _descending_aorta(patient: Patient, cage: Cage, top: Vectors) -> Tube:
    """Return the aorta left of the spine; it comes to the middle as it goes down."""
    z = np.linspace(float(top[0]), -160, 90)
    left = np.interp(z, [-140, 60], [4.0, AORTA_LEFT_MM])
    points = _beside_spine(cage, z, 0.4 * patient.aorta_mm, left)
    return Tube.along(points, 2.0, (0.41 * patient.aorta_mm, 0.36 * patient.aorta_mm))


def _right_vessels(heart: HeartFrame, cage: Cage) -> tuple[Tube, ...]:
    """Return pulmonary trunk and its two arteries, both venae cavae and the azygos vein."""
    start = heart.at(-10, 12, 30)
    fork = heart.at(-36, -6, 34) + np.array([26.0, 14.0, 2.0])
    scale = heart.scale
    right_hilum, left_hilum = np.array([24.0, 14.0, -44.0]), np.array([30.0, 12.0, 46.0])
    atrium = heart.at(-45, 22, -2)
    low = heart.at(-46, 20, -14)
    return (
        Tube.along(bend(start, fork, np.array([6.0, -4.0, 4.0])), 2.0, (13.0 * scale, 12.0 * scale)),
        Tube.along(bend(fork, right_hilum, np.array([2.0, 4.0, 0.0])), 2.0, (9.5 * scale, 7.0)),
        Tube.along(bend(fork, left_hilum, np.array([5.0, 3.0, 2.0])), 2.0, (9.5 * scale, 7.0)),
        Tube.along(bend(atrium + np.array([100, 4, -4]), atrium, np.zeros(3)), 2.0, (9.0, 10.0)),
        Tube.along(bend(low, low + np.array([-85, 12, 2]), np.zeros(3)), 2.0, (11.0, 12.0)),
        Tube.along(_beside_spine(cage, np.linspace(75, -160, 80), 3.0, -5.0), 2.0, (4.0, 3.0)),
    )


def _pulmonary_veins(heart: HeartFrame) -> tuple[Tube, ...]:
    """Return four veins from the left atrium into the lungs."""
    atrium = heart.at(-42, -15, 0)
    ends = ([16, 14, 50], [-16, 20, 48], [14, 16, -66], [-14, 22, -64])
    return tuple(Tube.along(bend(atrium, atrium + end, np.zeros(3)), 2.0, (7.0, 4.0)) for end in ends)


def _oesophagus(cage: Cage) -> Tube:
    """Return the gullet before the spine; it turns left and forward as it nears the stomach."""
    z = np.linspace(150, -70, 90)
    low = np.clip((-10 - z) / 60, 0, 1)
    points = _beside_spine(cage, z, 8.0, -3.0 + 22 * low)
    points[:, 1] -= 16 * low
    return Tube.along(points, 2.0, (7.0, 7.5))


def pacemaker_leads(heart: HeartFrame) -> tuple[Tube, ...]:
    """Return a lead to the right atrium and one to the apex of the right ventricle, both down the vena cava."""
    atrium, apex = heart.at(-45, 22, -2), heart.at(38, 24, -14)
    down = bend(atrium + np.array([90, 4, -4]), atrium, np.zeros(3))
    across = bend(atrium, apex, heart.at(0, 6, -14) - heart.at(0, 0, 0))
    return (
        Tube.along(down, 2.0, (1.6, 1.6)),
        Tube.along(across, 2.0, (1.2, 1.2)),
        Tube.along(bend(atrium, heart.at(-34, 36, 10), np.zeros(3)), 2.0, (1.2, 1.2)),
    )


def bend(start: Vectors, stop: Vectors, by: Vectors) -> Vectors:
    """Return a course (40, 3) from one point to the other, bowed by a vector at its middle."""
    f = np.linspace(0, 1, 40)[:, None]
    return np.asarray(start + f * (stop - start) + 4 * f * (1 - f) * by)
