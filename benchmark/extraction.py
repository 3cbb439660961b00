"""One case through segmentation and feature extraction. Pure: it reads a scan and returns records, it writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from benchmark.case import Case, Exclusion, Scan, Stage
from benchmark.errors import CaseError
from benchmark.plugins import FeatureExtractor, Segmenter

if TYPE_CHECKING:
    import SimpleITK as sitk

T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """One extraction that a case still lacks."""

    name: str
    segmenter: Segmenter
    extractor: FeatureExtractor


@dataclass(frozen=True)
class ExtractionTask:
    """A case and the extractions it lacks; the scan is loaded once, and segmented once per segmenter."""

    case: Case
    wanted: tuple[Wanted, ...]


class _StageError(Exception):
    def __init__(self, stage: Stage, reason: str) -> None:
        super().__init__(reason)
        self.stage: Stage = stage


def extract(task: ExtractionTask) -> dict[str, dict[str, Any] | Exclusion]:
    """Return for each wanted extraction its record (``features``, ``seconds``) or the case's Exclusion."""
    results: dict[str, dict[str, Any] | Exclusion] = {}
    scan: Scan | _StageError | None = None
    regions: dict[str, sitk.Image | _StageError] = {}
    for wanted in task.wanted:
        try:
            scan = scan or _kept(lambda: _guarded("read", task.case.source.load))
            region = wanted.segmenter.fingerprint()
            if region not in regions:
                regions[region] = _kept(lambda scan=scan, wanted=wanted: _segment(wanted.segmenter, _value(scan)))
            results[wanted.name] = _features(wanted, _value(scan), _value(regions[region]))
        except _StageError as error:
            results[wanted.name] = Exclusion(task.case.case_id, wanted.name, error.stage, str(error))
    return results


def _segment(segmenter: Segmenter, scan: Scan) -> sitk.Image:
    roi = _guarded("segment", lambda: segmenter.segment(scan))
    if roi.GetSize() != scan.image.GetSize():
        raise _StageError("segment", f"the ROI's size {roi.GetSize()} is not the image's {scan.image.GetSize()}")
    return roi


def _features(wanted: Wanted, scan: Scan, roi: sitk.Image) -> dict[str, Any]:
    begin = time.perf_counter()
    features = _guarded("extract", lambda: wanted.extractor.extract(scan.image, roi))
    seconds = time.perf_counter() - begin
    values = features.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        name = features.index[~np.isfinite(values)][0]
        raise _StageError("extract", f"feature {name} is {values[~np.isfinite(values)][0]}")
    return {"features": dict(zip(map(str, features.index), values.tolist(), strict=True)), "seconds": seconds}


def _guarded(stage: Stage, work: Callable[[], T]) -> T:
    """Do `work`; whatever goes wrong concerns this case alone and becomes the reason of its Exclusion."""
    try:
        return work()
    except CaseError as error:
        raise _StageError(stage, str(error)) from error
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise _StageError(stage, f"unexpected {type(error).__name__}: {text}") from error


def _kept(work: Callable[[], T]) -> T | _StageError:
    """Return what `work` gives or the error it ends with, so that it is not tried again for the next extraction."""
    try:
        return work()
    except _StageError as error:
        return error


def _value(outcome: T | _StageError | None) -> T:
    if isinstance(outcome, _StageError):
        raise outcome
    assert outcome is not None
    return outcome
