"""Whether what the network finds in a scan is to be believed, by what it has learnt from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.case import ScanWarning
from benchmark.errors import CaseError
from segmenters.denseraunet.domain.ranges import measure_result
from segmenters.denseraunet.weights_file import read_header
from segmenters.heart_region.segmenter import HeartRegionSegmenter

if TYPE_CHECKING:
    import SimpleITK as sitk

    from benchmark.case import Scan
    from segmenters.denseraunet.segmenter import DenseRAUnetSegmenter

Warnings = tuple[ScanWarning, ...]


def find_noting(segmenter: DenseRAUnetSegmenter, scan: Scan) -> tuple[sitk.Image, Warnings]:
    """Return the calcium in a scan and what makes it doubtful. Raises `CaseError` as `segment` does.

    It is judged by the heart region, whatever region the segmenter calls within; that there is none is a warning.
    """
    within: sitk.Image | None = None
    warnings: Warnings = ()
    if segmenter.within is not None:
        within, warnings = segmenter.within.segment_once(scan)
    found, called = segmenter.find_once(scan)
    if within is not None and isinstance(segmenter.within, HeartRegionSegmenter):
        heart = within
    else:
        try:
            heart, of_heart = HeartRegionSegmenter().segment_once(scan)
        except CaseError as error:
            return found, (*warnings, ScanWarning("heart region", "severe", str(error)))
        warnings = (*warnings, *of_heart)
    return found, (*warnings, *_of_domain(segmenter, measure_result(scan.image, heart, called, found)))


def _of_domain(segmenter: DenseRAUnetSegmenter, figures: dict[str, float]) -> Warnings:
    domain = read_header(segmenter.weights.path).domain
    if domain is not None:
        return tuple(domain.warnings(figures))
    remedy = "train again, or measure it with `cacbench train --domain`"
    return (
        ScanWarning("training unknown", "notable", f"the weights do not say what they learnt from: {remedy}"),
    )
