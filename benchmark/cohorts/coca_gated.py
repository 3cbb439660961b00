"""COCA, gated scans: Stanford's coronary calcium data set with lesions drawn on every slice.

The folder is ``Gated_release_final`` with ``patient/<id>/<series>/IM-*.dcm`` and ``calcium_xml/<id>.xml``
(https://stanfordaimi.azurewebsites.net, "COCA - Coronary Calcium and chest CTs"). Patient tags are blank there:
the folder's name is the patient's number.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from benchmark.case import Anomaly, Case, Problem, Scan
from benchmark.cohorts.coca_annotation import LABEL_NAMES, Region, draw, inspect, read_annotation
from benchmark.cohorts.scan_files import UnusableScan, digest_of_file, nameless
from benchmark.cohorts.segmented import SegmentedCohort
from benchmark.errors import CaseError, UserError
from benchmark.images.dicom_selection import ANY, SeriesChoice
from benchmark.plugins import Cohort
from benchmark.plugins.fingerprint import code_digest, digest_of
from benchmark.plugins.paths import StudyPath

PLACES = ("path", "segmentations")


@dataclass(frozen=True)
class AnnotatedSeries:
    """A series and the lesions drawn on it. `folder` holds the series or, one level below, a folder with it."""

    folder: Path
    regions: tuple[Region, ...]
    series: SeriesChoice = ANY

    def load(self) -> Scan:
        """Read the scan; its mask ``lesions`` has labels 1 LM, 2 LAD, 3 LCx, 4 RCA. Raises `CaseError`."""
        from benchmark.images.reading import read_image_noting

        folder = self._series_folder()
        with nameless("the series", folder):
            image, anomalies = read_image_noting(folder, self.series)
        lesions, met = draw(self.regions, image)
        return Scan(image, {"lesions": lesions}, (*anomalies, *met), label_names=LABEL_NAMES)

    def problems(self, deep: bool = False) -> list[Problem]:
        """Return what is wrong with the series, as its headers tell; deep: with voxels and lesions, too."""
        from benchmark.images.reading import read_grid

        try:
            _ = self.load() if deep else read_grid(self._series_folder(), self.series)
        except CaseError as error:
            return [Problem(str(self.folder), str(error))]
        return []

    def digest(self) -> str:
        """Return the SHA-256 of the files' bytes and of the drawn polygons."""
        return digest_of(
            {
                "image": digest_of_file("the series", self._series_folder()),
                "regions": [region.content() for region in self.regions],
                "series": self.series.model_dump(),
                "code": code_digest(__name__),
            }
        )

    def _series_folder(self) -> Path:
        folders = sorted(path for path in self.folder.iterdir() if path.is_dir())
        if not folders:
            return self.folder
        if len(folders) > 1:
            raise CaseError(
                f"it holds {len(folders)} series folders; keep the one that the lesions were drawn on"
            )
        return folders[0]


class CocaGatedCohort(SegmentedCohort):
    """Gated scans of COCA with drawn lesions; a case is positive if a lesion was drawn.

    The lesions are the scan's mask ``lesions``; there is no mask of the vessels, so the ROI comes from a segmenter
    other than `reference`, or is the lesions themselves (``reference: {mask: lesions}``), which tells the label. A
    segmentation takes the place of the drawn lesions.
    """

    libraries: ClassVar[tuple[str, ...]] = ("SimpleITK", "pydicom", "matplotlib")
    mask_names: ClassVar[tuple[str, ...] | None] = ("lesions",)

    path: StudyPath = Field(description="the folder Gated_release_final")
    without_annotation: Literal["exclude", "zero"] = Field(
        "exclude", description="scans without an XML file: leave them out, or take them for free of calcium"
    )
    series: SeriesChoice = Field(ANY, description="which series of a patient's folder is meant, if several")

    def parameters(self) -> dict[str, Any]:
        """Return the parameters without the path: the cases carry digests of their files instead."""
        return {name: value for name, value in super().parameters().items() if name not in PLACES}

    def fingerprint(self) -> str:
        """Return the fingerprint, which does not depend on where the files are."""
        return Cohort.fingerprint(self.model_copy(update={"path": Path(), "segmentations": None}))

    def cases(self) -> list[Case]:
        """List the patients, sorted by number. Raises `UserError` for a folder of another layout."""
        scans = {path.name: path for path in self._entries("patient") if path.is_dir()}
        drawn = {path.stem: path for path in self._entries("calcium_xml") if path.suffix == ".xml"}
        ids = sorted(set(scans) | set(drawn), key=lambda name: (not name.isdigit(), name.zfill(12)))
        return [self._case(name, scans.get(name), drawn.get(name)) for name in ids]

    def _entries(self, name: str) -> list[Path]:
        folder = self.path / name
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; give the folder Gated_release_final as `path`")
        return [path for path in folder.iterdir() if not path.name.startswith(".")]

    def _case(self, name: str, scan: Path | None, annotation: Path | None) -> Case:
        if scan is None:
            return Case(name, UnusableScan(f"{name}.xml has no scan: no folder patient/{name}"), group=name)
        if self.segmentations is not None:
            series = AnnotatedSeries(scan, (), self.series)
            return self._segmented(Case(name, series, group=name, protocol="cardiac", contrast=False))
        if annotation is None and self.without_annotation == "exclude":
            reason = (
                f"no calcium_xml/{name}.xml; `without_annotation: zero` takes such scans for free of calcium"
            )
            return Case(name, UnusableScan(reason), group=name)
        try:
            regions = read_annotation(annotation) if annotation else ()
        except CaseError as error:
            return Case(name, UnusableScan(str(error)), group=name)
        met = inspect(regions) if annotation else (Anomaly("scan without XML taken for zero", f"{name}.xml"),)
        return Case(
            case_id=name,
            source=AnnotatedSeries(scan, regions, self.series),
            label=int(any(not region.empty for region in regions)),
            group=name,
            protocol="cardiac",
            contrast=False,
            anomalies=met,
        )
