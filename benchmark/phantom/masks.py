"""The reference masks, drawn from the same shapes as the image and so exact on its grid.

All but the mask of the lesions are made from the patient and the grid alone: none can tell the disease.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.geometry.grid import Grid
from benchmark.phantom.geometry.supersampling import PartialVolume
from benchmark.phantom.geometry.tubes import Walls, nearby
from benchmark.phantom.heart.anatomy import Anatomy
from benchmark.phantom.heart.calcifications import lesion_shape
from benchmark.phantom.heart.plaque import Disease

Labels = NDArray[np.uint8]

ROI_MARGIN_MM = 0.7
"""The vessels' masks reach this far beyond the outer wall, as an outlined vessel does."""
LESION_OCCUPANCY = 0.25
"""A voxel belongs to a lesion if calcium fills this fraction of it (or it is the lesion's fullest voxel)."""


def vessel_labels(anatomy: Anatomy, grid: Grid, walls: Walls) -> Labels:
    """Return 1 LM, 2 LAD, 3 LCx, 4 RCA, each with its side branches, where a voxel's centre lies within."""
    labels = np.array([tube.label for tube in anatomy.coronaries], np.uint8)
    mask = np.zeros(grid.shape, np.uint8)
    inside = walls.distance <= ROI_MARGIN_MM
    mask.reshape(-1)[walls.voxels[inside]] = labels[walls.tube[inside]]
    return mask


def lesion_labels(anatomy: Anatomy, grid: Grid, disease: Disease, profile_sigma_mm: float) -> Labels:
    """Return the label of the diseased vessel where calcium fills a voxel enough; motion is left out."""
    filled = {lesion.vessel: np.zeros(grid.shape, np.float32) for lesion in disease.lesions}
    mask = np.zeros(grid.shape, np.uint8)
    layer = PartialVolume(grid, profile_sigma_mm)
    for lesion in disease.lesions:
        if (covered := layer.share(lesion_shape(lesion, anatomy))) is not None:
            box, share = covered
            filled[lesion.vessel][box] += share
            mask[box][np.unravel_index(np.argmax(share), share.shape)] = lesion.vessel
    for vessel, fraction in sorted(filled.items()):
        mask[fraction >= LESION_OCCUPANCY] = vessel
    return mask


def heart_mask(anatomy: Anatomy, grid: Grid) -> Labels:
    """Return the pericardial sac."""
    mask = np.zeros(grid.shape, np.uint8)
    if (covered := anatomy.heart.sac.occupancy(grid)) is not None:
        mask[covered[0]] = covered[1] >= 0.5
    return mask


def aorta_mask(anatomy: Anatomy, grid: Grid) -> Labels:
    """Return the ascending and the descending aorta as far as the scan reaches."""
    mask = np.zeros(grid.shape, np.uint8)
    for tube in (anatomy.ascending_aorta, anatomy.descending_aorta):
        near = nearby(tube, grid, float(tube.radius.max()))
        inside = near.distance(tube) <= tube.radius[near.node]
        mask.reshape(-1)[near.voxels[inside]] = 1
    return mask
