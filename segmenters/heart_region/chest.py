"""A chest on a coarse grid: what the region is made of, and what is odd about it is read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segmenters.heart_region.anatomy import (
    CONTRAST_HU,
    Lungs,
    blood_hu,
    find_body,
    find_bone,
    find_lungs,
    find_spine,
    pools,
    with_cartilage,
)
from segmenters.heart_region.morphology import Mask, Spacing

if TYPE_CHECKING:
    import SimpleITK as sitk

COARSE_MM = 3.0
"""Voxels of the grid that is worked on: finer than any margin, and a chest takes a second."""


@dataclass(frozen=True)
class Chest:
    """Arrays (z, y, x) with x to the left, y to the back, z to the head; spacing in mm (z, y, x)."""

    grid: sitk.Image
    """The coarse image whose grid the arrays are on."""
    spacing: Spacing
    hu: NDArray[np.float32]
    lungs: Lungs
    blood: float
    bone: Mask
    spine: Mask

    @property
    def voxel_ml(self) -> float:
        """The volume of a voxel in mL."""
        return float(np.prod(self.spacing)) / 1000


def find_chest(image: sitk.Image, wall_mm: float) -> Chest:
    """Return the chest in an image in HU. Raises `CaseError` without lungs, or upside down."""
    import SimpleITK as sitk

    upright = sitk.DICOMOrient(image, "LPS")
    shrink = [max(1, round(COARSE_MM / mm)) for mm in upright.GetSpacing()]
    grid = sitk.BinShrink(upright, shrink)
    z, y, x = grid.GetSpacing()[::-1]
    spacing = (z, y, x)
    hu = sitk.GetArrayFromImage(grid).astype(np.float32)
    body = find_body(hu, spacing)
    lungs = find_lungs(hu, body, spacing, wall_mm)
    blood = blood_hu(hu, lungs)
    # With contrast medium what is full of it is taken out by its size instead.
    bright = 200.0 if blood > CONTRAST_HU else max(200.0, blood + 130)
    # Thin cortex vanishes in the mean of a coarse voxel, but not from the share of it that is dense.
    share = sitk.BinShrink(sitk.Cast(upright > bright, sitk.sitkFloat32), shrink)
    dense = (sitk.GetArrayFromImage(share) > 0.25) & ~pools(hu, lungs, blood, spacing)
    bone = with_cartilage(find_bone(hu, dense, body, lungs, blood, spacing), hu, lungs, blood)
    return Chest(grid, spacing, hu, lungs, blood, bone, find_spine(hu, bone, dense, lungs, blood, spacing))
