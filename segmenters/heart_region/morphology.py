"""Morphology in mm on arrays (z, y, x) of a coarse grid: balls, discs, components, convex hulls of slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]
"""mm along (z, y, x)."""
BEYOND_MM = 12.0
"""How far a lung that the field of view cuts is taken to go on: the hull must not be inset at the image's border."""


def ball(
    operation: Callable[..., Any], mask: Mask, radius_mm: float, spacing: Spacing, *, plane: bool = False
) -> Mask:
    """Return a mask after a SimpleITK operation such as `BinaryDilate` with a ball, or a disc in every slice."""
    import SimpleITK as sitk

    radius = [round(radius_mm / mm) for mm in spacing[::-1]]
    if plane:
        radius[2] = 0
    return np.asarray(sitk.GetArrayFromImage(operation(_image(mask), radius, sitk.sitkBall)), bool)


def components(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the labels of the components (26 neighbours), 0 for background, and the voxels of each."""
    import SimpleITK as sitk

    labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(_image(mask), True))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels, sizes


def largest(mask: Mask) -> Mask:
    """Return the largest component (26 neighbours)."""
    labels, sizes = components(mask)
    return np.asarray(mask & (labels == sizes.argmax()))


def hulls(mask: Mask, spacing: Spacing, inset_mm: float = 0.0) -> Mask:
    """Return the convex hull of every slice, its sides moved inwards by `inset_mm`, but not where the image ends."""
    return np.stack([_hull(part, spacing[1:], inset_mm) for part in mask])


def _hull(part: Mask, spacing: tuple[float, float], inset_mm: float) -> Mask:
    from scipy.spatial import ConvexHull, QhullError

    rows = np.flatnonzero(part.any(axis=1))
    if len(rows) < 3:
        return np.zeros_like(part)
    try:
        sides = ConvexHull(_outline(part, rows, spacing)).equations
    except QhullError:  # all in one line
        return np.zeros_like(part)
    y, x = (np.arange(size) * mm for size, mm in zip(part.shape, spacing, strict=True))
    inside = np.ones_like(part)
    for along_y, along_x, offset in sides:
        inside &= (along_y * y)[:, None] + (along_x * x)[None] + offset <= -inset_mm + 1e-6
    return inside


def _outline(part: Mask, rows: NDArray[np.intp], spacing: tuple[float, float]) -> NDArray[np.float64]:
    """Return the ends of every row of a slice in mm (y, x), and points beyond the border where the mask meets it."""
    first, last = part.argmax(axis=1)[rows], part.shape[1] - 1 - part[:, ::-1].argmax(axis=1)[rows]
    left, right = (np.stack([rows, ends], axis=1) * spacing for ends in (first, last))
    end = part.shape[1] - 1
    points = [left, right, left[first == 0] - (0, BEYOND_MM), right[last == end] + (0, BEYOND_MM)]
    for row, place, shift in ((0, 0, -BEYOND_MM), (part.shape[0] - 1, -1, BEYOND_MM)):
        if part[row].any():
            points.append(np.stack([left[place], right[place]]) + np.array([shift, 0]))
    return np.concatenate(points)


def _image(mask: Mask) -> Any:
    import SimpleITK as sitk

    return sitk.GetImageFromArray(mask.astype(np.uint8))
