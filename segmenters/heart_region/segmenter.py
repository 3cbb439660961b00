"""The plug-in: the region between the lungs, less bone, in which coronary calcium can lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from benchmark.plugins import Segmenter

if TYPE_CHECKING:
    import SimpleITK as sitk

    from benchmark.case import Scan
    from segmenters.heart_region.morphology import Mask

COARSE_MM = 3.0
"""Voxels of the grid that is worked on: finer than any margin, and a chest takes a second."""
NEAR_SPINE_MM = 24.0
"""How far from the vertebral bodies arches and ribs are subtracted however deep they lie."""


class HeartRegionSegmenter(Segmenter):
    """The convex hull of the lungs, slice by slice, less the chest wall, bone and spine; no weights.

    It holds the heart, the great vessels, fat and parts of the lungs: where calcium can be coronary, not where it is.
    On scans whose field of view cuts the lungs too, with contrast medium or without. See docs/heart_region.md.
    """

    libraries: ClassVar[tuple[str, ...]] = ("SimpleITK", "numpy", "scipy")

    wall_mm: float = Field(3.0, ge=0, le=15, description="margin kept from the chest wall, in mm")
    bone_mm: float = Field(3.0, ge=0, description="margin kept from ribs, sternum and spine, in mm")

    def segment(self, scan: Scan) -> sitk.Image:
        """Return the region (1) on the scan's grid. Raises `CaseError` without lungs, or upside down."""
        coarse, regions = self._regions(scan.image)
        return _on_grid(regions["spine off"], coarse, scan.image)

    def steps(self, scan: Scan) -> dict[str, sitk.Image]:
        """Return the hull of the lungs, and what is left when wall, bone and spine are taken off in turn."""
        coarse, regions = self._regions(scan.image)
        return {name: _on_grid(region, coarse, scan.image) for name, region in regions.items()}

    def _regions(self, image: sitk.Image) -> tuple[sitk.Image, dict[str, Mask]]:
        """Return a coarse image, and on its grid the region after each step."""
        import SimpleITK as sitk
        from scipy import ndimage

        from segmenters.heart_region import anatomy
        from segmenters.heart_region.morphology import ball

        upright = sitk.DICOMOrient(image, "LPS")
        shrink = [max(1, round(COARSE_MM / mm)) for mm in upright.GetSpacing()]
        coarse = sitk.BinShrink(upright, shrink)
        z, y, x = coarse.GetSpacing()[::-1]
        spacing = (z, y, x)
        hu = sitk.GetArrayFromImage(coarse).astype(np.float32)
        lungs = anatomy.find_lungs(hu, spacing, self.wall_mm)
        blood = anatomy.blood_hu(hu, lungs)
        # Thin cortex vanishes in the mean of a coarse voxel, but not from the share of it that is dense.
        share = sitk.BinShrink(sitk.Cast(upright > max(200.0, blood + 130), sitk.sitkFloat32), shrink)
        dense = sitk.GetArrayFromImage(share) > 0.25
        bone = anatomy.find_bone(dense, lungs, spacing)
        spine = anatomy.find_spine(hu, bone, dense, lungs, blood, spacing)
        near = ball(sitk.BinaryDilate, spine, NEAR_SPINE_MM, spacing)
        wall = ball(sitk.BinaryDilate, bone, self.bone_mm, spacing) & (~lungs.deep | near)
        # Discs between the vertebral bodies are as soft as the heart.
        column = ndimage.maximum_filter1d(spine.astype(np.uint8), 2 * round(6 / z) + 1, axis=0) > 0
        without_bone = lungs.between & ~wall
        without_spine = without_bone & ~column & ~ball(sitk.BinaryDilate, spine, self.bone_mm, spacing)
        return coarse, {
            "hull of the lungs": lungs.hull,
            "chest wall off": lungs.between,
            "bone off": without_bone,
            "spine off": np.asarray(without_spine),
        }


def _on_grid(region: Mask, coarse: sitk.Image, image: sitk.Image) -> sitk.Image:
    import SimpleITK as sitk

    labels = sitk.GetImageFromArray(region.astype(np.uint8))
    labels.CopyInformation(coarse)
    return sitk.Resample(labels, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0, sitk.sitkUInt8)
