"""Feature extractors that read the radiologist's report of a case and not its scan."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from benchmark.plugins.base import FeatureExtractor

if TYPE_CHECKING:
    import pandas as pd
    import SimpleITK as sitk

OF_REPORT = "report: "
"""What the name of every feature of a report begins with, by which a classifier knows it among others."""
GIVEN = f"{OF_REPORT}given"
"""The feature that is 1 where there is a report, and 0 where all others are 0 for want of one."""
COORDINATE = f"{OF_REPORT}embedding "
"""What the name of each coordinate of an embedding begins with: it is standardised, where counts are weighed."""


class ReportExtractor(FeatureExtractor):
    """Turns a report into one named vector; a segmenter's region means nothing to it.

    A report may hold names, so what comes out must be numbers whose names were fixed before any report was read.
    Nothing is learnt from the reports together: what must be (document frequencies) is learnt in the training fold.
    """

    @property
    def leaves_out_statements(self) -> bool:
        """Whether sentences that state the label outright are not read."""
        return False

    @abstractmethod
    def read(self, report: str) -> pd.Series:
        """Return the features as float64, all named `OF_REPORT` …, `GIVEN` among them; of an empty text zeros."""

    def stated(self, report: str) -> bool | None:
        """Return what a sentence says outright: coronary calcium, or that there is none; None: neither."""
        return None

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        """Return the features of a scan without a report."""
        return self.read("")
