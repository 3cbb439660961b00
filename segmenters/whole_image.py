"""The whole image as region of interest: what a method sees that is told nothing about anatomy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from benchmark.plugins import Segmenter

if TYPE_CHECKING:
    import SimpleITK as sitk

    from benchmark.case import Scan


class WholeImageSegmenter(Segmenter):
    """Takes every voxel."""

    libraries: ClassVar[tuple[str, ...]] = ()

    def segment(self, scan: Scan) -> sitk.Image:
        """Return a label image of ones (uint8) on the scan's grid."""
        import SimpleITK as sitk

        roi = sitk.Image(scan.image.GetSize(), sitk.sitkUInt8) + 1
        roi.CopyInformation(scan.image)
        return roi
