"""The cohort's own mask as ROI, as it is or made worse to imitate the pseudo-label of a segmenter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.errors import CaseError
from benchmark.plugins import Segmenter
from benchmark.plugins.declaration import Once

if TYPE_CHECKING:
    import SimpleITK as sitk

    from benchmark.case import Scan


class ReferenceSegmenter(Segmenter):
    """Takes a reference mask of the scan, truncated, then eroded, then dilated, each by 0 mm unless told.

    Distances are Euclidean between voxel centres in mm, not in voxels. Erosion takes off what is within its
    distance of the background, and not where the mask meets the border of the image. Dilation gives a voxel
    the label nearest.
    """

    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy")

    mask: str = Field("coronary", description="which of the scan's masks")
    labels: Annotated[tuple[int, ...] | None, Once] = Field(
        None, description="labels of the mask to take; none: all"
    )
    may_be_empty: bool = Field(
        False, description="an empty mask is a finding, as of lesions in a scan without calcium, no failure"
    )
    distal_truncation_mm: float = Field(
        0.0, ge=0, description="length cut off the far end of every branch, in mm"
    )
    erosion_mm: float = Field(0.0, ge=0, description="how far the surface moves inwards, in mm")
    dilation_mm: float = Field(0.0, ge=0, description="how far the surface moves outwards, in mm")

    @property
    def masks_needed(self) -> tuple[str, ...]:
        """The mask that it takes."""
        return (self.mask,)

    def segment(self, scan: Scan) -> sitk.Image:
        """Return the mask with its labels on the scan's grid.

        Raises `CaseError` if the scan has no such mask, or if nothing is left of it; `may_be_empty` allows a mask
        that is empty from the start.
        """
        import SimpleITK as sitk

        from benchmark.images.geometry import crop_to_roi

        mask = self._selected(scan)
        if _is_empty(mask) or not (self.distal_truncation_mm or self.erosion_mm or self.dilation_mm):
            return mask
        # One voxel more than the dilation needs, so that the background is seen on every side.
        margin = self.dilation_mm + max(mask.GetSpacing())
        _, box = crop_to_roi(mask, mask, margin_mm=margin)
        changed = sitk.GetImageFromArray(self._changed(sitk.GetArrayFromImage(box), box.GetSpacing()[::-1]))
        corner = mask.TransformPhysicalPointToIndex(box.GetOrigin())
        roi = sitk.Image(mask.GetSize(), mask.GetPixelID())
        roi.CopyInformation(mask)
        return sitk.Paste(roi, changed, changed.GetSize(), destinationIndex=corner)

    def _selected(self, scan: Scan) -> sitk.Image:
        import SimpleITK as sitk

        if self.mask not in scan.masks:
            known = ", ".join(sorted(scan.masks)) or "none"
            raise CaseError(f"the case has no mask called {self.mask!r}; it has: {known}")
        mask = scan.masks[self.mask]
        if self.labels is not None:
            unwanted = set(np.unique(sitk.GetArrayViewFromImage(mask)).tolist()) - set(self.labels)
            mask = sitk.ChangeLabel(mask, dict.fromkeys(unwanted, 0))
        if _is_empty(mask) and not self.may_be_empty:
            which = "" if self.labels is None else f" for label {', '.join(map(str, self.labels))}"
            raise CaseError(f"the reference mask {self.mask!r} is empty{which}")
        return mask

    def _changed(self, labels: NDArray[np.integer], spacing: tuple[float, ...]) -> NDArray[np.integer]:
        """Return the labels (z, y, x) truncated, eroded and dilated."""
        from scipy import ndimage

        from segmenters.vessel_tree import truncate_distally

        if self.distal_truncation_mm:
            labels = labels * truncate_distally(labels > 0, spacing, self.distal_truncation_mm)
        if self.erosion_mm and not (labels > 0).all():
            depth = ndimage.distance_transform_edt(labels > 0, spacing)
            labels = labels * (depth > self.erosion_mm)
        if not labels.any():
            raise CaseError(
                f"nothing is left of the reference mask {self.mask!r} after {self.distal_truncation_mm:g} mm "
                f"of distal truncation and {self.erosion_mm:g} mm of erosion"
            )
        if self.dilation_mm:
            away, nearest = ndimage.distance_transform_edt(labels == 0, spacing, return_indices=True)
            labels = np.where(away <= self.dilation_mm, labels[tuple(nearest)], 0).astype(labels.dtype)
        return labels


def _is_empty(mask: sitk.Image) -> bool:
    import SimpleITK as sitk

    return not sitk.GetArrayViewFromImage(mask).any()
