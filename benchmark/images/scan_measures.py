"""Figures that say what kind of CT a scan is: noise, grid, field of view, how much of it is bone or enhanced blood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import SimpleITK as sitk

TISSUE_HU, DENSE_HU = -200.0, 250.0
SOFT_HU = (-20.0, 110.0)
"""Muscle, blood without contrast medium, liver; fat and bone are not."""
PATCH_MM, SMOOTHING_MM = 12.0, 3.0
SLICES = 24
"""So many slices, evenly spread, tell the noise."""


def measure_scan(image: sitk.Image, region: sitk.Image) -> dict[str, float]:
    """Return the figures of a scan in HU with the region of its heart (non-zero); those that it does not give lack.

    noise_hu: median standard deviation in patches of 12 mm that are soft tissue throughout; pixel_mm, slice_mm,
    field_mm, length_mm: grid and extent, in the plane the shorter side; dense_share: share of tissue (above
    -200 HU) from 250 HU on, which is bone, metal or contrast medium; blood_hu: upper quartile of what is soft or
    enhanced in the region.
    """
    import SimpleITK as sitk

    upright, inside = (sitk.DICOMOrient(each, "LPS") for each in (image, region))
    hu, within = sitk.GetArrayViewFromImage(upright), sitk.GetArrayViewFromImage(inside) != 0
    x, y, z = upright.GetSpacing()
    blood = hu[within]
    blood = blood[(blood > 0) & (blood < 600)]
    dense, tissue = np.count_nonzero(hu >= DENSE_HU), np.count_nonzero(hu > TISSUE_HU)
    found = {
        "noise_hu": soft_tissue_noise(hu, (y, x)),
        "pixel_mm": max(x, y),
        "slice_mm": z,
        "field_mm": min(x * hu.shape[2], y * hu.shape[1]),
        "length_mm": z * hu.shape[0],
        "dense_share": dense / tissue if tissue else np.nan,
        "blood_hu": float(np.percentile(blood, 75)) if blood.size else np.nan,
    }
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def soft_tissue_noise(hu: NDArray[np.number], pixel_mm: tuple[float, float]) -> float:
    """Return the noise of slices (z, y, x) in HU, see `measure_scan`; NaN where no patch is soft tissue throughout."""
    from scipy import ndimage

    patch, smoothing = (
        [max(3, round(mm / pixel) | 1) for pixel in pixel_mm] for mm in (PATCH_MM, SMOOTHING_MM)
    )
    found = []
    for z in np.unique(np.linspace(0, len(hu) - 1, SLICES).round().astype(int)):
        part = hu[z].astype(np.float64)
        smooth = ndimage.uniform_filter(part, smoothing)
        soft = ndimage.minimum_filter((smooth > SOFT_HU[0]) & (smooth < SOFT_HU[1]), patch)
        variance = ndimage.uniform_filter(part**2, patch) - ndimage.uniform_filter(part, patch) ** 2
        found.append(np.sqrt(np.maximum(variance[soft], 0)))
    values = np.concatenate(found)
    return float(np.median(values)) if values.size else float("nan")
