"""A scan from its three records: patient, disease and acquisition, each drawn from a seed of its own.

Order: smooth anatomy with partial volumes; slow texture; coronary arteries, stents and calcium by supersampling;
point spread; noise; quantisation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.acquisition.scanner import Acquisition, blur, noise, quantise
from benchmark.phantom.acquisition.streaks import add_streaks
from benchmark.phantom.body.patient import Patient
from benchmark.phantom.body.texture import add_texture
from benchmark.phantom.geometry.grid import Floats, Grid
from benchmark.phantom.geometry.tubes import Walls, nearest_walls
from benchmark.phantom.heart.anatomy import Anatomy, BloodPool
from benchmark.phantom.heart.fine_structures import FineStructures
from benchmark.phantom.heart.plaque import Disease
from benchmark.phantom.masks import Labels, aorta_mask, heart_mask, lesion_labels, vessel_labels

SLEEVE_MM = 3.5
"""Fat around every coronary artery, beyond its outer wall."""
AERATED_BELOW_HU = -300.0
MASKS = ("coronary", "vessels", "lesions", "heart", "aorta")
"""Names of the reference masks."""


@dataclass(frozen=True)
class Phantom:
    """One patient, with a disease, on one scanner."""

    patient: Patient
    disease: Disease
    acquisition: Acquisition

    @cached_property
    def anatomy(self) -> Anatomy:
        """The anatomy's layout, its bone as the scan's tube voltage shows it."""
        build = self.patient.physique
        if build is None:
            return Anatomy.of(self.patient)
        shown = build.at(self.acquisition.tube_kv)
        return Anatomy.of(self.patient.model_copy(update={"physique": shown}))

    @cached_property
    def grid(self) -> Grid:
        """The image's grid; it depends on the patient and the scan alone."""
        z, y, x = self.anatomy.heart.centre
        if self.patient.physique is not None and self.acquisition.protocol == "chest":
            return self.acquisition.grid((z, 0.0, 0.0))  # the whole chest is looked at, not the heart
        return self.acquisition.grid((z, y, x))

    def noise_free(self) -> Floats:
        """Return the HU of a scan without noise, (z, y, x)."""
        blood = BloodPool.of(self.patient, self.acquisition.iodine_hu)
        canvas = self.anatomy.paint(self.grid, blood)
        self._bed_in_fat(canvas.hu)
        add_texture(canvas, self.patient.form_seed)
        fine = FineStructures(self.anatomy, self.grid, self.acquisition)
        for layer in (fine.vessels(self._walls, blood.left), fine.dense(self.disease)):
            layer.compose(canvas.hu)
        blurred = blur(canvas.hu, self.grid, self.acquisition)
        if self.patient.physique is None:
            return blurred
        return add_streaks(blurred, self.grid, self.acquisition.noise_seed)

    def image(self) -> NDArray[np.int16]:
        """Return the scan in HU, (z, y, x)."""
        return quantise(self.noise_free() + noise(self.grid, self.acquisition, self.patient))

    def masks(self) -> Mapping[str, Labels]:
        """Return the reference masks, (z, y, x), by the names of `MASKS`."""
        return {name: self.mask(name) for name in MASKS}

    def mask(self, name: str) -> Labels:
        """Return one of `MASKS`, (z, y, x). Raises `KeyError` for another name."""
        make: dict[str, Callable[[], Labels]] = {
            "coronary": lambda: (self._vessels > 0).astype(np.uint8),
            "vessels": lambda: self._vessels,
            "lesions": lambda: lesion_labels(
                self.anatomy, self.grid, self.disease, self.acquisition.profile_sigma_mm
            ),
            "heart": lambda: heart_mask(self.anatomy, self.grid),
            "aorta": lambda: self._aorta,
        }
        return make[name]()

    @cached_property
    def _vessels(self) -> Labels:
        return vessel_labels(self.anatomy, self.grid, self._walls)

    @cached_property
    def _walls(self) -> Walls:
        return nearest_walls(self.anatomy.coronaries, self.grid, SLEEVE_MM + 1.0)

    @cached_property
    def _aorta(self) -> Labels:
        return aorta_mask(self.anatomy, self.grid)

    def _bed_in_fat(self, hu: Floats) -> None:
        """Lay a sleeve of fat around the arteries, but not into the aorta they leave nor into the lung."""
        flat, voxels = hu.reshape(-1), self._walls.voxels
        occupancy = np.clip((SLEEVE_MM - self._walls.distance) / 2 + 0.5, 0, 1)
        occupancy[(self._aorta.reshape(-1)[voxels] > 0) | (flat[voxels] <= AERATED_BELOW_HU)] = 0
        flat[voxels] += occupancy * (np.float32(self.patient.epicardial_fat_hu) - flat[voxels])
