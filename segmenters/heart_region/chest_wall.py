"""The inner surface of the chest wall in front, where heart instead of lung lies against it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segmenters.heart_region.anatomy import Lungs
from segmenters.heart_region.morphology import Mask, Spacing, ball, hulls

SLAB_MM = 20.0
"""Ribs slope: the wall of a slice is that of the slices this far above and below it."""
RAYS = np.deg2rad(np.arange(-85.0, 85.1, 2.5))
"""Directions of the rays from between the lungs, 0 to the front."""
STEP_MM = 1.5
BEFORE_LUNGS_MM, BEFORE_CUT_LUNGS_MM = 35.0, 55.0
"""How far before the lungs' hull the heart may reach; before what is left of it where the field of view cuts the lungs
in front and at a side."""


def before_lungs(bone: Mask, lungs: Lungs, wall_mm: float, spacing: Spacing) -> Mask:
    """Return the lungs' hull drawn on to the wall's inner surface in front, less a margin.

    The surface is where rays to the front meet bone. A ray that leaves the body between two ribs says nothing; one
    that leaves the image says that the chest goes on, if the field of view cuts the lungs in front, too.
    """
    import SimpleITK as sitk
    from scipy import ndimage

    size = 2 * round(SLAB_MM / spacing[0]) + 1
    wall = ndimage.maximum_filter1d(bone.astype(np.uint8), size, axis=0) > 0
    reached, cut = lungs.mask.copy(), bool(lungs.mask[:, 0].any())
    reach_mm = BEFORE_CUT_LUNGS_MM if cut and lungs.mask[:, :, [0, -1]].any() else BEFORE_LUNGS_MM
    for z in np.flatnonzero(lungs.hull.any(axis=(1, 2))):
        rows, columns = np.nonzero(lungs.hull[z])
        y, x = _ends(wall[z], cut, (rows.mean(), columns.mean()), spacing[1:])
        reached[z, y, x] = True
    near = ball(sitk.BinaryDilate, lungs.hull, reach_mm, spacing, plane=True)
    return hulls(reached, spacing, wall_mm) & near


def _ends(
    wall: Mask, cut: bool, centre: tuple[float, float], spacing: tuple[float, float]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the last voxel of each ray before bone, or before the image ends."""
    reach = np.arange(0, np.hypot(*np.multiply(wall.shape, spacing)), STEP_MM)
    y = np.rint(centre[0] - np.cos(RAYS)[:, None] * reach / spacing[0]).astype(int)
    x = np.rint(centre[1] + np.sin(RAYS)[:, None] * reach / spacing[1]).astype(int)
    inside = (y >= 0) & (y < wall.shape[0]) & (x >= 0) & (x < wall.shape[1])
    stops = ~inside
    stops[inside] |= wall[y[inside], x[inside]]
    last = np.maximum(stops.argmax(axis=1) - 1, 0)
    ray = np.arange(len(RAYS))
    y, x = y[ray, last], x[ray, last]
    known = inside[ray, last + 1] | cut
    return y[known], x[known]
