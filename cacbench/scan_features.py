"""Any feature extractor as a scikit-learn transformer of scans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from benchmark.case import Case, Scan
from benchmark.cohorts.scan_files import FileScan
from benchmark.errors import CaseError
from benchmark.execution.execution import Failure
from benchmark.pipeline.extraction import ExtractionTask, Wanted, extract
from benchmark.plugins import FeatureExtractor, Segmenter
from benchmark.plugins.fingerprint import digest_of
from benchmark.plugins.registry import build

Given = str | Path | tuple[str | Path, str | Path] | Scan | Case
"""A scan's file or DICOM folder, that with the file of its mask, a scan in memory, or a case of a cohort."""


class ScanFeatures(TransformerMixin, BaseEstimator):
    """Turn scans into rows of features, as `cacbench features` does, case by case in this process.

    A scan is a path (NIfTI, NRRD, MHD, MHA, a DICOM folder), a pair of paths (scan, coronary mask), a `Scan` or a
    `Case`. A case that cannot be used raises `CaseError`: a transformer cannot leave rows out.

    Parameters
    ----------
    extractor : a feature extractor, its name, or its declaration as in a study file, ``{"use": name, …}``.
    segmenter : where its region comes from, likewise; ``reference`` is the mask that came with the scan.
    """

    def __init__(self, extractor: Any = "radiomics", segmenter: Any = "reference") -> None:
        self.extractor = extractor
        self.segmenter = segmenter

    def fit(self, X: Sequence[Given], y: object = None) -> Self:
        """Learn the features' names from the first scan, and nothing else."""
        if len(X) == 0:
            raise ValueError("no scan was given to learn the features' names from")
        self.feature_names_ = list(self._features(X[0]))
        return self

    def transform(self, X: Iterable[Given]) -> NDArray[np.float64]:
        """Return the features, (scans, features). Raises `CaseError` for a scan that cannot be used."""
        check_is_fitted(self)
        rows = []
        for given in X:
            features = self._features(given)
            if list(features) != self.feature_names_:
                raise ValueError(f"{_name(given)} has other features than the first scan: mend the extractor")
            rows.append(list(features.values()))
        return np.array(rows, np.float64).reshape(-1, len(self.feature_names_))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[Any]:
        """Return the features' names, (features,)."""
        check_is_fitted(self)
        return np.array(self.feature_names_, dtype=object)

    def _features(self, given: Given) -> Mapping[str, float]:
        segmenter = cast(Segmenter, build("segmenter", self.segmenter))
        extractor = cast(FeatureExtractor, build("feature_extractor", self.extractor))
        wanted = Wanted("features", segmenter, extractor)
        outcome = extract(ExtractionTask(_case(given), (wanted,))).outcomes["features"]
        if isinstance(outcome, Failure):
            raise CaseError(f"{_name(given)}: {outcome.stage}: {outcome.reason}")
        features: Mapping[str, float] = outcome["features"]
        return features

    def __sklearn_tags__(self) -> Any:
        """Say that scans are no table of numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags


@dataclass(frozen=True)
class _InMemory:
    scan: Scan

    def load(self) -> Scan:
        return self.scan

    def digest(self) -> str:
        return digest_of(repr(self.scan))


def _case(given: Given) -> Case:
    if isinstance(given, Case):
        return given
    if isinstance(given, Scan):
        return Case(_name(given), _InMemory(given))
    if isinstance(given, str | Path):
        return Case(_name(given), FileScan(Path(given)))
    if isinstance(given, tuple) and len(given) == 2:
        image, mask = map(Path, given)
        return Case(_name(given), FileScan(image, {"coronary": mask}))
    raise ValueError(f"{type(given).__name__} is no scan: give a path, a pair of paths, a Scan or a Case")


def _name(given: Given) -> str:
    if isinstance(given, Case):
        return given.case_id
    if isinstance(given, Scan):
        return "a scan in memory"
    return str(given[0] if isinstance(given, tuple) else given)
