"""One case: every segmenter's mask against the reference, counted in voxels, lesions and Agatston score. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.analyses.segmentation.anatomy import DrawnAnatomy, drawn_anatomy
from benchmark.calcium.ai_cac_rule import ai_cac_score
from benchmark.calcium.scoring import score
from benchmark.calcium.truth import ReferenceRule, has_score_alone, reference_calcium
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
    """Return each segmenter's record (see `compare`), or why it failed. Raises `CaseError` for the whole case.

    Of a scan that has a score and no mask the record holds the segmenter's scores alone.
    """
    scan = task.case.source.load()
    if has_score_alone(scan, task.rule):
        if task.case.cac_score is None:
            raise CaseError(
                "the case has neither a mask of its lesions nor a score (`cac_score`) to compare with"
            )
        return {
            name: _of_segmenter(segmenter, scan, partial(_scored, scan, task.rule))
            for name, segmenter in task.segmenters.items()
        }
    if task.rule.mask not in scan.masks and task.case.cac_score is not None:
        raise CaseError(
            f"the case has no mask called {task.rule.mask!r} to compare with; it has: {', '.join(sorted(scan.masks))}; "
            "`reference: {mask: null}` compares by the score alone"
        )
    reference, anatomy = reference_calcium(scan, task.rule), drawn_anatomy(scan, task.rule.scoring)
    return {
        name: _of_segmenter(
            segmenter, scan, partial(compare, scan, reference=reference, rule=task.rule, anatomy=anatomy)
        )
        for name, segmenter in task.segmenters.items()
    }


def _of_segmenter(
    segmenter: Segmenter, scan: Scan, record_of: Callable[[sitk.Image], dict[str, Any]]
) -> dict[str, Any] | CaseError:
    begin = time.perf_counter()
    try:
        segmentation = segmenter.segment(scan)
        refuse_other_grid(scan.image, segmentation, "the segmentation")
    except CaseError as error:
        return error
    seconds = time.perf_counter() - begin
    return {**record_of(segmentation), "seconds": seconds}


def _scored(scan: Scan, rule: ReferenceRule, segmentation: sitk.Image) -> dict[str, Any]:
    return {
        "reference": "score",
        "agatston": score(scan.image, segmentation, rule.scoring).total.agatston,
        "ai_cac_rule": ai_cac_score(scan.image, segmentation),
        "reference_ai_cac_rule": None,
        "lesions": [],
        "false_calls": [],
    }


def compare(
    scan: Scan,
    segmentation: sitk.Image,
    reference: sitk.Image,
    rule: ReferenceRule,
    anatomy: DrawnAnatomy | None = None,
) -> dict[str, Any]:
    """Return the record of one mask: counts of voxels and lesions, scores, each reference lesion, false calls.

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
    found = _lesions(lesions, count, hu, voxel, hit, predicted)
    if names := scan.label_names.get(rule.mask or ""):
        vessels = _vessels(lesions, count, sitk.GetArrayViewFromImage(reference), names)
        found = [{"vessel": vessel, **lesion} for vessel, lesion in zip(vessels, found, strict=True)]
    return {
        "reference": "mask",
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
        "lesions": found,
        "unseen_lesions": _unseen(scan, rule, truth),
        "false_calls": anatomy.false_calls(scan.image, predicted, truth, rule.scoring) if anatomy else [],
    }


def _lesions(
    lesions: NDArray[Any],
    count: int,
    hu: NDArray[Any],
    voxel: float,
    hit: NDArray[np.bool_],
    predicted: NDArray[Any],
) -> list[dict[str, Any]]:
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


def _vessels(lesions: NDArray[Any], count: int, labels: NDArray[Any], names: Mapping[int, str]) -> list[str]:
    """Return the vessel of each lesion: that of most of its voxels, the lower label in a tie."""
    inside = lesions > 0
    votes = np.zeros((count + 1, int(labels.max()) + 1), np.intp)
    np.add.at(votes, (lesions[inside], labels[inside]), 1)
    return [names.get(int(label), f"label {label}") for label in votes[1:].argmax(axis=1)]


def _unseen(scan: Scan, rule: ReferenceRule, truth: NDArray[np.bool_]) -> int:
    """Return how many lesions of the mask show no voxel that a score counts: no segmenter can find these."""
    import SimpleITK as sitk
    from scipy import ndimage

    outlined, count = ndimage.label(sitk.GetArrayViewFromImage(scan.masks[rule.mask or ""]) > 0, _TOUCHING)
    near = ndimage.grey_dilation(outlined, footprint=_TOUCHING)
    return int(count - len(np.setdiff1d(near[truth], [0])))
