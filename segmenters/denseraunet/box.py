"""The box around a region: most of a scan is nowhere near the heart, and a network need not see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import SimpleITK as sitk

MARGIN_MM = 20.0
"""How much more than the region the network sees in the plane: what it calls depends little on what lies further."""


@dataclass(frozen=True)
class Box:
    """A part of an image: its first voxel and its size, (x, y, z)."""

    start: tuple[int, int, int]
    size: tuple[int, int, int]

    def cut(self, image: sitk.Image) -> sitk.Image:
        """Return that part; it keeps its place in space."""
        import SimpleITK as sitk

        return sitk.RegionOfInterest(image, list(self.size), list(self.start))


def around(region: sitk.Image, slices: int) -> Box | None:
    """Return the box around the voxels that are not 0, wider by the margin and by that many slices; None if all are 0.

    The image's axes may lie any way: the margin is the larger of the two along each.
    """
    import SimpleITK as sitk

    where = np.nonzero(sitk.GetArrayViewFromImage(region))
    if not where[0].size:
        return None
    start, size = [], []
    for axis, whole, mm in zip(where[::-1], region.GetSize(), region.GetSpacing(), strict=True):
        margin = max(int(np.ceil(MARGIN_MM / mm)), slices)
        low, high = max(int(axis.min()) - margin, 0), min(int(axis.max()) + margin + 1, whole)
        start.append(low)
        size.append(high - low)
    return Box((start[0], start[1], start[2]), (size[0], size[1], size[2]))


def on_whole(part: sitk.Image | None, image: sitk.Image) -> sitk.Image:
    """Return a mask of a part of an image on the whole of it, 0 elsewhere; none: 0 everywhere."""
    import SimpleITK as sitk

    whole = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    whole.CopyInformation(image)
    if part is None:
        return whole
    start = image.TransformPhysicalPointToIndex(part.GetOrigin())
    return sitk.Paste(whole, sitk.Cast(part, sitk.sitkUInt8), part.GetSize(), [0, 0, 0], start)
