"""What is odd about a chest: one lung alone, left and right exchanged, contrast medium."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmark.case import ScanWarning
from segmenters.heart_region.anatomy import CONTRAST_HU
from segmenters.heart_region.chest import Chest

LEAST_SPINE_ML = 60.0
"""Less of the vertebral bodies does not say where the midline is."""
ONE_SIDED = 0.08
"""Share of the lungs on their smaller side below which one is missing; two lungs have 0.29 and more."""
MIRRORED = -0.1
"""Left less right of the soft parts beside and just before the spine, by their sum; the descending aorta lies left."""
BESIDE_MM, BEFORE_MM = 45.0, 25.0


def doubts(chest: Chest) -> Iterator[ScanWarning]:
    """Yield why the region of a chest is to be doubted."""
    middle = _spine_x(chest)
    smaller = _smaller_side(chest, chest.hu.shape[2] / 2 if middle is None else middle)
    if smaller < ONE_SIDED:
        yield ScanWarning(
            "one lung",
            "severe",
            f"of the lungs {smaller:.0%} lie on one side of the midline: one is missing, full, or outside the field of "
            "view, and the heart region is the other's alone",
        )
    elif middle is not None and (left := _left_of_spine(chest)) < MIRRORED:
        yield ScanWarning(
            "mirrored",
            "notable",
            f"of the soft parts beside the spine {(1 - left) / 2:.0%} lie to its right, where the descending aorta "
            "lies to its left: left and right are exchanged, or the aorta lies on the right",
        )
    if chest.blood > CONTRAST_HU:
        yield ScanWarning(
            "contrast medium",
            "severe",
            f"blood has {chest.blood:.0f} HU, so that 130 HU no longer tell calcium",
        )


def _spine_x(chest: Chest) -> float | None:
    """Return where the vertebral bodies lie along x, in voxels; None where too little of them is found."""
    if chest.spine.sum() * chest.voxel_ml < LEAST_SPINE_ML:
        return None
    return float(np.nonzero(chest.spine)[2].mean())


def _smaller_side(chest: Chest, middle: float) -> float:
    columns = chest.lungs.mask.sum(axis=(0, 1))
    right = columns[: round(middle)].sum() / columns.sum()
    return float(min(right, 1 - right))


def _left_of_spine(chest: Chest) -> float:
    """Return left less right of the soft parts beside the vertebral bodies' front half and before it, by their sum."""
    lungs = chest.lungs.mask
    soft = ~lungs & (chest.hu > -50) & ~chest.bone & ~chest.spine
    aside, before = round(BESIDE_MM / chest.spacing[2]), round(BEFORE_MM / chest.spacing[1])
    left = right = 0
    for z in np.flatnonzero(chest.spine.any(axis=(1, 2))):
        rows, columns = np.nonzero(chest.spine[z])
        band, middle = slice(max(0, rows.min() - before), round(np.median(rows))), round(np.median(columns))
        sides = slice(middle - aside, middle), slice(middle + 1, middle + aside + 1)
        if sides[0].start < 0 or not all(lungs[z, band, side].any() for side in sides):
            continue
        right, left = (
            count + int(soft[z, band, side].sum()) for count, side in zip((right, left), sides, strict=True)
        )
    return (left - right) / max(1, left + right)
