"""The score that AI-CAC gives a mask: objects in three dimensions, one weight each.

Read from its code (github.com/Raffi-Hagopian/AI-CAC, MIT; Hagopian et al., NEJM AI 2025, doi 10.1056/AIoa2400937).
Beside the Agatston score of the same mask it tells another rule apart from wrong voxels. It differs in this:

- all voxels of the mask count, those below 130 HU, too, but for objects without any voxel from 130 HU up;
- an object is what touches by faces in three dimensions, and its highest HU weights all of its voxels; Agatston's
  weight is a component's own in every slice;
- objects of one voxel do not count, whatever its area; Agatston's limit is 1 mm² in a slice;
- slices are as far apart as they are thick (DICOM SliceThickness): where they overlap, it counts twice;
- each object's score is rounded to a whole number, a half to the even one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.calcium.scoring import slice_geometry, slices_first
from benchmark.images.geometry import bounding_box, refuse_other_grid, slice_thickness

if TYPE_CHECKING:
    import SimpleITK as sitk

WEIGHT_BOUNDS_HU = (130.0, 200.0, 300.0, 400.0)
REFERENCE_MM = 3.0


def ai_cac_score(image: sitk.Image, mask: sitk.Image) -> int:
    """Return the score of a mask (0 is background) on a CT image in HU. Raises `CaseError` if the grids differ.

    The slice thickness is that of the DICOM series the image was read from; for other files the spacing stands in.
    """
    from scipy import ndimage

    refuse_other_grid(image, mask)
    inside = slices_first(mask) > 0
    if (box := bounding_box(inside)) is None:
        return 0
    objects, count = ndimage.label(inside[box])
    sizes = np.bincount(objects.ravel(), minlength=count + 1)[1:]
    highest = ndimage.maximum(slices_first(image)[box], objects, np.arange(1, count + 1))
    weights = np.searchsorted(WEIGHT_BOUNDS_HU, highest, side="right")
    increment, pixel_area = slice_geometry(image)
    unit = pixel_area * (slice_thickness(image) or increment) / REFERENCE_MM
    return int(np.rint(sizes * unit * weights)[sizes > 1].sum())
