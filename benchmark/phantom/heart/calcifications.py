"""Where calcium lies in the patient: coronary lesions on the wall, deposits of the aorta and the valves."""

from __future__ import annotations

import numpy as np

from benchmark.phantom.body.patient import Deposit
from benchmark.phantom.geometry.grid import Ellipsoid
from benchmark.phantom.geometry.tubes import Tube
from benchmark.phantom.geometry.vectors import unit
from benchmark.phantom.heart.anatomy import Anatomy
from benchmark.phantom.heart.coronaries import AORTIC_ROOT
from benchmark.phantom.heart.frame import BASE_XI, HeartFrame
from benchmark.phantom.heart.plaque import USABLE_LENGTH_MM, Lesion


def lesion_shape(lesion: Lesion, anatomy: Anatomy) -> Ellipsoid:
    """Return a lesion's ellipsoid: centred in the wall, a third of its depth inwards."""
    tube = anatomy.vessel(lesion.vessel)
    shrink = min(1.0, tube.length_mm / USABLE_LENGTH_MM[lesion.vessel])
    node = tube.at(lesion.position_mm * shrink)
    depth = lesion.semi_axes_mm[2]
    out = max(float(tube.radius[node]) + tube.wall / 2 - depth / 3, 0.0)
    return _on_wall(tube, node, lesion.angle_deg, out, lesion.semi_axes_mm)


def confounder_shapes(anatomy: Anatomy) -> list[tuple[Ellipsoid, float]]:
    """Return the shapes of the patient's other calcium with its density, mg/cm³."""
    return [
        (_deposit_shape(deposit, anatomy), deposit.density_mg_cm3) for deposit in anatomy.patient.deposits
    ]


def _deposit_shape(deposit: Deposit, anatomy: Anatomy) -> Ellipsoid:
    if deposit.site in ("ascending aorta", "descending aorta"):
        tube = anatomy.ascending_aorta if deposit.site == "ascending aorta" else anatomy.descending_aorta
        node = tube.at(deposit.position * tube.length_mm)
        return _on_wall(tube, node, deposit.angle_deg, float(tube.radius[node]) - 0.8, deposit.semi_axes_mm)
    heart, angle = anatomy.heart, np.deg2rad(deposit.angle_deg)
    if deposit.site == "pericardium":
        return _on_sac(deposit, heart)
    if deposit.site == "aortic valve":
        u, s, t = AORTIC_ROOT
        radius = 8.0 * deposit.position
        centre = heart.at(u + 3, s + radius * np.cos(angle), t + radius * np.sin(angle))
    else:
        # The posterior two thirds of the mitral ring, between left atrium and ventricle.
        angle = np.deg2rad(110 + 200 * deposit.position)
        centre = heart.at(BASE_XI * 66 + 3, -13 + 17 * np.cos(angle), -2 + 18 * np.sin(angle))
    z, y, x = centre
    return Ellipsoid((z, y, x), deposit.semi_axes_mm)


def _on_wall(
    tube: Tube, node: int, angle_deg: float, out: float, semi_axes: tuple[float, float, float]
) -> Ellipsoid:
    """Return an ellipsoid `out` mm off the tube's axis, aligned with along, around and outwards."""
    axes = tube.frame(node, angle_deg)
    z, y, x = (float(v) for v in tube.nodes[node] + out * axes[2])
    return Ellipsoid((z, y, x), semi_axes, tuple((float(a[0]), float(a[1]), float(a[2])) for a in axes))


def _on_sac(deposit: Deposit, heart: HeartFrame) -> Ellipsoid:
    """Return a plate on the pericardium, flat along its surface."""
    xi = np.array([1.6 * deposit.position - 0.8])
    theta = np.array([deposit.angle_deg])
    centre, deeper = (heart.surface(theta, xi, depth)[0] for depth in (-0.5, 1.5))
    outwards = unit(centre - deeper)
    along = unit(np.cross(outwards, [0.31, 0.87, 0.38]))
    axes = (along, np.cross(outwards, along), outwards)
    z, y, x = (float(v) for v in centre)
    return Ellipsoid(
        (z, y, x), deposit.semi_axes_mm, tuple((float(a[0]), float(a[1]), float(a[2])) for a in axes)
    )
