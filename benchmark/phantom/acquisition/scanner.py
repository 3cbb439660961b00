"""The scan: protocol, scanner, and what they do to an ideal volume (blur, noise, quantisation).

Presets follow the field's practice: gated cardiac scans of 2.5–3 mm with a smooth kernel and SD 15–25 HU;
non-gated chest scans of 1–5 mm with a sharper kernel, more noise and 1–5 mm of cardiac motion.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import ndimage

from benchmark.phantom.acquisition.noise import correlated_noise
from benchmark.phantom.body.patient import Patient
from benchmark.phantom.body.texture import smooth_field
from benchmark.phantom.geometry.fields import Lattice
from benchmark.phantom.geometry.grid import Floats, Grid

Protocol = Literal["cardiac", "chest"]
Scanner = Literal["soft", "standard", "sharp"]
SCANNERS: tuple[Scanner, ...] = ("soft", "standard", "sharp")
REFERENCE_PATIENT_CM = 24.0
ENHANCED_MM = 0.8
"""σ of what an edge-enhancing kernel subtracts."""
VARIATION_MM = 45.0
"""Over how far the noise changes."""


class Acquisition(BaseModel):
    """All that decides how a patient is scanned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: Protocol = "cardiac"
    scanner: str = Field("standard", description="name of the preset, the case's group")
    iodine_hu: float = Field(0.0, ge=0, le=800, description="enhancement of the aorta, HU; 0: no contrast")
    field_of_view_mm: float = Field(150.0, ge=20, le=600, description="side of the reconstructed square")
    pixel_mm: float = Field(0.78125, ge=0.1, le=5, description="side of a pixel")
    coverage_mm: float = Field(120.0, ge=3, le=500, description="length scanned along z")
    slice_thickness_mm: float = Field(3.0, ge=0.25, le=10, description="width of the slice profile")
    increment_mm: float | None = Field(
        None, ge=0.25, le=10, description="between slices; none: the thickness"
    )
    mtf50_per_mm: float = Field(0.29, ge=0.1, le=1.0, description="frequency where the MTF is 0.5")
    profile_sigma_mm: float = Field(0.35, ge=0, le=3, description="blur of the slice profile's edges")
    nps_peak_per_mm: float = Field(0.21, ge=0.05, le=1, description="frequency of the most noise power")
    noise_sd_hu: float = Field(20.0, ge=0, le=200, description="noise SD in the middle of the body")
    slice_correlation: float = Field(0.05, ge=0, le=0.6, description="of the noise of adjacent slices")
    motion_mm: float = Field(0.0, ge=0, le=10, description="way of the RCA during a rotation; others less")
    table_mm: tuple[float, float, float] = Field((0.0, 0.0, 0.0), description="shift of the scan (z, y, x)")
    noise_seed: int = Field(0, ge=0)
    tube_kv: float = Field(120.0, ge=70, le=150, description="calcium and bone are brighter below 120 kVp")
    noise_variation: float = Field(
        0.0, ge=0, le=0.6, description="how far the noise SD varies over a scan (SD of its log)"
    )
    edge_enhancement: float = Field(
        0.0, ge=0, le=1, description="overshoot of the kernel: what it adds of the detail below 2 mm"
    )

    @model_validator(mode="after")
    def _pixel_fits(self) -> Acquisition:
        if self.pixel_mm > self.field_of_view_mm / 16:
            raise ValueError(
                f"pixel_mm is {self.pixel_mm}: it must be at most a sixteenth of field_of_view_mm, "
                f"{self.field_of_view_mm / 16:g}"
            )
        return self

    def grid(self, centre: tuple[float, float, float]) -> Grid:
        """Return the voxel grid of a scan centred on the heart."""
        increment = self.increment_mm or self.slice_thickness_mm
        side = round(self.field_of_view_mm / self.pixel_mm)
        z, y, x = (c + t for c, t in zip(centre, self.table_mm, strict=True))
        return Grid.centred(
            (z, y, x),
            (max(round(self.coverage_mm / increment), 1), side, side),
            (increment, self.pixel_mm, self.pixel_mm),
            self.slice_thickness_mm,
        )

    @property
    def psf_sigma_mm(self) -> float:
        """Return the Gaussian point spread's σ in the plane: MTF(f) = exp(−2π²σ²f²)."""
        return math.sqrt(math.log(2) / 2) / (math.pi * self.mtf50_per_mm)


_CARDIAC: dict[Scanner, dict[str, float]] = {
    "soft": {"mtf50_per_mm": 0.28, "nps_peak_per_mm": 0.20, "noise_sd_hu": 17.0, "slice_thickness_mm": 3.0},
    "standard": {
        "mtf50_per_mm": 0.29,
        "nps_peak_per_mm": 0.21,
        "noise_sd_hu": 20.0,
        "slice_thickness_mm": 3.0,
    },
    "sharp": {"mtf50_per_mm": 0.31, "nps_peak_per_mm": 0.23, "noise_sd_hu": 23.0, "slice_thickness_mm": 2.5},
}
_CHEST: dict[Scanner, dict[str, float]] = {
    "soft": {"mtf50_per_mm": 0.31, "nps_peak_per_mm": 0.23, "noise_sd_hu": 22.0, "slice_thickness_mm": 5.0},
    "standard": {
        "mtf50_per_mm": 0.36,
        "nps_peak_per_mm": 0.27,
        "noise_sd_hu": 30.0,
        "slice_thickness_mm": 3.0,
    },
    "sharp": {"mtf50_per_mm": 0.42, "nps_peak_per_mm": 0.32, "noise_sd_hu": 38.0, "slice_thickness_mm": 1.5},
}


def preset(protocol: Protocol, scanner: Scanner) -> Acquisition:
    """Return a scanner's settings for a protocol, for a patient of average size."""
    settings = (_CARDIAC if protocol == "cardiac" else _CHEST)[scanner]
    chest = {"profile_sigma_mm": 0.5, "slice_correlation": 0.2} if protocol == "chest" else {}
    return Acquisition(protocol=protocol, scanner=scanner, **settings, **chest)


def draw_acquisition(base: Acquisition, patient: Patient, contrast: bool, seed: int) -> Acquisition:
    """Draw what differs from scan to scan: position, contrast, motion, noise.

    The tube current follows the patient's size but not all the way: noise grows by 4 % per cm of diameter.
    """
    rng = np.random.default_rng(seed)
    shift = rng.uniform(-1, 1, 3) * [3.0, 4.0, 4.0]
    iodine, motion = rng.uniform(280, 400), rng.uniform(1, 5)
    size = math.exp(0.04 * (patient.water_diameter_cm - REFERENCE_PATIENT_CM))
    settings = {
        "table_mm": tuple(round(float(v), 3) for v in shift),
        "iodine_hu": round(float(iodine), 1) if contrast else 0.0,
        "motion_mm": round(float(motion), 2) if base.protocol == "chest" else 0.0,
        "noise_sd_hu": round(base.noise_sd_hu * size, 2),
        "noise_seed": int(rng.integers(2**31)),
    }
    return Acquisition.model_validate(base.model_dump() | settings)


def blur(hu: Floats, grid: Grid, acquisition: Acquisition) -> Floats:
    """Return the volume with the point spread in the plane; the pixel's own blur is part of it."""
    for axis in (1, 2):
        variance = acquisition.psf_sigma_mm**2 - grid.spacing[axis] ** 2 / 12
        if variance > 0:
            sigma = math.sqrt(variance) / grid.spacing[axis]
            hu = ndimage.gaussian_filter1d(hu, sigma, axis=axis, mode="nearest", truncate=3.5)
    if acquisition.edge_enhancement:
        sigmas = [0.0, *(ENHANCED_MM / s for s in grid.spacing[1:])]
        hu = hu + np.float32(acquisition.edge_enhancement) * (
            hu - ndimage.gaussian_filter(hu, sigmas, truncate=3.0)
        )
    return hu


def noise(grid: Grid, acquisition: Acquisition, patient: Patient) -> Floats:
    """Return the noise in HU: SD as asked on the body's axis, less towards its outline."""
    field = correlated_noise(
        grid.shape,
        grid.spacing,
        acquisition.nps_peak_per_mm,
        acquisition.slice_correlation,
        acquisition.noise_seed,
    )
    field *= np.float32(acquisition.noise_sd_hu) * radial_sd(grid, patient)
    if acquisition.noise_variation:
        field *= _variation(grid, acquisition)
    return field


def _variation(grid: Grid, acquisition: Acquisition) -> Floats:
    """Return a smooth random factor, as attenuation and the modulated tube current leave it from place to place."""
    lattice = Lattice(grid)
    smooth = smooth_field(lattice, VARIATION_MM, acquisition.noise_seed % 2**31 + 401)
    return lattice.values(np.exp(acquisition.noise_variation * smooth))


def radial_sd(grid: Grid, patient: Patient) -> Floats:
    """Return the noise SD in the plane, relative to the body's axis: attenuating paths are longest there."""
    _, y, x = grid.axes
    radius = (x / (patient.chest_width_mm / 2))[None, :] ** 2 + (y / (patient.chest_depth_mm / 2))[
        :, None
    ] ** 2
    return np.sqrt(np.clip(1 - 0.45 * radius, 0.3, 1)).astype(np.float32)


def quantise(hu: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """Return HU as a scanner stores them: whole numbers, −1024 to 3071."""
    return np.rint(np.clip(hu, -1024, 3071)).astype(np.int16)
