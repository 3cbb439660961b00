"""Which voxels of a scan are coronary calcium, given a mask of the lesions: what the scoring rule would count.

A mask of lesions says where calcium is, a score counts what the scanner shows of it: voxels at or above 130 HU,
joined slice by slice, 1 mm² or more. A mask drawn on the scan itself already outlines what is seen: whoever drew it
left out what touches the calcium and is none (bone, the aorta's wall, noise), so nothing beyond it belongs to it, and
the reference is the candidates within it. A phantom's masks are the lesions' true outlines. Blurred by the point
spread and by motion, calcium shows beyond these, so connected candidates up to `reach_mm` from the outline belong to
it. The scan says which of the two its masks are (`Scan.reach_mm`). The definition is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.calcium.scoring import STANDARD, CalciumScoring, calcium_mask
from benchmark.errors import CaseError
from benchmark.images.geometry import refuse_other_grid
from benchmark.plugins.declaration import Declaration

if TYPE_CHECKING:
    import SimpleITK as sitk

    from benchmark.case import Scan


class ReferenceRule(Declaration):
    """Where the reference comes from and how far a lesion's calcium may show beyond its mask."""

    mask: str | None = Field(
        "lesions",
        description="which of the scan's masks outlines the lesions; none: a comparison is with the case's score alone",
    )
    reach_mm: float | None = Field(
        None,
        ge=0,
        description="how far blurred calcium may lie from its outline; none: 0 for masks drawn on the scan, 3 for "
        "the true outlines of a phantom",
    )
    scoring: CalciumScoring = STANDARD


def has_score_alone(scan: Scan, rule: ReferenceRule) -> bool:
    """Say whether a scan can be compared by its score alone: it has no mask at all, or none is wanted.

    A scan with masks of other names is not taken for one: the name of the mask may be a slip.
    """
    return rule.mask is None or not scan.masks


def reference_calcium(scan: Scan, rule: ReferenceRule) -> sitk.Image:
    """Return the coronary calcium that a score counts, with the labels of the lesion mask, on the scan's grid.

    Raises `CaseError` if the scan has no such mask or the mask lies on another grid.
    """
    import SimpleITK as sitk

    if rule.mask is None or rule.mask not in scan.masks:
        known = ", ".join(sorted(scan.masks)) or "none"
        raise CaseError(
            f"the case has no mask called {rule.mask!r} to learn from or compare with; it has: {known}"
        )
    mask = scan.masks[rule.mask]
    refuse_other_grid(scan.image, mask, f"the mask {rule.mask!r}")
    hu, labels = sitk.GetArrayViewFromImage(scan.image), sitk.GetArrayViewFromImage(mask)
    reach = scan.reach_mm if rule.reach_mm is None else rule.reach_mm
    grown = _grown(hu >= rule.scoring.threshold_hu, labels, scan.image.GetSpacing()[::-1], reach)
    region = sitk.GetImageFromArray(grown)
    region.CopyInformation(scan.image)
    return sitk.Mask(region, calcium_mask(scan.image, region, rule.scoring))


def _grown(
    candidate: NDArray[np.bool_], labels: NDArray[Any], spacing: tuple[float, ...], reach_mm: float
) -> NDArray[np.uint8]:
    """Return the candidates in the labels, and those joined to them (26 neighbours) within reach, (z, y, x)."""
    from scipy import ndimage

    result = np.zeros(labels.shape, np.uint8)
    where = np.nonzero(labels)
    if not where[0].size:
        return result
    margin = [int(np.ceil(reach_mm / mm)) + 1 for mm in spacing]
    box = tuple(
        slice(max(axis.min() - m, 0), axis.max() + m + 1) for axis, m in zip(where, margin, strict=True)
    )
    inside = labels[box] > 0
    away, nearest = ndimage.distance_transform_edt(~inside, spacing, return_indices=True)
    near = candidate[box] & (away <= reach_mm)
    joined = ndimage.binary_propagation(inside & near, np.ones((3, 3, 3), bool), near)
    result[box] = np.where(joined, labels[box][tuple(nearest)], 0)
    return result
