"""The digital QRM phantom: nine cylinders of hydroxyapatite in a cardiac insert, in a ring-shaped thorax.

Layout as in the real insert (QRM, Möhrendorf): cylinders of 200, 400 and 800 mg/cm³, 5, 3 and 1 mm in diameter
and length, on spokes 120° apart at 37.5, 25 and 12.5 mm from the middle of a disc of 100 mm. The cylinders' middle
plane lies `z_offset_mm` above the middle of a slice, so where a cylinder falls on the slices is known exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from benchmark.case import Case, Scan
from benchmark.execution.seeds import derive_seed
from benchmark.phantom.acquisition.noise import correlated_noise
from benchmark.phantom.acquisition.scanner import Acquisition, blur, quantise
from benchmark.phantom.geometry.grid import Box, Canvas, Floats, Grid
from benchmark.phantom.geometry.sections import compose, ellipse
from benchmark.phantom.geometry.supersampling import PartialVolume
from benchmark.phantom.heart.plaque import calcium_hu
from benchmark.phantom.source import REACH_MM, as_image
from benchmark.plugins import Cohort
from benchmark.plugins.fingerprint import code_digest, digest_of

DENSITIES_MG_CM3 = (200.0, 400.0, 800.0)
SIZES_MM = (5.0, 3.0, 1.0)
SPOKES_DEG = {200.0: 58.0, 400.0: -62.0, 800.0: 178.0}
RADII_MM = {5.0: 37.5, 3.0: 25.0, 1.0: 12.5}
INSERT_RADIUS_MM = 50.0
ROI_MARGIN_MM = 4.0
REAL_SCAN = Acquisition(
    scanner="qrm",
    field_of_view_mm=249.856,
    pixel_mm=0.488,
    coverage_mm=45.0,
    slice_thickness_mm=3.0,
    mtf50_per_mm=0.27,
    profile_sigma_mm=0.2,
    nps_peak_per_mm=0.21,
    noise_sd_hu=21.6,
    slice_correlation=0.0,
)
"""The published figures of the real series: pixel, slices, MTF50, noise."""


@dataclass(frozen=True)
class Cylinder:
    """A cylinder along z; `label` 1 to 9 is its place in order of density, then of size."""

    label: int
    density_mg_cm3: float
    size_mm: float
    centre: tuple[float, float, float]

    @property
    def volume_mm3(self) -> float:
        """Return the volume."""
        return float(np.pi / 4 * self.size_mm**3)

    @property
    def mass_mg(self) -> float:
        """Return the mass of hydroxyapatite."""
        return self.volume_mm3 * self.density_mg_cm3 / 1000

    @property
    def half_extent(self) -> NDArray[np.float64]:
        """Half the size of the smallest box around it."""
        return np.full(3, self.size_mm / 2)

    def occupancy(self, grid: Grid) -> tuple[Box, Floats] | None:
        """Return the box it lies in and the fraction it fills of each voxel there: exact along z."""
        box = grid.box(np.asarray(self.centre), self.half_extent)
        if box is None:
            return None
        z, y, x = (axis[part] - c for axis, part, c in zip(grid.axes, box, self.centre, strict=True))
        radius = np.hypot(y[:, None], x[None, :])
        disc = np.clip(0.5 - (radius - self.size_mm / 2) / grid.spacing[1], 0, 1)
        along = np.clip((self.size_mm / 2 - np.abs(z)) / grid.spacing[0] + 0.5, 0, 1)
        return box, (along[:, None, None] * disc).astype(np.float32)


class QrmPhantom(BaseModel):
    """One scan of the digital phantom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    z_offset_mm: float = Field(0.0, ge=-5, le=5, description="middle of the cylinders above a slice's middle")
    acquisition: Acquisition = REAL_SCAN
    background_hu: float = Field(
        74.9, ge=-100, le=129, description="of the insert; published for the real scan"
    )
    water_diameter_cm: float = Field(30.0, ge=15, le=50, description="sets the HU of hydroxyapatite")

    @cached_property
    def cylinders(self) -> tuple[Cylinder, ...]:
        """The nine cylinders."""
        cylinders: list[Cylinder] = []
        for density in DENSITIES_MG_CM3:
            angle = np.deg2rad(SPOKES_DEG[density])
            for size in SIZES_MM:
                y, x = RADII_MM[size] * np.sin(angle), RADII_MM[size] * np.cos(angle)
                cylinders.append(
                    Cylinder(len(cylinders) + 1, density, size, (self.z_offset_mm, float(y), float(x)))
                )
        return tuple(cylinders)

    @cached_property
    def grid(self) -> Grid:
        """The image's grid: the middle slice at z = 0, the insert in the middle."""
        return self.acquisition.grid((0.0, 0.0, 0.0))

    def noise_free(self) -> Floats:
        """Return the HU of a scan without noise, (z, y, x)."""
        canvas = Canvas(self.grid, _thorax_ring(self.grid, self.background_hu))
        layer = PartialVolume(self.grid, self.acquisition.profile_sigma_mm)
        for cylinder in self.cylinders:
            layer.add_shape(cylinder, calcium_hu(cylinder.density_mg_cm3, self.water_diameter_cm))
        layer.compose(canvas.hu)
        return blur(canvas.hu, self.grid, self.acquisition)

    def image(self) -> NDArray[np.int16]:
        """Return the scan in HU, (z, y, x)."""
        a = self.acquisition
        field = correlated_noise(
            self.grid.shape, self.grid.spacing, a.nps_peak_per_mm, a.slice_correlation, a.noise_seed
        )
        return quantise(self.noise_free() + np.float32(a.noise_sd_hu) * field)

    def masks(self) -> dict[str, NDArray[np.uint8]]:
        """Return ``vessels``: a region around each cylinder, labelled; ``coronary``: all of them; ``lesions``."""
        z, y, x = self.grid.axes
        regions, lesions = (np.zeros(self.grid.shape, np.uint8) for _ in range(2))
        for cylinder in self.cylinders:
            cz, cy, cx = cylinder.centre
            half = cylinder.size_mm / 2
            radius = np.hypot(y[:, None] - cy, x[None, :] - cx)
            for mask, margin in ((regions, ROI_MARGIN_MM), (lesions, 0.0)):
                slices = np.abs(z - cz) <= half + margin
                mask[np.ix_(slices, *(np.ones(n, bool) for n in radius.shape))] = np.where(
                    radius <= half + margin, cylinder.label, mask[slices]
                )
        return {"coronary": (regions > 0).astype(np.uint8), "vessels": regions, "lesions": lesions}

    def load(self) -> Scan:
        """Render the image (int16 HU) and the masks."""
        return Scan(
            image=as_image(self.image(), self.grid),
            masks={name: as_image(mask, self.grid) for name, mask in self.masks().items()},
            reach_mm=REACH_MM,
        )

    def record(self) -> dict[str, Any]:
        """Return the parameters and the truth of the nine cylinders."""
        truth = [
            {
                "label": cylinder.label,
                "density_mg_cm3": cylinder.density_mg_cm3,
                "size_mm": cylinder.size_mm,
                "centre_zyx_mm": list(cylinder.centre),
                "volume_mm3": cylinder.volume_mm3,
                "mass_mg": cylinder.mass_mg,
            }
            for cylinder in self.cylinders
        ]
        return {**self.model_dump(mode="json"), "truth": truth}

    def digest(self) -> str:
        """Return the SHA-256 of the parameters and of the code that renders them."""
        return digest_of({"record": self.model_dump(mode="json"), "code": code_digest(__name__)})


class QrmCohort(Cohort):
    """Scans of the digital QRM phantom at evenly spaced z-offsets over one slice."""

    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy")

    scans: int = Field(1, ge=1, le=1000, description="number of scans")
    z_offset_mm: float = Field(0.0, ge=-1.5, le=1.5, description="offset of the first scan")
    noise_sd_hu: float = Field(21.6, ge=0, le=200, description="0: without noise")
    seed: int | str = Field(0, description="of the noise")

    def cases(self) -> Sequence[Case]:
        """List the scans; nothing is rendered."""
        return [self._case(k) for k in range(self.scans)]

    def _case(self, k: int) -> Case:
        offset = round((self.z_offset_mm + 3.0 * k / self.scans + 1.5) % 3.0 - 1.5, 4)
        update = {"noise_sd_hu": self.noise_sd_hu, "noise_seed": derive_seed(self.seed, "qrm", k)}
        acquisition = Acquisition.model_validate(REAL_SCAN.model_dump() | update)
        phantom = QrmPhantom(z_offset_mm=offset, acquisition=acquisition)
        return Case(f"qrm-{k:03d}", phantom, label=1, group="qrm", protocol="qrm", contrast=False)


def _thorax_ring(grid: Grid, insert_hu: float) -> Floats:
    """Return the section: a thorax of 400 × 300 mm, its lungs, the spine, and the insert in the middle."""
    return compose(
        grid,
        -1000.0,
        [
            (ellipse(grid, (10.0, 0.0), (150.0, 200.0)), 30.0),
            (ellipse(grid, (0.0, 0.0), (88.0, 135.0)), -850.0),
            (ellipse(grid, (80.0, 0.0), (26.0, 26.0)), 40.0),
            (ellipse(grid, (100.0, 0.0), (9.0, 33.0)), 450.0),
            (ellipse(grid, (112.0, 0.0), (22.0, 5.0)), 450.0),
            (ellipse(grid, (72.0, 0.0), (22.0, 22.0)), 450.0),
            (ellipse(grid, (72.0, 0.0), (19.5, 19.5)), 150.0),
            (ellipse(grid, (0.0, 0.0), (INSERT_RADIUS_MM + 1.5, INSERT_RADIUS_MM + 1.5)), 20.0),
            (ellipse(grid, (0.0, 0.0), (INSERT_RADIUS_MM, INSERT_RADIUS_MM)), insert_hu),
        ],
    )
