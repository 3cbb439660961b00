"""Lungs, bone and spine of a chest CT on a coarse grid, arrays (z, y, x) with y to the back.

HU of tissues: lung -950 to -500, blood 40 (with contrast medium 200 to 500), cancellous bone 130 to 300, cortical
above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import CaseError
from segmenters.heart_region.morphology import Mask, Spacing, ball, components, hulls, largest

AIR_HU, PADDING_HU = -960.0, -1100.0
"""Below the first is air around the patient, smoothed over a coarse voxel; below the second nothing is imaged."""
OUTSIDE_AIR_HU, MATTRESS = -985.0, 0.2
"""Air that ends neither at the image's front nor at that share of its back is around the patient only if its mean is
lower: emphysema has -975."""
CLOTHES = 0.1
"""Share of the largest part of the lungs that clothes, as dense as they, do not reach where the image ends in them."""
TISSUE_HU = -300.0
LUNG_HU = (AIR_HU, -500.0)
CUT_SHARE = 0.15
"""Share of the imaged field's border that is body, from which on the field cuts the body."""
LEAST_LUNG_ML, LEAST_LUNG_PART_ML = 40.0, 2.0
LEAST_SPINE_ML, BETWEEN = 20.0, 0.4
"""Solid bone of that volume, that share of it between the lungs, is vertebrae: sternum and shoulders lie outside."""
OUTSIDE = 0.08
"""Share of a dense component beyond the lungs' hull from which on it is bone: contrast and calcium lie within."""
ON_SKIN = 0.5
"""Share of a dense component outside the body, its skin included, above which it is no bone."""
RUNS_THROUGH = 0.8
"""Least share of the slices that a spine is seen in; a chamber full of contrast medium ends within the scan."""
BONY, IN_LUNG = 0.1, 0.15
"""Least share of vertebrae that is bone (a stomach full of contrast has none), and most of their surroundings that is
lung (hilar vessels have more)."""
BACK, BACK_BEHIND_CHAMBERS = 0.55, 0.72
"""Share of the lungs' depth behind which vertebrae lie; the second with contrast medium, where full chambers and
vessels lie before them."""
CONTRAST_HU, MARROW_HU = 180.0, 120.0
CORTEX_HU = 280.0
"""Bone's densest twentieth, smoothed over a coarse voxel, is above that."""
FILLED_HU, CHAMBER_MM = 150.0, 7.0
"""With contrast medium: the least of a chamber that holds some, and a radius that no bone in front has."""
CARTILAGE_HU = 45.0
"""By how much cartilage that calcifies is denser than blood without contrast medium."""
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


def find_body(hu: NDArray[np.float32], spacing: Spacing) -> Mask:
    """Return where the patient is: the hull of the largest piece of tissue, or all but air where the field cuts it."""
    import SimpleITK as sitk
    from scipy import ndimage

    imaged = hu > PADDING_HU
    border = imaged & ~np.stack([ndimage.binary_erosion(part, iterations=2) for part in imaged])
    if (hu[border] > -950).mean() < CUT_SHARE:
        return hulls(largest(ball(sitk.BinaryErode, hu > TISSUE_HU, 3, spacing)), spacing)
    labels, sizes = components(imaged & (hu < AIR_HU))
    every = np.arange(len(sizes))
    behind = np.bincount(labels[:, -1].ravel(), minlength=len(sizes)) > MATTRESS * labels[:, -1].size
    empty = ndimage.mean(hu, labels, every) < OUTSIDE_AIR_HU
    around = np.isin(every, labels[border]) & (sizes * np.prod(spacing) >= 3000)
    around &= np.isin(every, labels[:, 0]) | behind | empty
    return imaged & ~ball(sitk.BinaryDilate, around[labels], 6, spacing)


def find_lungs(hu: NDArray[np.float32], body: Mask, spacing: Spacing, wall_mm: float) -> Lungs:
    """Return the lungs and their hulls. Raises `CaseError` where there are none."""
    import SimpleITK as sitk

    ml = float(np.prod(spacing)) / 1000
    core = ball(sitk.BinaryErode, (hu > LUNG_HU[0]) & (hu < LUNG_HU[1]) & body, 3, spacing)
    labels, sizes = components(core)
    parts = _before_the_table(labels, sizes) & (sizes * ml >= LEAST_LUNG_PART_ML)
    if not body[:, 0].all():
        parts[np.unique(labels[:, 0])] &= (sizes >= CLOTHES * sizes.max())[np.unique(labels[:, 0])]
    lungs = parts[labels]
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


def pools(hu: NDArray[np.float32], lungs: Lungs, blood: float, spacing: Spacing) -> Mask:
    """Return the chambers and large vessels full of contrast medium, with their rims; nothing where there is none.

    In the front half of the chest, where no bone is as thick as a chamber, also those that hold less of it.
    """
    import SimpleITK as sitk

    if blood <= CONTRAST_HU:
        return np.zeros(hu.shape, bool)
    full = ball(sitk.BinaryMorphologicalOpening, hu > blood - 90, 5, spacing)
    thick = ball(sitk.BinaryMorphologicalOpening, hu > FILLED_HU, CHAMBER_MM, spacing)
    rows = np.flatnonzero(lungs.hull.any(axis=(0, 2)))
    thick[:, round(rows.mean()) :] = False
    return ball(sitk.BinaryDilate, full | thick, 5, spacing)


def find_bone(
    hu: NDArray[np.float32], dense: Mask, body: Mask, lungs: Lungs, blood: float, spacing: Spacing
) -> Mask:
    """Return the dense components of 1 mL or more that reach beyond the lungs' hull, or to the image's back.

    Not what lies on the skin, as electrodes do.
    With contrast medium cortex must be among them, for a chamber that holds less of it is as dense as marrow.
    """
    ml = float(np.prod(spacing)) / 1000
    labels, sizes = components(dense)
    beyond = np.bincount(labels[~lungs.hull], minlength=len(sizes)) >= OUTSIDE * sizes
    beyond[np.unique(labels[:, -1])] = True
    beyond &= np.bincount(labels[~body], minlength=len(sizes)) <= ON_SKIN * sizes
    if blood > CONTRAST_HU:
        found = np.flatnonzero(beyond & (sizes * ml >= 1))
        beyond[found] = [np.percentile(hu[labels == label], 95) >= CORTEX_HU for label in found]
    return (beyond & (sizes * ml >= 1))[labels]


def with_cartilage(bone: Mask, hu: NDArray[np.float32], lungs: Lungs, blood: float) -> Mask:
    """Return bone and what is denser than blood and joined to it before the lungs: cartilage that calcifies.

    Not in the lungs' hull, where calcium may lie against bone, nor with contrast medium, as muscle is denser then.
    """
    from scipy import ndimage

    if blood > CONTRAST_HU:
        return bone
    cartilage = (hu > blood + CARTILAGE_HU) & ~lungs.hull
    grown = ndimage.binary_propagation(bone, mask=bone | cartilage, structure=np.ones((3, 3, 3), bool))
    return np.asarray(grown, bool)


def find_spine(
    hu: NDArray[np.float32], bone: Mask, dense: Mask, lungs: Lungs, blood: float, spacing: Spacing
) -> Mask:
    """Return the vertebral bodies: what is solid bone or marrow, 14 mm thick or more, in the back of the chest.

    Raises `CaseError` where they lie in front instead: the patient is upside down in the image.
    """
    labels, sizes = components(_solid_bone(hu, bone, dense, lungs, blood, spacing))
    rows = np.flatnonzero(lungs.hull.any(axis=(0, 2)))
    y = np.bincount(labels.ravel(), np.indices(labels.shape, np.float64)[1].ravel())
    place = (y / np.maximum(sizes, 1) - rows[0]) / max(1, rows[-1] - rows[0])
    ml = sizes * np.prod(spacing) / 1000

    def holds(mask: Mask, share: float) -> NDArray[np.bool_]:
        return np.asarray(np.bincount(labels[mask], minlength=len(sizes)) >= share * sizes)

    bony = holds(bone, BONY)
    vertebrae = (ml >= LEAST_SPINE_ML) & holds(lungs.hull, BETWEEN) & bony
    front, back = vertebrae & (place < 0.4), vertebrae & (place >= 0.6)
    # Bone of contrast medium's HU is told from a full chamber by its length.
    length = front[labels].any(axis=(1, 2)).mean() if blood > CONTRAST_HU else 1.0
    if ml[front].sum() > 2 * ml[back].sum() and length >= RUNS_THROUGH:
        raise CaseError("the spine lies in front of the lungs: the image is upside down; correct its header")
    least = BACK_BEHIND_CHAMBERS if blood > CONTRAST_HU else BACK
    found = (ml >= 3) & (place >= least) & bony & ~_in_lung(labels, lungs.mask)
    return np.asarray(found[labels], bool)


def _solid_bone(
    hu: NDArray[np.float32], bone: Mask, dense: Mask, lungs: Lungs, blood: float, spacing: Spacing
) -> Mask:
    """Return bone with its marrow and canals, where it is 14 mm thick or more in the slice."""
    import SimpleITK as sitk
    from scipy import ndimage

    solid = bone
    if blood < MARROW_HU - 40:  # above, enhanced muscle and blood are as bright as marrow
        solid = solid | ball(sitk.BinaryMorphologicalOpening, hu > MARROW_HU, 4, spacing)
    elif blood > CONTRAST_HU:
        solid = solid | dense
    solid = ball(sitk.BinaryMorphologicalClosing, solid, 6, spacing, plane=True)
    solid = np.stack([np.asarray(ndimage.binary_fill_holes(part), bool) for part in solid]) & ~lungs.mask
    solid &= ~pools(hu, lungs, blood, spacing)
    # Where the field of view ends at the side of a rib it must not count as thick: vertebrae go on to the back alone.
    sides = ((0, 0), (0, 0), (1, 1))
    solid = ball(sitk.BinaryMorphologicalOpening, np.pad(solid, sides), 7, spacing, plane=True)[:, :, 1:-1]
    return np.asarray(solid & np.asarray(lungs.hull.any(axis=(1, 2)))[:, None, None])


def _in_lung(labels: NDArray[np.intp], lungs: Mask) -> NDArray[np.bool_]:
    """Return, for every label, whether lung is much of what surrounds it, as of the vessels of a hilum."""
    from scipy import ndimage

    around = np.where(labels == 0, ndimage.maximum_filter(labels, size=3), 0)
    counts = np.bincount(around.ravel(), minlength=labels.max() + 1)
    return np.asarray(np.bincount(around[lungs], minlength=len(counts)) > IN_LUNG * np.maximum(counts, 1))


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


def _before_the_table(labels: NDArray[np.intp], sizes: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return, of every label whether it begins before the foremost large piece ends; a mattress is as dense as lung."""
    from scipy import ndimage

    rows = np.array([(0, 0), *((part[1].start, part[1].stop) for part in ndimage.find_objects(labels))])
    large = np.flatnonzero(sizes * 10 >= sizes.max())
    foremost = large[rows[large, 0].argmin()]
    return np.asarray(rows[:, 0] < rows[foremost, 1])


def _reaching(mask: Mask, spacing: Spacing) -> Mask:
    """Return a mask that every slice hands down to those up to 25 mm below it."""
    from scipy import ndimage

    size = round(REACH_MM / spacing[0]) + 1
    # Of a slice and those above it: the window begins where it would be centred.
    down = ndimage.maximum_filter1d(mask.astype(np.uint8), size, axis=0, origin=-(size // 2), mode="constant")
    return np.asarray(down > 0)
