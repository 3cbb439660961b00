"""Scans as many scanners make them: every setting drawn from the range that is in use, for one patient.

Gated calcium scans: measured on real ones (pixels 0.32–0.48 mm, noise SD 12–14 HU, one 22, varying 10–29 within a scan,
adjacent slices correlated by 0.20–0.25, mean frequency of the noise 0.27–0.28 /mm). Chest scans: defaults of the field.
"""

from __future__ import annotations

import math

import numpy as np

from benchmark.phantom.acquisition.scanner import REFERENCE_PATIENT_CM, Acquisition, Protocol
from benchmark.phantom.body.patient import Patient

MATRIX = 512
TUBE_KV, TUBE_KV_SHARE = (80.0, 100.0, 120.0, 140.0), (0.03, 0.15, 0.76, 0.06)
CHEST_SLICES_MM, CHEST_SHARE = (1.0, 1.5, 2.0, 2.5, 3.0, 5.0), (0.1, 0.1, 0.15, 0.2, 0.3, 0.15)
GATED_SLICES_MM, GATED_SHARE = (1.5, 2.5, 3.0), (0.07, 0.28, 0.65)
NPS_PEAK: dict[Protocol, tuple[float, float]] = {"chest": (0.115, 0.155), "cardiac": (0.121, 0.163)}
"""Of the softest kernels, /mm."""


def draw_varied_acquisition(
    protocol: Protocol, patient: Patient, contrast: bool, seed: int, coverage_mm: float, matrix: int = MATRIX
) -> Acquisition:
    """Draw a scanner, its settings and what differs from scan to scan.

    `matrix` is the number of pixels along a side at the full field of view; the field is drawn and may cut the body.
    """
    rng = np.random.default_rng(seed)
    chest = protocol == "chest"
    slices, shares = (CHEST_SLICES_MM, CHEST_SHARE) if chest else (GATED_SLICES_MM, GATED_SHARE)
    thickness = float(rng.choice(slices, p=shares))
    field = rng.uniform(0.92, 1.2) * patient.chest_width_mm if chest else rng.uniform(160, 250)
    field = float(np.clip(field, 100, 500))
    sharp = float(rng.random()) if chest else 0.4 * float(rng.random())
    noise_sd = _noise_sd(rng, patient, thickness, sharp)
    iodine = rng.uniform(120, 420)
    return Acquisition(
        protocol=protocol,
        scanner="varied",
        iodine_hu=round(float(iodine), 1) if contrast else 0.0,
        field_of_view_mm=round(field, 2),
        pixel_mm=round(field / matrix, 5),
        coverage_mm=coverage_mm,
        slice_thickness_mm=thickness,
        increment_mm=thickness if rng.random() < 0.85 else round(0.8 * thickness, 3),
        mtf50_per_mm=round(0.27 + 0.1 * float(rng.random()) + 0.2 * sharp, 4),
        profile_sigma_mm=round(float(rng.uniform(0.3, 0.6)), 3),
        nps_peak_per_mm=round(float(rng.uniform(*NPS_PEAK[protocol])) + 0.14 * sharp**2, 4),
        noise_sd_hu=round(noise_sd, 2),
        slice_correlation=round(float(rng.uniform(0.1, 0.32)), 3),
        motion_mm=round(float(rng.uniform(0, 5 if chest else 1)), 2),
        table_mm=_table(rng),
        noise_seed=int(rng.integers(2**31)),
        tube_kv=float(rng.choice(TUBE_KV, p=TUBE_KV_SHARE)),
        noise_variation=round(float(rng.uniform(0.1, 0.3)), 3),
        edge_enhancement=round(float(rng.uniform(0, 0.6)) * sharp, 3),
    )


def _noise_sd(rng: np.random.Generator, patient: Patient, thickness_mm: float, sharp: float) -> float:
    """Draw the noise in the middle of the body, HU: more in large patients, thin slices and sharp kernels."""
    size = math.exp(0.03 * (patient.water_diameter_cm - REFERENCE_PATIENT_CM))
    soft = math.exp(rng.normal(math.log(13.5), 0.25))
    thin = (3 / max(thickness_mm, 1.5)) ** 0.4
    return float(np.clip(soft * (1 + 1.1 * sharp**2) * thin * size, 6, 60))


def _table(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw how far the heart lies from the middle of the image (z, y, x), mm."""
    z, y, x = (round(float(rng.normal(0, sd)), 3) for sd in (6, 8, 10))
    return z, y, x
