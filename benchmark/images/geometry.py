"""The geometry of images: whether two lie on one grid, cropping to a region, resampling.

Images and masks are `SimpleITK.Image`; indices and sizes are in SimpleITK's order (x, y, z), spacings mm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.errors import CaseError

if TYPE_CHECKING:
    import numpy as np
    import SimpleITK as sitk
    from numpy.typing import NDArray

GRID_TOLERANCE = 0.01
"""Distance between corners, as a fraction of the smallest spacing, up to which two grids are one.

Headers keep geometry in 32-bit floats or decimal strings, so equal grids seldom agree to the last bit.
"""


def same_grid(a: sitk.Image, b: sitk.Image) -> bool:
    """Say whether two images have the same voxels: equal sizes, and corners at the same places in mm."""
    if a.GetSize() != b.GetSize():
        return False
    last = [size - 1 for size in a.GetSize()]
    corners = [[0] * a.GetDimension()] + [
        [extent if axis == other else 0 for other in range(a.GetDimension())]
        for axis, extent in enumerate(last)
    ]
    allowed = GRID_TOLERANCE * min(a.GetSpacing())
    return all(
        math.dist(a.TransformIndexToPhysicalPoint(corner), b.TransformIndexToPhysicalPoint(corner)) <= allowed
        and math.dist(a.GetSpacing(), b.GetSpacing()) <= allowed
        for corner in corners
    )


def describe_grid(image: sitk.Image) -> str:
    """Return the grid in words: size, spacing, origin, and the direction where it is not the identity."""
    size = " × ".join(str(n) for n in image.GetSize())
    spacing = " × ".join(f"{mm:.5g}" for mm in image.GetSpacing())
    origin = ", ".join(f"{mm:.6g}" for mm in image.GetOrigin())
    words = f"{size} voxels of {spacing} mm from ({origin})"
    direction = image.GetDirection()
    side = image.GetDimension()
    if any(abs(value - (index % (side + 1) == 0)) > 1e-4 for index, value in enumerate(direction)):
        words += f" along ({', '.join(f'{value:.4g}' for value in direction)})"
    return words


def refuse_other_grid(image: sitk.Image, mask: sitk.Image, name: str = "the mask") -> None:
    """Raise `CaseError` with both grids if `mask` does not lie on the grid of `image`."""
    if not same_grid(image, mask):
        raise CaseError(
            f"{name} is on another grid than the image: {describe_grid(mask)} against "
            f"{describe_grid(image)}; resample it, or set `resample_mask: true` in a manifest cohort"
        )


def crop_to_roi(
    image: sitk.Image, roi: sitk.Image, margin_mm: float = 0.0, margin_voxels: int = 0
) -> tuple[sitk.Image, sitk.Image]:
    """Return image and ROI cropped to the box of the ROI's non-zero voxels, with a margin on every side.

    The margin is the larger of the two, in whole voxels per axis, cut at the image's border; positions in mm
    are kept. Raises `CaseError` if the ROI is empty.
    """
    import numpy as np
    import SimpleITK as sitk

    inside = sitk.GetArrayViewFromImage(roi) != 0
    low, high = [0, 0, 0], [0, 0, 0]
    for axis in (2, 1, 0):  # slices first: each axis narrows what the next one has to look through
        along = 2 - axis
        occupied = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != along)))
        if not occupied.size:
            raise CaseError("the ROI is empty")
        first, last = int(occupied[0]), int(occupied[-1])
        inside = inside[
            tuple(slice(first, last + 1) if other == along else slice(None) for other in range(3))
        ]
        margin = max(margin_voxels, math.ceil(margin_mm / roi.GetSpacing()[axis] - 1e-6))
        low[axis], high[axis] = max(0, first - margin), min(roi.GetSize()[axis], last + 1 + margin)
    extent = [end - start for start, end in zip(low, high, strict=True)]
    return sitk.RegionOfInterest(image, extent, low), sitk.RegionOfInterest(roi, extent, low)


def resample(image: sitk.Image, spacing: Sequence[float], linear: bool = True) -> sitk.Image:
    """Return the image on a grid of `spacing` (x, y, z) mm filling the same box within half a voxel.

    The grids share their centre. Interpolation is linear, or nearest neighbour for label images; beyond the
    outermost voxel centres the nearest voxel goes on. Linear values are 32-bit floats, since ITK would cut
    the fractions off integers.
    """
    import numpy as np
    import SimpleITK as sitk

    old, new = np.array(image.GetSpacing()), np.array(spacing, float)
    size = np.maximum(1, np.round(np.array(image.GetSize()) * old / new)).astype(int)
    first = (np.array(image.GetSize()) - 1) / 2 - (size - 1) / 2 * new / old
    return sitk.Resample(
        image,
        size.tolist(),
        sitk.Transform(),
        sitk.sitkLinear if linear else sitk.sitkNearestNeighbor,
        image.TransformContinuousIndexToPhysicalPoint(first.tolist()),
        new.tolist(),
        image.GetDirection(),
        0.0,
        sitk.sitkFloat32 if linear else image.GetPixelID(),
        True,
    )


def resample_mask_to(mask: sitk.Image, image: sitk.Image) -> sitk.Image:
    """Return the label image on the grid of `image` (nearest neighbour; background beyond its border)."""
    import SimpleITK as sitk

    return sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0, mask.GetPixelID())


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, ...] | None:
    """Return the slices of the smallest box around the true voxels, or None where there is none."""
    import numpy as np

    box = []
    for axis in range(mask.ndim):
        hit = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        if not hit.size:
            return None
        box.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return tuple(box)
