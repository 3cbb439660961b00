"""Scans kept in files, and cases that cannot be used: what all cohorts of real data share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.case import Scan
from benchmark.errors import CaseError
from benchmark.images.dicom_selection import ANY, SeriesChoice
from benchmark.plugins.fingerprint import code_digest, digest_of


@dataclass(frozen=True)
class FileScan:
    """A scan kept in files: an image and masks by name."""

    image: Path
    masks: Mapping[str, Path] = field(default_factory=dict)
    resample_mask: bool = False
    series: SeriesChoice = ANY

    def load(self) -> Scan:
        """Read image and masks. Raises `CaseError`; only the coronary mask must hold something."""
        from benchmark.images.reading import read_image_noting, read_mask

        image, anomalies = read_image_noting(self.image, self.series)
        masks = {
            name: read_mask(path, image, resample=self.resample_mask, empty=name != "coronary")
            for name, path in self.masks.items()
        }
        return Scan(image, masks, anomalies)

    def digest(self) -> str:
        """Return the SHA-256 of the files' bytes. Raises `CaseError` if a file is missing."""
        from benchmark.images.files import file_digest

        return digest_of(
            {
                "image": file_digest(self.image),
                "masks": {name: file_digest(path) for name, path in self.masks.items()},
                "resample_mask": self.resample_mask,
                "series": self.series.model_dump(),
                "code": code_digest("benchmark.images.reading"),
            }
        )


@dataclass(frozen=True)
class UnusableScan:
    """Stands for the scan of a case that cannot be used, so that it is counted as an exclusion."""

    reason: str

    def load(self) -> Scan:
        """Raise the reason."""
        raise CaseError(self.reason)

    def digest(self) -> str:
        """Raise the reason."""
        raise CaseError(self.reason)
