"""What flows through the pipeline: a case, its scan, and the reason why one dropped out.

Images and masks are `SimpleITK.Image`; as arrays they are (z, y, x). Intensities are HU, spacings mm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from benchmark.errors import CaseError

if TYPE_CHECKING:
    import SimpleITK as sitk

Stage = Literal["read", "segment", "extract"]


@dataclass(frozen=True)
class Anomaly:
    """Something odd about a case's data that was left as it is: counted by `kind`, described by `detail`."""

    kind: str
    detail: str


@dataclass(frozen=True)
class ScanWarning:
    """Why what a segmenter found in a scan is to be doubted, or (`info`) what could not be checked.

    `severe`: no risk band is given without being forced.
    """

    kind: str
    severity: Literal["info", "notable", "severe"]
    detail: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.severity}: {self.kind}: {self.detail}"


@dataclass(frozen=True)
class Scan:
    """One CT volume in HU and the reference masks known for it, all on one grid.

    `masks` maps a structure's name to a label image (0 is background): ``coronary`` (the ROI of the
    `reference` segmenter), and where the cohort knows them ``vessels``, ``lesions``, ``anatomy`` (every structure
    that was drawn, coronary or not), ``heart``, ``aorta``.
    """

    image: sitk.Image
    masks: Mapping[str, sitk.Image] = field(default_factory=dict)
    anomalies: tuple[Anomaly, ...] = ()
    """What was met while reading."""
    regions: dict[str, sitk.Image | CaseError] = field(default_factory=dict, compare=False)
    """What expensive segmenters found in this scan, or why they failed, by what identifies the finding."""
    findings: dict[str, tuple[sitk.Image, tuple[ScanWarning, ...]]] = field(
        default_factory=dict, compare=False
    )
    """What `Segmenter.segment_once` found in it, by fingerprint; kept no longer than the scan."""
    reach_mm: float = 0.0
    """How far the calcium of a lesion may show beyond its mask: 0 where masks were drawn on the scan itself."""
    label_names: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    """What the labels of a mask mean, by the mask's name, where that is known."""

    def region(self, key: str, find: Callable[[], sitk.Image]) -> sitk.Image:
        """Return the region kept under `key`; find it first, once, if there is none. Raises `CaseError` each time."""
        if key not in self.regions:
            try:
                self.regions[key] = find()
            except CaseError as error:
                self.regions[key] = error
        found = self.regions[key]
        if isinstance(found, CaseError):
            raise found
        return found


@dataclass(frozen=True)
class Problem:
    """Why a case would be left out, found before anything is computed."""

    file: str
    """The path of the file, '' where it is none's fault."""
    reason: str


class ScanSource(Protocol):
    """Where a case's scan comes from. Small and picklable: it travels to the workers instead of the scan.

    Two more things help `cacbench validate`, where a source has them: a method ``problems(deep: bool)`` that returns
    every `Problem` that the headers of its files tell (deep: the voxels, too), and ``mask_names``, the names of the
    masks that `load` will give.
    """

    def load(self) -> Scan:
        """Read or make the scan. Raises `CaseError` with the reason when that cannot be done."""

    def digest(self) -> str:
        """Return the SHA-256 of what the scan is made from: file bytes or parameters, never a path."""


@dataclass(frozen=True)
class Case:
    """One scan of one patient, with what the study may predict (`label`) and split by (`group`)."""

    case_id: str
    source: ScanSource
    label: int | None = None
    cac_score: float | None = None
    group: str = ""
    """Scanner or site, which a study may keep together."""
    patient: str = ""
    """Whose scan it is, the same for several scans of one person; empty: nobody else's in the cohort."""
    protocol: str = ""
    contrast: bool | None = None
    """Whether contrast medium was given; None where that is not known."""
    weight: float = 1.0
    """How many patients of the population it stands for: not 1 where the cohort shows its like more or less often."""
    covariates: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What else is known of it, by name, as text: carried to the tables, never learnt from."""
    anomalies: tuple[Anomaly, ...] = ()
    """What was met while listing the cases."""
    report: str = field(default="", repr=False)
    """The radiologist's text, which may name the patient: counted from, never shown and never stored; empty: none."""


@dataclass(frozen=True)
class Exclusion:
    """A case that dropped out: of what, at which stage, and why."""

    case_id: str
    excluded_from: str
    """The extractor, segmenter or cohort that goes on without it."""
    stage: str
    """`Stage`, or what the task that failed calls it."""
    reason: str

    def row(self, column: str = "extractor") -> dict[str, str]:
        """Return a row of a table; `column` names what `excluded_from` is."""
        return {
            "case_id": self.case_id,
            column: self.excluded_from,
            "stage": self.stage,
            "reason": self.reason,
        }
