"""The plug-in: the region between the lungs, less bone, in which coronary calcium can lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from benchmark.plugins import Segmenter

if TYPE_CHECKING:
    import SimpleITK as sitk

    from benchmark.case import Scan, ScanWarning
    from segmenters.heart_region.chest import Chest
    from segmenters.heart_region.morphology import Mask

NEAR_SPINE_MM = 24.0
"""How far from the vertebral bodies arches and ribs are subtracted however deep they lie."""
BACK_MM = 20.0
"""So far from the image's back, too: a field of view may leave no more of a vertebra than its front."""


class HeartRegionSegmenter(Segmenter):
    """What lies between the lungs and before them up to the chest wall, less bone and spine; no weights.

    It holds the heart, the great vessels, fat and parts of the lungs: where calcium can be coronary, not where it is.
    On scans whose field of view cuts the lungs too, with contrast medium or without. See docs/heart_region.md.
    """

    libraries: ClassVar[tuple[str, ...]] = ("SimpleITK", "numpy", "scipy")

    wall_mm: float = Field(3.0, ge=0, le=15, description="margin kept from the chest wall, in mm")
    bone_mm: float = Field(3.0, ge=0, description="margin kept from ribs, sternum and spine, in mm")

    def segment(self, scan: Scan) -> sitk.Image:
        """Return the region (1) on the scan's grid. Raises `CaseError` without lungs, or upside down."""
        return self.segment_noting(scan)[0]

    def segment_noting(self, scan: Scan) -> tuple[sitk.Image, tuple[ScanWarning, ...]]:
        """Return the region, and whether a lung is missing, the patient is mirrored or has contrast medium."""
        from segmenters.heart_region.chest import find_chest
        from segmenters.heart_region.doubts import doubts

        chest = find_chest(scan.image, self.wall_mm)
        return _on_scan(self._regions(chest)["islands off"], chest, scan.image), tuple(doubts(chest))

    def steps(self, scan: Scan) -> dict[str, sitk.Image]:
        """Return the hull of the lungs, it up to the chest wall, and what is left without bone and spine."""
        from segmenters.heart_region.chest import find_chest

        chest = find_chest(scan.image, self.wall_mm)
        return {name: _on_scan(region, chest, scan.image) for name, region in self._regions(chest).items()}

    def _regions(self, chest: Chest) -> dict[str, Mask]:
        """Return the region after each step, on the chest's grid."""
        import SimpleITK as sitk
        from scipy import ndimage

        from segmenters.heart_region.anatomy import before_vertebrae
        from segmenters.heart_region.chest_wall import before_lungs
        from segmenters.heart_region.morphology import ball, largest

        lungs, spine, spacing = chest.lungs, chest.spine, chest.spacing
        near = ball(sitk.BinaryDilate, spine, NEAR_SPINE_MM, spacing)
        near[:, -round(BACK_MM / spacing[1]) :] = True
        wall = ball(sitk.BinaryDilate, chest.bone, self.bone_mm, spacing) & (~lungs.deep | near)
        # Discs between the vertebral bodies are as soft as the heart.
        column = ndimage.maximum_filter1d(spine.astype(np.uint8), 2 * round(6 / spacing[0]) + 1, axis=0) > 0
        within = lungs.between | before_lungs(chest.bone, lungs, self.wall_mm, spacing)
        without_bone = within & ~wall
        without_spine = without_bone & ~column & ~ball(sitk.BinaryDilate, spine, self.bone_mm, spacing)
        before_spine = without_spine & before_vertebrae(spine)
        return {
            "hull of the lungs": lungs.hull,
            "up to the chest wall": within,
            "bone off": without_bone,
            "spine off": np.asarray(without_spine),
            "islands off": largest(before_spine),
        }


def _on_scan(region: Mask, chest: Chest, image: sitk.Image) -> sitk.Image:
    import SimpleITK as sitk

    labels = sitk.GetImageFromArray(region.astype(np.uint8))
    labels.CopyInformation(chest.grid)
    return sitk.Resample(labels, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0, sitk.sitkUInt8)
