"""Cuts found lesions out of a scan, each with what lies around it. Ours; not of the paper."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segmenters.denseraunet.slices import axial

if TYPE_CHECKING:
    import SimpleITK as sitk

Floats = NDArray[np.float64]
Numbers = NDArray[Any]
MARGIN_MM = 6.0
"""How far around a lesion is looked."""
BLUR_MM = 3.0
"""How far blur carries a lesion's mass beyond its voxels; the tissue beyond is free of it."""
TISSUE_ABOVE_HU = -200.0
"""At and below it is air or lung, which is neither tissue nor mass."""
CANDIDATE_HU = 130.0


@dataclass(frozen=True)
class FoundLesion:
    """A found lesion with its surroundings, arrays (z, y, x), spacing in mm (z, y, x)."""

    hu: Floats
    probability: Floats
    inside: NDArray[np.bool_]
    others: NDArray[np.bool_]
    spacing: Floats

    @cached_property
    def distance_mm(self) -> Floats:
        """Each voxel's distance to the lesion in its slice; 0 inside, beyond any reach where the slice has none.

        In the plane alone, so that what is said of a lesion is the same whether the next slice is 1 or 5 mm away.
        """
        from scipy import ndimage

        sampling = (1e3, *self.spacing[1:])
        return np.asarray(ndimage.distance_transform_edt(~self.inside, sampling=sampling))

    @cached_property
    def tissue_hu(self) -> float:
        """Median of the tissue around the lesion, beyond its blur; 0 if there is none."""
        beyond = (self.distance_mm > BLUR_MM) & (self.distance_mm <= MARGIN_MM)
        around = beyond & (self.hu < CANDIDATE_HU) & (self.hu > TISSUE_ABOVE_HU)
        return float(np.median(self.hu[around])) if around.any() else 0.0

    @cached_property
    def axes(self) -> tuple[Floats, Floats, Floats]:
        """Centre of mass (3), deviations of mass along the principal axes in mm, longest first (3), longest axis (3).

        Mass is what a voxel has over the tissue. A voxel is a box, not a point: its own extent is added, so that a
        single one has axes, too.
        """
        points = np.argwhere(self.inside) * self.spacing
        mass = np.maximum(self.hu[self.inside] - self.tissue_hu, 1)
        centre = np.average(points, axis=0, weights=mass)
        away = points - centre
        voxel_covariance = np.diag(np.square(self.spacing) / 12)
        values, vectors = np.linalg.eigh((away * (mass / mass.sum())[:, None]).T @ away + voxel_covariance)
        return centre, np.sqrt(values[::-1]), vectors[:, 2]


def label_lesions(mask: sitk.Image) -> sitk.Image:
    """Return the number of each voxel's lesion, from 1 on. Voxels that touch (26 neighbours) are of one lesion."""
    import SimpleITK as sitk

    return sitk.ConnectedComponent(mask, True)


def lying_arrays(
    image: sitk.Image, probability: sitk.Image, labels: sitk.Image
) -> tuple[Numbers, Numbers, NDArray[np.int32], Floats]:
    """Return HU, probability and labels as axial arrays (z, y, x), and the spacing in mm (z, y, x)."""
    import SimpleITK as sitk

    hu, p, numbers = (sitk.GetArrayFromImage(axial(each)) for each in (image, probability, labels))
    spacing = np.array(axial(labels).GetSpacing()[::-1])
    return hu, p, numbers.astype(np.int32), spacing


def cut_out(
    hu: Numbers, probability: Numbers, numbers: NDArray[np.int32], spacing: Floats
) -> list[FoundLesion]:
    """Return the lesions in the order of their numbers."""
    from scipy import ndimage

    margin, lesions = np.ceil(MARGIN_MM / spacing).astype(int), []
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        wide = tuple(slice(max(0, s.start - m), s.stop + m) for s, m in zip(box, margin, strict=True))
        inside = numbers[wide] == number
        others = (numbers[wide] > 0) & ~inside
        lesions.append(
            FoundLesion(hu[wide].astype(float), probability[wide].astype(float), inside, others, spacing)
        )
    return lesions
