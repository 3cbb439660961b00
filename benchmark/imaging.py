"""The geometry of images: whether two lie on one grid, cropping to a region, resampling.

Images and masks are `SimpleITK.Image`; indices and sizes are in SimpleITK's order (x, y, z), spacings mm.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmark.errors import CaseError

if TYPE_CHECKING:
    import SimpleITK as sitk

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
            f"{name} is on another grid than the image: {describe_grid(mask)} against {describe_grid(image)}; "
            "resample it, or set `resample_mask: true`"
        )
