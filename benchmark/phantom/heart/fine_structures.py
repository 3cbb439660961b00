"""Coronary arteries, stents and calcium as partial volumes, smeared by the heart's motion where it is not gated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.phantom.acquisition.scanner import Acquisition
from benchmark.phantom.body.patient import Stent
from benchmark.phantom.geometry.grid import Floats, Grid
from benchmark.phantom.geometry.supersampling import STILL, PartialVolume, subdivide
from benchmark.phantom.geometry.tubes import Indices, Tube, Walls, nearby
from benchmark.phantom.heart.anatomy import Anatomy
from benchmark.phantom.heart.calcifications import confounder_shapes, lesion_shape
from benchmark.phantom.heart.plaque import Disease, calcium_hu

WALL_HU = 50.0
LUMEN_SHARE = 0.95
"""Enhancement of a coronary lumen relative to the aorta's."""
VESSEL_SUB_VOXEL_MM = (0.8, 0.4, 0.4)
STENT_SUB_VOXEL_MM = (0.8, 0.2, 0.2)
STENT_WALL_MM = 0.3
MOTION_STEPS = 5
MOTION_SHARE = {1: 0.5, 2: 0.6, 3: 0.8, 4: 1.0}
"""How far each vessel (LM, LAD, LCx, RCA) moves relative to the RCA, which moves most."""
MOTION_DIRECTION = np.array([0.45, -0.55, 0.7])


@dataclass(frozen=True)
class FineStructures:
    """What is rendered by supersampling for one patient on one grid."""

    anatomy: Anatomy
    grid: Grid
    acquisition: Acquisition

    def vessels(self, walls: Walls, blood_hu: float) -> PartialVolume:
        """Return walls and lumina of the coronary arteries."""
        layer = PartialVolume(self.grid, self.acquisition.profile_sigma_mm)
        offsets, volume = subdivide(self.grid, VESSEL_SUB_VOXEL_MM)
        reach = float(np.linalg.norm(offsets, axis=1).max())
        alike: dict[float, list[tuple[Floats, Floats, Floats]]] = {}
        for index, tube in enumerate(self.anatomy.coronaries):
            of_tube = (walls.tube == index) & (walls.distance < reach)
            points, axial, radius = self._sub_voxels(
                tube, walls.voxels[of_tube], walls.node[of_tube], offsets
            )
            inside = axial < radius + tube.wall
            lumen = axial[inside] < radius[inside]
            hu = np.where(lumen, LUMEN_SHARE * blood_hu, WALL_HU).astype(np.float32)
            path = self._path(tube.label)
            alike.setdefault(float(np.ptp(path)), []).append((points[inside], hu, path))
        for parts in alike.values():
            points, hu = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
            layer.add_points(points, volume, hu, parts[0][2])
        return layer

    def dense(self, disease: Disease) -> PartialVolume:
        """Return coronary calcium, the other calcium and stents."""
        layer = PartialVolume(self.grid, self.acquisition.profile_sigma_mm)
        size, kv = self.anatomy.patient.water_diameter_cm, self.acquisition.tube_kv
        for lesion in disease.lesions:
            shape = lesion_shape(lesion, self.anatomy)
            layer.add_ellipsoid(shape, calcium_hu(lesion.density_mg_cm3, size, kv), self._path(lesion.vessel))
        for shape, density in confounder_shapes(self.anatomy):
            layer.add_ellipsoid(shape, calcium_hu(density, size, kv))
        for stent in self.anatomy.patient.stents:
            self._add_stent(layer, stent)
        return layer

    def _add_stent(self, layer: PartialVolume, stent: Stent) -> None:
        tube = self.anatomy.vessel(stent.vessel)
        part = tube.section(tube.at(stent.position * tube.length_mm), stent.length_mm)
        near = nearby(part, self.grid, float(part.radius.max()) + 3.0)
        offsets, volume = subdivide(self.grid, STENT_SUB_VOXEL_MM)
        points, axial, radius = self._sub_voxels(part, near.voxels, near.node, offsets)
        mesh = points[np.abs(axial - radius) < STENT_WALL_MM / 2]
        layer.add_points(mesh, volume, np.full(len(mesh), stent.hu, np.float32), self._path(stent.vessel))

    def _sub_voxels(
        self, tube: Tube, voxels: Indices, node: Indices, offsets: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Return the sub-voxels' points (n, 3), distances to the tube's axis and the tube's radius there."""
        points = (self.grid.points(voxels)[:, None, :] + offsets).reshape(-1, 3)
        nodes = np.repeat(node, len(offsets))
        axial = tube.axial_distance(points - tube.nodes[nodes], nodes)
        return points, axial, tube.radius[nodes]

    def _path(self, vessel: int) -> Floats:
        """Return the displacements of a vessel during the scan, symmetric about its place in the masks."""
        way = self.acquisition.motion_mm * MOTION_SHARE[vessel]
        if way == 0:
            return STILL
        steps = np.linspace(-0.5, 0.5, MOTION_STEPS)[:, None]
        return np.asarray(steps * way * MOTION_DIRECTION, dtype=np.float32)
