"""Figures that say what kind of CT a scan is: noise, grid, field of view, bone, enhanced blood, lung vessels."""

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
COARSE_MM, BESIDE_MM, LEAST_LUNG_ML = 3.0, 40.0, 50.0
"""Voxels in which vessels are looked for, how far beside the heart's region, and the least lung that tells."""
LUNG_HU = (-980.0, -500.0)


def measure_scan(image: sitk.Image, region: sitk.Image) -> dict[str, float]:
    """Return the figures of a scan in HU with the region of its heart (non-zero); those that it does not give lack.

    noise_hu: median standard deviation in patches of 12 mm that are soft tissue throughout; pixel_mm, slice_mm,
    field_mm, length_mm: grid and extent, in the plane the shorter side; dense_share: share of tissue (above
    -200 HU) from 250 HU on, which is bone, metal or contrast medium; blood_hu: upper quartile of what is soft or
    enhanced in the region; vessel_share: of the lungs beside the region, see `lung_vessel_share`.
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
        "vessel_share": lung_vessel_share(upright, inside),
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


def lung_vessel_share(image: sitk.Image, region: sitk.Image) -> float:
    """Return what part of the lungs beside a region is denser than -500 HU: their vessels; NaN with next to no lung.

    Both images lie x to the left, y to the back, z to the head. A mannequin's lungs are of one material.
    """
    import SimpleITK as sitk
    from scipy import ndimage

    shrink = [max(1, round(COARSE_MM / mm)) for mm in image.GetSpacing()]
    coarse, part = sitk.BinShrink(image, shrink), sitk.BinShrink(sitk.Cast(region, sitk.sitkFloat32), shrink)
    boxes = ndimage.find_objects((sitk.GetArrayViewFromImage(part) > 0).astype(np.uint8))
    if not boxes:
        return float("nan")
    z, y, x = boxes[0]
    beside = round(BESIDE_MM / coarse.GetSpacing()[0])
    hu = sitk.GetArrayViewFromImage(coarse)[z, y, max(0, x.start - beside) : x.stop + beside]
    airy = ndimage.binary_opening((hu > LUNG_HU[0]) & (hu < LUNG_HU[1]))
    whole = ndimage.binary_closing(np.pad(airy, 3), iterations=3)[3:-3, 3:-3, 3:-3]
    within = hu[ndimage.binary_erosion(whole, iterations=2)]
    if within.size * np.prod(coarse.GetSpacing()) / 1000 < LEAST_LUNG_ML:
        return float("nan")
    return float((within > LUNG_HU[1]).mean())
