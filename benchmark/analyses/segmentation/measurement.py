"""One case: every segmenter's mask against the reference, counted in voxels, lesions and Agatston score. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.calcium.ai_cac_rule import ai_cac_score
from benchmark.calcium.scoring import score
from benchmark.calcium.truth import ReferenceRule, reference_calcium
from benchmark.case import Case
from benchmark.errors import CaseError
from benchmark.images.geometry import refuse_other_grid
from benchmark.plugins import Segmenter

if TYPE_CHECKING:
    import SimpleITK as sitk

    from benchmark.case import Scan

_TOUCHING = np.ones((3, 3, 3), bool)


@dataclass(frozen=True)
class MeasurementTask:
    """A case, the segmenters whose measures it lacks, and what they are compared with."""

    case: Case
    segmenters: Mapping[str, Segmenter]
    rule: ReferenceRule


def measure(task: MeasurementTask) -> dict[str, dict[str, Any] | CaseError]:
    """Return each segmenter's record (see `compare`), or why it failed. Raises `CaseError` for the whole case."""
    scan = task.case.source.load()
    reference = reference_calcium(scan, task.rule)
    return {
        name: _of_segmenter(segmenter, scan, reference, task.rule)
        for name, segmenter in task.segmenters.items()
    }


def _of_segmenter(
    segmenter: Segmenter, scan: Scan, reference: sitk.Image, rule: ReferenceRule
) -> dict[str, Any] | CaseError:
    begin = time.perf_counter()
    try:
        segmentation = segmenter.segment(scan)
        refuse_other_grid(scan.image, segmentation, "the segmentation")
    except CaseError as error:
        return error
    seconds = time.perf_counter() - begin
    return {**compare(scan, segmentation, reference, rule), "seconds": seconds}


def compare(
    scan: Scan, segmentation: sitk.Image, reference: sitk.Image, rule: ReferenceRule
) -> dict[str, Any]:
    """Return the record of one mask: counts of voxels and lesions, scores, and each reference lesion.

    A lesion is a set of voxels that touch in 3-D (26 neighbours). A reference lesion is found if the mask has one
    of its voxels; a lesion of the mask is false if it has no voxel of the reference.
    """
    import SimpleITK as sitk
    from scipy import ndimage

    truth, predicted = sitk.GetArrayViewFromImage(reference) > 0, sitk.GetArrayViewFromImage(segmentation) > 0
    lesions, count = ndimage.label(truth, _TOUCHING)
    blobs, blob_count = ndimage.label(predicted, _TOUCHING)
    true_blobs = len(np.unique(blobs[truth & predicted]))
    hit = np.isin(np.arange(1, count + 1), lesions[predicted])
    hu, voxel = sitk.GetArrayViewFromImage(scan.image), float(np.prod(scan.image.GetSpacing()))
    return {
        "voxel_tp": int((truth & predicted).sum()),
        "voxel_fp": int((predicted & ~truth).sum()),
        "voxel_fn": int((truth & ~predicted).sum()),
        "lesion_tp": int(hit.sum()),
        "lesion_fn": int(count - hit.sum()),
        "lesion_fp": int(blob_count - true_blobs),
        "agatston": score(scan.image, segmentation, rule.scoring).total.agatston,
        "reference_agatston": score(scan.image, reference, rule.scoring).total.agatston,
        "ai_cac_rule": ai_cac_score(scan.image, segmentation),
        "reference_ai_cac_rule": ai_cac_score(scan.image, reference),
        "lesions": _lesions(lesions, count, hu, voxel, hit, predicted),
        "unseen_lesions": _unseen(scan, rule, truth),
    }


def _lesions(
    lesions: NDArray[Any],
    count: int,
    hu: NDArray[Any],
    voxel: float,
    hit: NDArray[np.bool_],
    predicted: NDArray[Any],
) -> list[dict[str, float]]:
    """Return size (mm³), density (highest HU) and what was found of each reference lesion."""
    inside = lesions > 0
    which, values = lesions[inside] - 1, hu[inside]
    highest = np.full(count, -np.inf)
    np.maximum.at(highest, which, values)
    sizes, hit_voxels = (
        np.bincount(which, minlength=count),
        np.bincount(which, predicted[inside], minlength=count),
    )
    return [
        {
            "volume_mm3": sizes[i] * voxel,
            "maximum_hu": float(highest[i]),
            "found": int(hit[i]),
            "found_share": float(hit_voxels[i] / sizes[i]),
        }
        for i in range(count)
    ]


def _unseen(scan: Scan, rule: ReferenceRule, truth: NDArray[np.bool_]) -> int:
    """Return how many lesions of the mask show no voxel that a score counts: no segmenter can find these."""
    import SimpleITK as sitk
    from scipy import ndimage

    outlined, count = ndimage.label(sitk.GetArrayViewFromImage(scan.masks[rule.mask]) > 0, _TOUCHING)
    near = ndimage.grey_dilation(outlined, footprint=_TOUCHING)
    return int(count - len(np.setdiff1d(near[truth], [0])))
