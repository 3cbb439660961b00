"""What is odd about a chest: one lung alone, the wrong way round, contrast medium; and what nothing in it tells."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmark.case import ScanWarning
from segmenters.heart_region.anatomy import CONTRAST_HU
from segmenters.heart_region.chest import Chest

LEAST_SPINE_ML, LEAST_SPINE_IN_BACK_ML = 60.0, 20.0
"""Less of the vertebral bodies does not say where the midline is, or where the back."""
ONE_SIDED = 0.08
"""Share of the lungs on their smaller side below which one is missing; two lungs have 0.29 and more."""
MIRRORED = -0.1
"""Left less right of the soft parts beside and just before the spine, by their sum; the descending aorta lies left."""
BESIDE_MM, BEFORE_MM = 45.0, 25.0
LUNG_BESIDE, LEAST_SEEN_MM = 0.12, 30.0
"""Least share of lung on either side, without which it is the liver that lies there; and how much of the chest's length
must show it."""
LEAST_LUNG_BEHIND_ML = 10.0
"""Behind the middle of the vertebral bodies there is more lung; behind a sternum taken for them there is none."""


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
    else:
        yield from _orientation(chest)
    if chest.blood > CONTRAST_HU:
        yield ScanWarning(
            "contrast medium",
            "severe",
            f"blood has {chest.blood:.0f} HU, so that 130 HU no longer tell calcium",
        )


def _orientation(chest: Chest) -> Iterator[ScanWarning]:
    """Yield that the patient lies the wrong way round in the image, or that there is too little to tell it by."""
    spine_ml, behind_ml = chest.spine.sum() * chest.voxel_ml, _lung_behind_spine_ml(chest)
    left = _left_of_spine(chest) if spine_ml >= LEAST_SPINE_ML else None
    if spine_ml >= LEAST_SPINE_ML and behind_ml < LEAST_LUNG_BEHIND_ML:
        yield ScanWarning(
            "upside down",
            "notable",
            "no lung lies behind the middle of what would be the spine, as if it were the sternum: front and back are "
            "exchanged, or fluid fills the back of both lungs",
        )
    elif left is not None and left < MIRRORED:
        yield ScanWarning(
            "mirrored",
            "notable",
            f"of the soft parts beside the spine {(1 - left) / 2:.0%} lie to its right, where the descending aorta "
            "lies to its left: left and right are exchanged, or the aorta lies on the right",
        )
    elif left is None or left < -MIRRORED:
        known = spine_ml >= LEAST_SPINE_IN_BACK_ML and behind_ml >= LEAST_LUNG_BEHIND_ML
        unknown = "left and right" if known else "front and back, left and right"
        why = "too little lung on both sides of the spine in view"
        if spine_ml < LEAST_SPINE_ML:
            why = f"{spine_ml:.0f} mL of the spine in view" if spine_ml >= 1 else "no spine in view"
        yield ScanWarning("orientation", "info", f"{unknown} could not be checked: {why}")


def _lung_behind_spine_ml(chest: Chest) -> float:
    """Return how much lung lies further back than the middle of the vertebral bodies of its slice."""
    behind = 0
    for z in np.flatnonzero(chest.spine.any(axis=(1, 2))):
        middle = round(np.median(np.nonzero(chest.spine[z])[0]))
        behind += int(np.count_nonzero(chest.lungs.mask[z, middle:]))
    return behind * chest.voxel_ml


def _spine_x(chest: Chest) -> float | None:
    """Return where the vertebral bodies lie along x, in voxels; None where too little of them is found."""
    if chest.spine.sum() * chest.voxel_ml < LEAST_SPINE_ML:
        return None
    return float(np.nonzero(chest.spine)[2].mean())


def _smaller_side(chest: Chest, middle: float) -> float:
    columns = chest.lungs.mask.sum(axis=(0, 1))
    right = columns[: round(middle)].sum() / columns.sum()
    return float(min(right, 1 - right))


def _left_of_spine(chest: Chest) -> float | None:
    """Return left less right of the soft parts beside the vertebral bodies' front half and before it, by their sum.

    None where too few slices show both sides with lung in each, as above the liver.
    """
    lungs = chest.lungs.mask
    soft = ~lungs & (chest.hu > -50) & ~chest.bone & ~chest.spine
    aside, before = round(BESIDE_MM / chest.spacing[2]), round(BEFORE_MM / chest.spacing[1])
    left = right = 0
    seen_mm = 0.0
    for z in np.flatnonzero(chest.spine.any(axis=(1, 2))):
        rows, columns = np.nonzero(chest.spine[z])
        band, middle = slice(max(0, rows.min() - before), round(np.median(rows))), round(np.median(columns))
        sides = slice(middle - aside, middle), slice(middle + 1, middle + aside + 1)
        if sides[0].start < 0 or sides[1].stop > lungs.shape[2]:
            continue
        if min(lungs[z, band, side].mean() for side in sides) < LUNG_BESIDE:
            continue
        seen_mm += chest.spacing[0]
        right, left = (
            count + int(soft[z, band, side].sum()) for count, side in zip((right, left), sides, strict=True)
        )
    return (left - right) / max(1, left + right) if seen_mm >= LEAST_SEEN_MM else None
