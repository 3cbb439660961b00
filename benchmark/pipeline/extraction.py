"""One case through segmentation and feature extraction. Pure: it reads a scan, returns records, writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from benchmark.case import Case, Scan, ScanWarning, Stage
from benchmark.execution.execution import Failure, reason_of
from benchmark.images.files import voxel_digest
from benchmark.pipeline.activations import pack
from benchmark.pipeline.regions import Regions
from benchmark.plugins import FeatureExtractor, Segmenter
from benchmark.plugins.trainable import TrainableExtractor

if TYPE_CHECKING:
    import pandas as pd
    import SimpleITK as sitk

T = TypeVar("T")
Noted = tuple["sitk.Image", tuple[ScanWarning, ...]]


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
    regions: Regions = field(default_factory=Regions)
    """What expensive segmenters found in the case before."""


@dataclass(frozen=True)
class Extracted:
    """What came of a task: per extraction its record or why there is none, and newly found regions."""

    outcomes: dict[str, dict[str, Any] | Failure]
    regions: Regions
    seconds: dict[str, float]
    """What each extraction took, with its region unless one before it needed that too; ``reading`` the scan."""


READING = "reading"


class _StageError(Exception):
    def __init__(self, stage: Stage, reason: str) -> None:
        super().__init__(reason)
        self.stage: Stage = stage


class _Once(Generic[T]):
    """Does work on first demand and remembers what came of it, an error included."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._outcome: list[T] = []
        self._error: _StageError | None = None

    def get(self) -> T:
        if self._error is not None:
            raise self._error
        if not self._outcome:
            try:
                self._outcome.append(self._work())
            except _StageError as error:
                self._error = error
                raise
        return self._outcome[0]

    @property
    def done(self) -> bool:
        """Whether there is an outcome that is no error."""
        return bool(self._outcome)


def extract(task: ExtractionTask) -> Extracted:
    """Return for each wanted extraction its `Failure` or its record.

    A record has ``features``, ``seconds``, ``anomalies`` of the scan, ``warnings`` of the segmenter and ``voxels``, see
    `voxel_digest`; of a `TrainableExtractor` also ``activations``, see `pack`.
    """
    results: dict[str, dict[str, Any] | Failure] = {}
    begin = time.perf_counter()
    scan = _Once(lambda: _guarded("read", lambda: _load(task)))
    voxels = _Once(lambda: voxel_digest(scan.get().image))
    regions: dict[str, _Once[Noted]] = {}
    seconds: dict[str, float] = {}
    for wanted in task.wanted:
        segmenter = wanted.segmenter
        region = regions.setdefault(segmenter.fingerprint(), _Once(partial(_segment, segmenter, scan)))
        try:
            loaded = scan.get()
            seconds.setdefault(READING, time.perf_counter() - begin)
            begin = time.perf_counter()
            results[wanted.name] = _features(wanted, loaded, *region.get()) | {"voxels": voxels.get()}
        except _StageError as error:
            results[wanted.name] = Failure(str(error), error.stage)
        seconds[wanted.name] = time.perf_counter() - begin
    return Extracted(results, task.regions.found_in(scan.get()) if scan.done else Regions(), seconds)


def _load(task: ExtractionTask) -> Scan:
    scan = task.case.source.load()
    task.regions.lend_to(scan)
    return scan


def _segment(segmenter: Segmenter, scan: _Once[Scan]) -> Noted:
    roi, warnings = _guarded("segment", lambda: segmenter.segment_once(scan.get()))
    image = scan.get().image  # after it: where it fails early, a phantom's need not be rendered
    if roi.GetSize() != image.GetSize():
        raise _StageError("segment", f"the ROI's size {roi.GetSize()} is not the image's {image.GetSize()}")
    return roi, warnings


def _features(
    wanted: Wanted, scan: Scan, roi: sitk.Image, warnings: tuple[ScanWarning, ...]
) -> dict[str, Any]:
    begin = time.perf_counter()
    features, kept = _guarded("extract", lambda: _extracted(wanted.extractor, scan.image, roi))
    seconds = time.perf_counter() - begin
    values = features.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        name = features.index[~np.isfinite(values)][0]
        raise _StageError("extract", f"feature {name} is {features[name]}")
    return {
        "features": dict(zip(map(str, features.index), values.tolist(), strict=True)),
        "seconds": seconds,
        "anomalies": [[anomaly.kind, anomaly.detail] for anomaly in scan.anomalies],
        "warnings": [[warning.kind, warning.detail, warning.severity] for warning in warnings],
        **kept,
    }


def _extracted(
    extractor: FeatureExtractor, image: sitk.Image, roi: sitk.Image
) -> tuple[pd.Series, dict[str, Any]]:
    """Return the features, and what else the record keeps."""
    if not isinstance(extractor, TrainableExtractor):
        return extractor.extract(image, roi), {}
    features, activations = extractor.extract_with_activations(image, roi)
    return features, {"activations": pack(activations)}


def _guarded(stage: Stage, work: Callable[[], T]) -> T:
    """Do `work`; whatever goes wrong concerns this case alone and becomes the reason of its Exclusion."""
    try:
        return work()
    except Exception as error:  # a UserError, too: weights may not fit their network
        raise _StageError(stage, reason_of(error)) from error
