"""What is odd about a chest: one lung alone, left and right exchanged, contrast medium."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmark.case import ScanWarning
from segmenters.heart_region.anatomy import CONTRAST_HU
from segmenters.heart_region.chest import Chest

LEAST_SPINE_ML = 20.0
"""Less of the vertebral bodies does not say where the midline is."""
ONE_SIDED = 0.08
"""Share of the lungs on their smaller side below which one is missing; two lungs have 0.29 and more."""
MIRRORED_MM = 8.0
"""The soft parts before the spine, the heart above all, lie 10 to 25 mm to its left on average."""


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
    elif middle is not None and (left := _soft_parts_mm(chest, middle)) < -MIRRORED_MM:
        yield ScanWarning(
            "mirrored",
            "notable",
            f"the soft parts before the spine lie {-left:.0f} mm to its right, where they lie to its left: left and "
            "right are exchanged, or the heart is displaced",
        )
    if chest.blood > CONTRAST_HU:
        yield ScanWarning(
            "contrast medium",
            "severe",
            f"blood has {chest.blood:.0f} HU, so that 130 HU no longer tell calcium; vertebrae are left out in part",
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


def _soft_parts_mm(chest: Chest, middle: float) -> float:
    """Return how far to the left of the midline the soft parts between the lungs and before the spine lie."""
    soft = chest.lungs.hull & ~chest.lungs.mask & (chest.hu > -50) & ~chest.bone
    soft[:, np.nonzero(chest.spine)[1].min() :] = False
    return float((np.nonzero(soft)[2].mean() - middle) * chest.spacing[2]) if soft.any() else 0.0
