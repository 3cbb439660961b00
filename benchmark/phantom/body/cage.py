"""The rib cage's form: where its inner surface, the spine and the sternum lie at every height (second generation).

The chest is a barrel that narrows towards the apex of the lungs; a section of it is a superellipse. Heights are z in
mm, towards the head, 0 at the heart's centre; the skeleton is shifted against the heart by the build's `cage_shift_mm`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.body.patient import Patient
from benchmark.phantom.body.physique import Physique
from benchmark.phantom.geometry.vectors import unit

Heights = NDArray[np.float64]
POWER = 2.5
BODY_BEHIND_MM = 53.0
"""From the fat of the back to the centre of a vertebral body: spinous process, canal and half the body."""
WALL_FRONT_MM, WALL_BACK_MM, WALL_SIDE_MM = 21.0, 25.0, 18.0
"""Sternum, or ribs and muscle, from the subcutaneous fat to the pleura."""
STERNUM_TILT = 0.27
"""How far the sternum comes back per mm upwards."""
APEX_MM, WIDEST_MM = 165.0, -20.0
VERTEBRA_T8_MM = 10.0
"""Height of the eighth thoracic vertebra."""


@dataclass(frozen=True)
class Cage:
    """The form of one patient's rib cage."""

    patient: Patient
    physique: Physique

    def local(self, z: Heights) -> Heights:
        """Return heights in the skeleton's own system."""
        return np.asarray(z, dtype=np.float64) - self.physique.cage_shift_mm

    def spine_y(self, z: Heights) -> Heights:
        """Return where the vertebral bodies' centre lies, front to back."""
        back = self.patient.chest_depth_mm / 2 - 0.8 * self.patient.fat_mm
        return np.asarray(back - BODY_BEHIND_MM - self._bend(z) * self.physique.kyphosis_mm)

    def spine_x(self, z: Heights) -> Heights:
        """Return where it lies, right to left."""
        return np.asarray(self.physique.scoliosis_mm * (1 - self._bend(z)))

    def _bend(self, z: Heights) -> Heights:
        return (self.local(z) / 150) ** 2

    def vertebra_z(self, number: int) -> float:
        """Return the height of a thoracic vertebra's centre, 1 to 12 (13 and on: lumbar)."""
        return VERTEBRA_T8_MM + (8 - number) * self.physique.vertebra_mm + self.physique.cage_shift_mm

    def front(self, z: Heights) -> Heights:
        """Return the inner surface's foremost y in the middle plane; the sternum lies before it."""
        fore = -self.patient.chest_depth_mm / 2 + 0.7 * self.patient.fat_mm + WALL_FRONT_MM
        return np.asarray(fore + STERNUM_TILT * np.maximum(self.local(z), 0))

    def back(self, z: Heights) -> Heights:
        """Return the inner surface's rearmost y: the gutters beside the spine."""
        rear = self.patient.chest_depth_mm / 2 - 0.85 * self.patient.fat_mm - WALL_BACK_MM
        return np.asarray(rear - self._bend(z) * self.physique.kyphosis_mm)

    @cached_property
    def half_width_mm(self) -> float:
        """Half the widest inner width."""
        return self.patient.chest_width_mm / 2 - self.patient.fat_mm - WALL_SIDE_MM

    def section(self, z: Heights) -> tuple[Heights, Heights, Heights]:
        """Return centre y, half-depth and half-width of the inner surface; beyond the apex the last two are tiny."""
        above = np.clip((self.local(z) - WIDEST_MM) / (APEX_MM - WIDEST_MM), 0, 1)
        below = np.clip((WIDEST_MM - self.local(z)) / 100, 0, 2)
        width = self.half_width_mm * (1 - above**2.6) ** (1 / 2.6) * (1 - 0.03 * below**2)
        front, back = self.front(z), self.back(z)
        depth = (back - front) / 2 * (1 - above**5) ** 0.5
        return (front + back) / 2, np.maximum(depth, 1.0), np.maximum(width, 1.0)

    def surface(self, z: Heights, azimuth_deg: Heights, beyond_mm: float, side: float) -> Heights:
        """Return points (n, 3) `beyond_mm` outside the inner surface, at angles from the back round to the front."""
        centre, depth, width = self.section(z)
        angle = np.deg2rad(azimuth_deg)
        back, out = np.cos(angle), np.sin(angle)
        level = (np.abs(out) / (width + beyond_mm)) ** POWER + (np.abs(back) / (depth + beyond_mm)) ** POWER
        radius = level ** (-1 / POWER)
        return np.stack([np.asarray(z, float), centre + radius * back, side * radius * out], axis=-1)

    def normals(self, points: Heights) -> Heights:
        """Return the unit vectors (n, 3) outwards, in the section's plane, of the surface at points (n, 3)."""
        centre, depth, width = self.section(points[:, 0])
        y, x = (points[:, 1] - centre) / depth, points[:, 2] / width
        steep = np.stack(
            [
                0 * y,
                np.sign(y) * np.abs(y) ** (POWER - 1) / depth,
                np.sign(x) * np.abs(x) ** (POWER - 1) / width,
            ],
            axis=-1,
        )
        return unit(steep + 1e-9)
