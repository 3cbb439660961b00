"""Lungs, bone and spine of a chest CT on a coarse grid, arrays (z, y, x) with y to the back.

HU of tissues: lung -950 to -500, blood 40 (with contrast medium 200 to 500), cancellous bone 130 to 300, cortical
above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import CaseError
from segmenters.heart_region.morphology import Mask, Spacing, ball, components, hulls

AIR_HU, PADDING_HU = -960.0, -1100.0
"""Below the first is air around the patient, smoothed over a coarse voxel; below the second nothing is imaged."""
TISSUE_HU = -300.0
LUNG_HU = (AIR_HU, -500.0)
CUT_SHARE = 0.15
"""Share of the imaged field's border that is body, from which on the field cuts the body."""
LEAST_LUNG_ML, LEAST_LUNG_PART_ML = 40.0, 2.0
LEAST_SPINE_ML, BETWEEN = 20.0, 0.4
"""Solid bone of that volume, that share of it between the lungs, is vertebrae: sternum and shoulders lie outside."""
OUTSIDE = 0.08
"""Share of a dense component beyond the lungs' hull from which on it is bone: contrast and calcium lie within."""
CORTEX = 0.02
"""Share of a vertebra that is dense even above blood full of contrast; enhanced muscle and spleen have none."""
CONTRAST_HU = 180.0
REACH_MM = 25.0
"""How far below a slice its lungs count: the heart's underside lies below their front parts."""


@dataclass(frozen=True)
class Lungs:
    """The lungs, and the hulls of what lies between them: its slices' own, and inset ones for the heart."""

    mask: Mask
    hull: Mask
    between: Mask
    """The hull less the chest wall's margin."""
    deep: Mask
    """The hull less 15 mm: no rib or sternum is there, whatever is dense."""


def find_lungs(hu: NDArray[np.float32], spacing: Spacing, wall_mm: float) -> Lungs:
    """Return the lungs and their hulls. Raises `CaseError` where there are none."""
    import SimpleITK as sitk

    ml = float(np.prod(spacing)) / 1000
    body = _body(hu, spacing)
    core = ball(sitk.BinaryErode, (hu > LUNG_HU[0]) & (hu < LUNG_HU[1]) & body, 3, spacing)
    labels, sizes = components(core)
    lungs = (sizes * ml >= LEAST_LUNG_PART_ML)[labels]
    if lungs.sum() * ml < LEAST_LUNG_ML:
        raise CaseError(
            "no lungs in the field of view, so the heart is not found between them; give a chest CT"
        )
    lungs = ball(sitk.BinaryDilate, lungs, 4, spacing) & (hu < -400) & body
    hull, inset, deep = (hulls(lungs, spacing, inset) for inset in (0.0, wall_mm, 15.0))
    return Lungs(lungs, _reaching(hull, spacing), _reaching(inset, spacing), deep)


def blood_hu(hu: NDArray[np.float32], lungs: Lungs) -> float:
    """Return the HU of blood: the upper quartile of what is soft, or filled with contrast, between the lungs."""
    soft = hu[lungs.between & (hu > 0) & (hu < 600)]
    return float(np.percentile(soft, 75)) if soft.size else 40.0


def find_bone(dense: Mask, lungs: Lungs, spacing: Spacing) -> Mask:
    """Return the dense components of 1 mL or more that reach beyond the lungs' hull, or to the image's back."""
    ml = float(np.prod(spacing)) / 1000
    labels, sizes = components(dense)
    beyond = np.bincount(labels[~lungs.hull], minlength=len(sizes)) >= OUTSIDE * sizes
    beyond[np.unique(labels[:, -1])] = True
    return (beyond & (sizes * ml >= 1))[labels]


def find_spine(
    hu: NDArray[np.float32], bone: Mask, dense: Mask, lungs: Lungs, blood: float, spacing: Spacing
) -> Mask:
    """Return the vertebral bodies: what is solid bone or marrow, 14 mm thick or more, in the back of the chest.

    Raises `CaseError` where they lie in front instead: the patient is upside down in the image.
    """
    import SimpleITK as sitk
    from scipy import ndimage

    marrow = (hu > 120) & ((hu < blood - 90) | (blood < CONTRAST_HU))
    solid = bone | ball(sitk.BinaryMorphologicalOpening, marrow, 4, spacing)
    solid = ball(sitk.BinaryMorphologicalClosing, solid, 6, spacing, plane=True)
    solid = np.stack([np.asarray(ndimage.binary_fill_holes(part), bool) for part in solid])
    if blood > CONTRAST_HU:  # a vessel full of contrast has a rim as bright as marrow
        solid &= (hu < blood - 90) | bone
    solid = ball(sitk.BinaryMorphologicalOpening, solid, 7, spacing, plane=True)
    solid &= np.asarray(lungs.hull.any(axis=(1, 2)))[:, None, None]
    labels, sizes = components(solid)
    rows = np.flatnonzero(lungs.hull.any(axis=(0, 2)))
    y = np.bincount(labels.ravel(), np.indices(labels.shape, np.float64)[1].ravel())
    place = (y / np.maximum(sizes, 1) - rows[0]) / max(1, rows[-1] - rows[0])
    ml = sizes * np.prod(spacing) / 1000
    between = np.bincount(labels[lungs.hull], minlength=len(sizes)) >= BETWEEN * sizes
    vertebrae = np.where((ml >= LEAST_SPINE_ML) & between, ml, 0)
    if vertebrae[place < 0.4].sum() > 2 * vertebrae[place >= 0.6].sum():
        raise CaseError("the spine lies in front of the lungs: the image is upside down; correct its header")
    cortex = np.bincount(labels[dense], minlength=len(sizes)) >= CORTEX * sizes
    return np.asarray(((ml >= 3) & (place >= 0.55) & cortex)[labels], bool)


def before_vertebrae(spine: Mask) -> Mask:
    """Return what lies before the vertebral bodies' middle: the heart may lie beside them, but not behind.

    In slices where none was found it is that of their neighbours; everything where there are none at all.
    """
    slices = np.flatnonzero(spine.any(axis=(1, 2)))
    if not slices.size:
        return np.ones_like(spine)
    middle = np.array([np.median(np.nonzero(spine[z])[0]) for z in slices])
    rows = np.interp(np.arange(len(spine)), slices, middle)
    return np.broadcast_to(np.arange(spine.shape[1])[None, :, None] < rows[:, None, None], spine.shape)


def _body(hu: NDArray[np.float32], spacing: Spacing) -> Mask:
    """Return where the patient is: the hull of the largest piece of tissue, or all but air where the field cuts it."""
    import SimpleITK as sitk
    from scipy import ndimage

    imaged = hu > PADDING_HU
    border = imaged & ~np.stack([ndimage.binary_erosion(part, iterations=2) for part in imaged])
    if (hu[border] > -950).mean() < CUT_SHARE:
        labels, sizes = components(ball(sitk.BinaryErode, hu > TISSUE_HU, 3, spacing))
        return hulls(labels == sizes.argmax(), spacing)
    labels, sizes = components(imaged & (hu < AIR_HU))
    around = np.zeros(len(sizes), bool)
    around[np.unique(labels[border])] = True
    around[0] = False
    return imaged & ~ball(
        sitk.BinaryDilate, (around & (sizes * np.prod(spacing) >= 3000))[labels], 6, spacing
    )


def _reaching(mask: Mask, spacing: Spacing) -> Mask:
    """Return a mask that every slice hands down to those up to 25 mm below it."""
    from scipy import ndimage

    size = round(REACH_MM / spacing[0]) + 1
    # Of a slice and those above it: the window begins where it would be centred.
    down = ndimage.maximum_filter1d(mask.astype(np.uint8), size, axis=0, origin=-(size // 2), mode="constant")
    return np.asarray(down > 0)
