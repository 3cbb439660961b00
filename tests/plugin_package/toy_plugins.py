"""A plug-in of each kind, as somebody else's package would add them. Small enough to run thousands of times."""

import os
import signal
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
from pydantic import Field

from benchmark.case import Case, Scan, ScanWarning
from benchmark.errors import CaseError
from benchmark.execution.seeds import derive_seed
from benchmark.plugins import Availability, Classifier, Cohort, FeatureExtractor, Segmenter
from benchmark.plugins.fingerprint import digest_of


@dataclass(frozen=True)
class ToySource:
    name: str
    label: int
    contrast: float
    broken: bool
    patient: str = ""
    offset: float = 0.0
    deadly: bool = False

    def load(self) -> Scan:
        if self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.broken:
            raise CaseError(f"{self.name}: the scanner was switched off")
        random = np.random.default_rng(derive_seed(self.patient or self.name))
        values = random.normal(0, 100, (8, 12, 12))
        if self.patient:
            values += np.random.default_rng(derive_seed(self.name)).normal(0, 1, values.shape)
        values[3:5, 5:7, 5:7] += self.contrast * self.label
        return Scan(sitk.GetImageFromArray((values + self.offset).astype(np.float32)))

    def digest(self) -> str:
        return digest_of([self.name, self.label, self.contrast, self.patient, self.offset])


class ToyCohort(Cohort):
    """Noise, with a bright spot where the label is 1."""

    zero: int = Field(20, ge=0, description="cases without the spot")
    nonzero: int = Field(20, ge=0, description="cases with the spot")
    contrast: float = Field(200.0, description="height of the spot")
    broken: tuple[int, ...] = Field((), description="cases that cannot be read")
    deadly: tuple[int, ...] = Field((), description="cases that end the process that reads them")
    scans: int = Field(1, ge=1, description="scans of each patient, which look much alike")
    known: bool = Field(True, description="whether it is said whose scans they are")
    called: str = Field("toy", description="what case ids begin with; other names, other noise")
    labelled: bool = Field(True, description="whether labels are known")
    sites: tuple[float, ...] = Field(
        (), description="what each site adds to its scans; cases in turn, none: no sites"
    )

    def cases(self) -> list[Case]:
        labels = [0] * self.zero + [1] * self.nonzero
        return [self._case(i, f"{self.called}-{i:03d}", label) for i, label in enumerate(labels)]

    def _case(self, i: int, name: str, label: int) -> Case:
        patient = f"{self.called} patient {i // self.scans}" if self.scans > 1 else ""
        site = i % len(self.sites) if self.sites else 0
        offset = self.sites[site] if self.sites else 0.0
        source = ToySource(name, label, self.contrast, i in self.broken, patient, offset, i in self.deadly)
        return Case(
            name,
            source,
            label if self.labelled else None,
            group=f"site {site}" if self.sites else "",
            patient=patient if self.known else "",
        )


class CentreSegmenter(Segmenter):
    """A cube in the middle of the image."""

    doubted_hu: float | None = Field(None, description="highest value from which it doubts a cube, for tests")

    def segment(self, scan: Scan) -> sitk.Image:
        values = np.zeros(scan.image.GetSize()[::-1], np.uint8)
        values[2:6, 4:8, 4:8] = 1
        roi = sitk.GetImageFromArray(values)
        roi.CopyInformation(scan.image)
        return roi

    def segment_noting(self, scan: Scan) -> tuple[sitk.Image, tuple[ScanWarning, ...]]:
        roi = self.segment(scan)
        highest = sitk.GetArrayViewFromImage(scan.image)[2:6, 4:8, 4:8].max()
        if self.doubted_hu is None or highest < self.doubted_hu:
            return roi, ()
        bright = ScanWarning("bright", "severe", f"more than {self.doubted_hu:g} HU in the cube")
        return roi, (bright, ScanWarning("toy", "notable", "made of noise"))


class MisplacedReference(Segmenter):
    """The cohort's mask put in the wrong place: what a broken stage would do."""

    def segment(self, scan: Scan) -> sitk.Image:
        mask = scan.masks["coronary"]
        moved = sitk.GetImageFromArray(np.roll(sitk.GetArrayFromImage(mask), (5, 40, 40), axis=(0, 1, 2)))
        moved.CopyInformation(mask)
        return moved


class MomentsExtractor(FeatureExtractor):
    """Mean, spread and extremes inside the region."""

    fail_at: str = Field("", description="the case_id's mean at which this plug-in fails, for tests")
    ready: bool = Field(True, description="whether it says it can run")

    def availability(self) -> Availability:
        return Availability() if self.ready else Availability(ready=False, reason="no weights: fetch them")

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        inside = sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(roi) > 0].astype(float)
        if not inside.size:
            raise CaseError("the ROI is empty")
        return pd.Series(
            {
                "mean": inside.mean(),
                "sd": inside.std(),
                "max": inside.max(),
                "min": inside.min(),
                "n": inside.size,
            }
        )


class NearestNeighbours(Classifier):
    """k nearest neighbours."""

    def estimator(self, seed: int) -> Any:
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import StandardScaler

        return Pipeline([("scaled", StandardScaler()), ("model", KNeighborsClassifier())])

    def parameter_grid(self) -> dict[str, list[Any]]:
        return {"model__n_neighbors": [1, 5]}
