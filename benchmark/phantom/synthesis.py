"""A scan from its three records: patient, disease and acquisition, each drawn from a seed of its own.

Order: smooth anatomy with partial volumes; coronary arteries, stents and calcium by supersampling; point spread;
noise; quantisation. The masks come from the same shapes, so they are exact on the image's grid, and the mask of
the coronary arteries is drawn before the disease is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.acquisition import Acquisition, blur, noise, quantise
from benchmark.phantom.anatomy import Anatomy, BloodPool
from benchmark.phantom.calcifications import confounder_shapes, lesion_shape
from benchmark.phantom.grid import Floats, Grid
from benchmark.phantom.patient import Patient
from benchmark.phantom.plaque import Disease, calcium_hu
from benchmark.phantom.supersampling import STILL, PartialVolume, subdivide
from benchmark.phantom.texture import add_texture
from benchmark.phantom.tubes import Indices, Tube, nearby, nearest_surface

SLEEVE_MM = 3.5
"""Fat around every coronary artery, beyond its outer wall."""
ROI_MARGIN_MM = 0.7
"""The coronary mask reaches this far beyond the outer wall, as an outlined vessel does."""
LESION_OCCUPANCY = 0.25
"""A voxel belongs to a lesion if calcium fills this fraction of it (or it is the lesion's fullest voxel)."""
WALL_HU = 50.0
STENT_WALL_MM = 0.3
MOTION_STEPS = 5
MOTION_SHARE = {1: 0.5, 2: 0.6, 3: 0.8, 4: 1.0}
MOTION_DIRECTION = np.array([0.45, -0.55, 0.7])

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Phantom:
    """One patient, with a disease, on one scanner."""

    patient: Patient
    disease: Disease
    acquisition: Acquisition

    @cached_property
    def anatomy(self) -> Anatomy:
        """The anatomy's layout."""
        return Anatomy.of(self.patient)

    @cached_property
    def grid(self) -> Grid:
        """The image's grid; it depends on the patient and the scan alone."""
        z, y, x = self.anatomy.heart.centre
        return self.acquisition.grid((z, y, x))

    @cached_property
    def _wall(self) -> tuple[Indices, Floats, NDArray[np.int16], Indices]:
        return nearest_surface(self.anatomy.coronaries, self.grid, SLEEVE_MM + 1.0)

    def noise_free(self) -> Floats:
        """Return the HU of a scan without noise, (z, y, x)."""
        blood = BloodPool.of(self.patient, self.acquisition.iodine_hu)
        canvas = self.anatomy.paint(self.grid, blood)
        self._fat_sleeve(canvas.hu)
        add_texture(canvas, self.patient.form_seed)
        for layer in (self._vessels(blood), self._dense()):
            layer.compose(canvas.hu)
        return blur(canvas.hu, self.grid, self.acquisition)

    def image(self) -> NDArray[np.int16]:
        """Return the scan in HU, (z, y, x)."""
        return quantise(self.noise_free() + noise(self.grid, self.acquisition, self.patient))

    def masks(self) -> Mapping[str, Labels]:
        """Return the reference masks, (z, y, x): coronary, vessels, lesions, heart and aorta."""
        vessels = self._vessel_labels()
        return {
            "coronary": (vessels > 0).astype(np.uint8),
            "vessels": vessels,
            "lesions": self._lesion_labels(),
            "heart": self._heart_mask(),
            "aorta": self._aorta,
        }

    def _fat_sleeve(self, hu: Floats) -> None:
        voxels, distance, _, _ = self._wall
        flat = hu.reshape(-1)
        occupancy = np.clip((SLEEVE_MM - distance) / 2 + 0.5, 0, 1)
        soft = flat[voxels] > -300
        aorta = self._aorta.reshape(-1)[voxels] > 0
        occupancy[aorta | ~soft] = 0
        flat[voxels] += occupancy * (np.float32(self.patient.epicardial_fat_hu) - flat[voxels])

    def _vessels(self, blood: BloodPool) -> PartialVolume:
        """Return walls and lumina of the coronary arteries."""
        layer = PartialVolume(self.grid, self.acquisition.profile_sigma_mm)
        voxels, distance, which, node = self._wall
        offsets, volume = subdivide(self.grid, (0.8, 0.4, 0.4))
        reach = float(np.linalg.norm(offsets, axis=1).max())
        found: dict[int, list[tuple[Floats, Floats]]] = {}
        for index, tube in enumerate(self.anatomy.coronaries):
            mine = (which == index) & (distance < reach)
            points, axial, radius = _sub_voxels(self.grid, tube, voxels[mine], node[mine], offsets)
            inside = axial < radius + tube.wall
            hu = np.where(axial[inside] < radius[inside], 0.95 * blood.left, WALL_HU).astype(np.float32)
            found.setdefault(self._moving(tube.label), []).append((points[inside], hu))
        for label, parts in found.items():
            points, hu = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
            layer.add_points(points, volume, hu, self._path(label))
        return layer

    def _moving(self, vessel: int) -> int:
        """Return a vessel that moves alike: none moves in a gated scan."""
        return vessel if self.acquisition.motion_mm > 0 else 1

    def _dense(self) -> PartialVolume:
        """Return calcium and stents."""
        layer = PartialVolume(self.grid, self.acquisition.profile_sigma_mm)
        size = self.patient.water_diameter_cm
        for lesion in self.disease.lesions:
            shape = lesion_shape(lesion, self.anatomy)
            layer.add_ellipsoid(shape, calcium_hu(lesion.density_mg_cm3, size), self._path(lesion.vessel))
        for shape, density in confounder_shapes(self.anatomy):
            layer.add_ellipsoid(shape, calcium_hu(density, size))
        for stent in self.patient.stents:
            tube = self.anatomy.vessel(stent.vessel)
            centre = tube.at(stent.position * tube.length_mm)
            part = tube.section(centre, stent.length_mm)
            found = nearby(part, self.grid, float(part.radius.max()) + 3.0)
            offsets, volume = subdivide(self.grid, (0.8, 0.2, 0.2))
            points, axial, radius = _sub_voxels(
                self.grid, part, found.voxels, found.node, offsets, flat_ends=True
            )
            mesh = np.abs(axial - radius) < STENT_WALL_MM / 2
            layer.add_points(
                points[mesh], volume, np.full(int(mesh.sum()), stent.hu, np.float32), self._path(stent.vessel)
            )
        return layer

    def _path(self, vessel: int) -> Floats:
        """Return the displacements of a vessel during the scan, symmetric about its place in the masks."""
        way = self.acquisition.motion_mm * MOTION_SHARE[vessel]
        if way == 0:
            return STILL
        steps = np.linspace(-0.5, 0.5, MOTION_STEPS)[:, None]
        return np.asarray(steps * way * MOTION_DIRECTION, dtype=np.float32)

    def _vessel_labels(self) -> Labels:
        voxels, distance, which, _ = self._wall
        labels = np.array([tube.label for tube in self.anatomy.coronaries], np.uint8)
        mask = np.zeros(self.grid.shape, np.uint8)
        inside = distance <= ROI_MARGIN_MM
        mask.reshape(-1)[voxels[inside]] = labels[which[inside]]
        return mask

    def _lesion_labels(self) -> Labels:
        filled = {vessel: np.zeros(self.grid.shape, np.float32) for vessel in MOTION_SHARE}
        mask = np.zeros(self.grid.shape, np.uint8)
        layer = PartialVolume(self.grid, self.acquisition.profile_sigma_mm)
        for lesion in self.disease.lesions:
            found = layer.share(lesion_shape(lesion, self.anatomy))
            if found is not None:
                box, share = found
                filled[lesion.vessel][box] += share
                mask[box][np.unravel_index(np.argmax(share), share.shape)] = lesion.vessel
        for vessel, fraction in filled.items():
            mask[fraction >= LESION_OCCUPANCY] = vessel
        return mask

    def _heart_mask(self) -> Labels:
        mask = np.zeros(self.grid.shape, np.uint8)
        if (found := self.anatomy.heart.sac.occupancy(self.grid)) is not None:
            mask[found[0]] = found[1] >= 0.5
        return mask

    @cached_property
    def _aorta(self) -> Labels:
        mask = np.zeros(self.grid.shape, np.uint8)
        for tube in (self.anatomy.ascending_aorta, self.anatomy.descending_aorta):
            found = nearby(tube, self.grid, float(tube.radius.max()))
            inside = found.distance(tube) <= tube.radius[found.node]
            mask.reshape(-1)[found.voxels[inside]] = 1
        return mask


def _sub_voxels(
    grid: Grid, tube: Tube, voxels: Indices, node: Indices, offsets: Floats, flat_ends: bool = False
) -> tuple[Floats, Floats, Floats]:
    """Return the sub-voxels' points (n, 3), distances to the tube's axis and the tube's radius there."""
    points = (grid.points(voxels)[:, None, :] + offsets).reshape(-1, 3)
    nodes = np.repeat(node, len(offsets))
    offset = points - tube.nodes[nodes]
    axial = tube.axial_distance(offset, nodes, flat_ends)
    return points, axial, tube.radius[nodes]
