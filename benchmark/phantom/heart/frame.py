"""The heart's own frame: its long axis, its outline and where on it the grooves and the great vessels lie.

The pericardial sac is an ellipsoid. Its axes are u, from base to apex; s, from the left to the right ventricle;
and t = the way to the anterior interventricular groove, left, anterior and superior. The angle θ runs around u
from s towards t: the free wall of the right ventricle lies at 0°, the anterior groove at 95°, the lateral wall of
the left ventricle at 180°, the inferior groove at 280°.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.body.cage import Cage
from benchmark.phantom.body.patient import Patient
from benchmark.phantom.geometry.grid import Ellipsoid
from benchmark.phantom.geometry.vectors import combine, dot, unit

Vectors = NDArray[np.float64]

SAC_MM = (66.0, 50.0, 46.0)
CHEST_WALL_MM = 24.0
BASE_XI = -0.34
"""The plane of the valves, as a fraction of the sac's long semi-axis."""


@dataclass(frozen=True)
class HeartFrame:
    """Where one patient's heart lies. Points and vectors are (z, y, x), mm."""

    centre: Vectors
    axes: Vectors
    semi_axes: Vectors
    scale: float

    @classmethod
    def of(cls, patient: Patient) -> HeartFrame:
        """Place the heart behind the sternum, its long axis turned and dipping as the patient's parameters say."""
        azimuth, elevation = np.deg2rad([patient.heart_azimuth_deg, patient.heart_elevation_deg])
        u = np.array(
            [-np.sin(elevation), -np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth)]
        )
        s = np.array([0.0, -np.sin(azimuth), -np.cos(azimuth)]) + np.array([-0.07, 0.0, 0.0])
        s = unit(s - dot(s, u) * u)
        t = np.cross(u, s)
        t *= np.sign(t[0])
        axes = np.stack([u, s, t])
        semi_axes = patient.heart_scale * np.asarray(SAC_MM)
        front = float(np.sqrt(((axes[:, 1] * semi_axes) ** 2).sum()))
        y = _chest_wall(patient) + front
        return cls(np.array([0.0, y, patient.heart_left_mm]), axes, semi_axes, patient.heart_scale)

    def at(self, u: float, s: float, t: float) -> Vectors:
        """Return the point at these heart coordinates, mm in a heart of scale 1."""
        return self.centre + self.scale * combine(np.array([u, s, t]), self.axes)

    def surface(self, theta_deg: Vectors, xi: Vectors, depth_mm: Vectors | float) -> Vectors:
        """Return points below the sac's surface: angle around u, position along it (−1 base, 1 apex), depth."""
        theta = np.deg2rad(theta_deg)
        a, b, d = (axis - np.asarray(depth_mm) for axis in self.semi_axes)
        ring = np.sqrt(np.clip(1 - xi**2, 0, None))
        local = np.stack([xi * a, ring * np.cos(theta) * b, ring * np.sin(theta) * d], axis=-1)
        return np.asarray(self.centre + combine(local, self.axes))

    def coordinates(self, point: Vectors) -> tuple[float, float, float]:
        """Return a point's angle in degrees, its position ξ and its depth, so that `surface` gives it back."""
        local = dot(self.axes, point - self.centre)
        low, high = -20.0, float(self.semi_axes.min()) - 1.0
        for _ in range(40):
            depth = (low + high) / 2
            low, high = (low, depth) if ((local / (self.semi_axes - depth)) ** 2).sum() > 1 else (depth, high)
        u, s, t = local / (self.semi_axes - low)
        return float(np.rad2deg(np.arctan2(t, s))), float(u), low

    def ellipsoid(self, at: tuple[float, float, float], semi_axes: tuple[float, float, float]) -> Ellipsoid:
        """Return an ellipsoid aligned with the heart; `at` and `semi_axes` along u, s, t for scale 1."""
        z, y, x = self.at(*at)
        a, b, c = (self.scale * value for value in semi_axes)
        return Ellipsoid((z, y, x), (a, b, c), tuple((r[0], r[1], r[2]) for r in self.axes.tolist()))

    @property
    def sac(self) -> Ellipsoid:
        """The pericardial sac: all within it that is no chamber or vessel is epicardial fat."""
        return self.ellipsoid((0, 0, 0), SAC_MM)

    @property
    def pericardium(self) -> Ellipsoid:
        """The sac with its own wall, a line of 1.5 mm between epicardial fat and lung."""
        a, b, d = SAC_MM
        return self.ellipsoid((0, 0, 0), (a + 1.5, b + 1.5, d + 1.5))


def _chest_wall(patient: Patient) -> float:
    """Return where the pericardium may begin, front to back."""
    if patient.physique is None:
        return -patient.chest_depth_mm / 2 + patient.fat_mm + CHEST_WALL_MM
    return float(Cage(patient, patient.physique).front(np.array(0.0))) + patient.physique.retrosternal_mm
