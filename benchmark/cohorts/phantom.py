"""Synthetic CT scans whose calcium is known exactly: the embedded data set and the CI baseline."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from benchmark.case import Case
from benchmark.execution.seeds import derive_seed
from benchmark.phantom.acquisition.scanner import (
    SCANNERS,
    Acquisition,
    Protocol,
    Scanner,
    draw_acquisition,
    preset,
)
from benchmark.phantom.acquisition.variety import draw_varied_acquisition
from benchmark.phantom.body.patient import STENTED, Patient, draw_patient
from benchmark.phantom.body.population import draw_chest_patient
from benchmark.phantom.heart.crumbled import crumbled
from benchmark.phantom.heart.plaque import Disease, DiseaseModel
from benchmark.phantom.reports.model import ReportModel
from benchmark.phantom.reports.writing import Findings, write_report
from benchmark.phantom.source import PhantomSource
from benchmark.plugins import Cohort

CONTRAST_TURNS = {"off": (False,), "some": (False, False, False, True), "mixed": (False, True), "on": (True,)}


class PhantomCohort(Cohort):
    """Phantoms without and with coronary calcium.

    The k-th zero and the k-th non-zero case of a seed are the same bytes whatever the cohort's size. Case ids are
    hashes and the cases are listed in their order, so neither says anything about the label; patient, disease and
    scan are drawn from seeds of their own that derive from the id. Scanner, protocol and contrast take turns
    within either class, so they are balanced over the labels. Another `rescan` keeps ids, patients and disease and
    draws position, motion, contrast and noise anew.
    """

    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy")
    reads_files: ClassVar[bool] = False
    mask_names: ClassVar[tuple[str, ...] | None] = ("coronary", "vessels", "lesions", "heart", "aorta")

    zero: int = Field(94, ge=0, le=10_000, description="cases without coronary calcium")
    nonzero: int = Field(88, ge=0, le=10_000, description="cases with coronary calcium")
    seed: int | str = Field(0, description="name of the random streams; another seed, other patients")
    protocol: Literal["cardiac", "chest", "mixed"] = Field(
        "cardiac", description="gated, non-gated, or in turn"
    )
    scanners: tuple[Scanner, ...] = Field(
        SCANNERS, min_length=1, max_length=3, description="scanner presets that take turns"
    )
    contrast: Literal["off", "some", "mixed", "on"] = Field(
        "off",
        description="iodine in the blood: never, in every fourth scan of a protocol, in every other, always",
    )
    assignment: Literal["in_turn", "at_random"] = Field(
        "in_turn",
        description="of protocol, scanner and contrast: in turn within either class, or drawn for each case. "
        "Where they are exactly balanced, a model that reads nothing else falls below chance: of what a test fold has "
        "less, training has more",
    )
    generation: Literal[1, 2] = Field(
        2,
        description="of the phantom: 2 has a chest like a patient's around the heart; 1 is the plain one of before",
    )
    acquisitions: Literal["preset", "varied"] = Field(
        "preset",
        description="varied: pixels, slices, field of view, noise, kernel and tube voltage are drawn for every scan",
    )
    matrix: int = Field(512, ge=64, le=1024, description="pixels along a side of a varied acquisition")
    disease: DiseaseModel = Field(
        DiseaseModel(), description="distribution of scores and vessels over positives"
    )
    stented: float = Field(STENTED, ge=0, le=1, description="share of patients who have a stent")
    field_of_view_mm: float = Field(150.0, ge=20, le=600, description="side of the square around the heart")
    pixel_mm: float = Field(0.78125, ge=0.1, le=5, description="side of a pixel")
    coverage_mm: float = Field(120.0, ge=3, le=500, description="length scanned")
    slice_thickness_mm: float | None = Field(None, ge=0.25, le=10, description="none: the scanner's own")
    noise_sd_hu: float | None = Field(
        None, ge=0, le=200, description="in an average patient; none: the scanner's"
    )
    rescan: int = Field(
        0,
        ge=0,
        le=10_000,
        description="0: the first scan; k: the same patients scanned again, for the k-th time",
    )
    reports: ReportModel | None = Field(
        None,
        description="radiology reports written from the truth, `{}` with the default shares; none: no reports",
    )

    @model_validator(mode="after")
    def _fits(self) -> PhantomCohort:
        if len(set(self.scanners)) < len(self.scanners):
            raise ValueError("scanners names one twice: list each once")
        self._acquisition("cardiac", self.scanners[0])
        return self

    def cases(self) -> Sequence[Case]:
        """List the cases; nothing is rendered."""
        return list(_listed(self))

    def _drawn(self) -> list[Case]:
        cases = [self._case(stream, k) for stream, k in self._members()]
        return sorted(cases, key=lambda case: case.case_id)

    def _members(self) -> Iterator[tuple[str, int]]:
        yield from (("zero", k) for k in range(self.zero))
        yield from (("nonzero", k) for k in range(self.nonzero))

    def _case(self, stream: str, k: int) -> Case:
        name = hashlib.sha256(f"{self.seed}\x1f{stream}\x1f{k}".encode()).hexdigest()[:10]
        at_random = derive_seed(self.seed, name, "assignment")
        protocol, scanner, contrast = self._turn(k if self.assignment == "in_turn" else at_random)
        draw = draw_patient if self.generation == 1 else draw_chest_patient
        patient = draw(derive_seed(self.seed, name, "patient"), self.stented)
        disease = Disease()
        if stream == "nonzero":
            disease = self._disease(derive_seed(self.seed, name, "disease"))
        scan = ("scan", self.rescan) if self.rescan else ("scan",)
        acquisition = self._scan(protocol, scanner, patient, contrast, derive_seed(self.seed, name, *scan))
        return Case(
            case_id=f"phantom-{name}",
            source=PhantomSource(patient=patient, disease=disease, acquisition=acquisition),
            label=int(stream == "nonzero"),
            cac_score=round(disease.agatston, 3),
            group=acquisition.scanner,
            protocol=protocol,
            contrast=contrast,
            report=self._report(name, Findings(patient, disease, protocol, contrast)),
            weight=STENTED / self.stented if patient.stents else (1 - STENTED) / (1 - self.stented),
        )

    def _report(self, name: str, findings: Findings) -> str:
        """Write a case's report; '' where it has none."""
        if self.reports is None:
            return ""
        return write_report(findings, self.reports, derive_seed(self.seed, name, "report"))

    def _disease(self, seed: int) -> Disease:
        """Draw a positive's disease."""
        disease = self.disease.draw(seed)
        return disease if self.generation == 1 else crumbled(disease, seed)

    def _scan(
        self, protocol: Protocol, scanner: Scanner, patient: Patient, contrast: bool, seed: int
    ) -> Acquisition:
        """Draw how a patient is scanned."""
        if self.acquisitions == "varied":
            return draw_varied_acquisition(protocol, patient, contrast, seed, self.coverage_mm, self.matrix)
        return draw_acquisition(self._acquisition(protocol, scanner), patient, contrast, seed)

    def _turn(self, k: int) -> tuple[Protocol, Scanner, bool]:
        """Return protocol, scanner and contrast of the k-th turn."""
        protocols: tuple[Protocol, ...] = (
            ("cardiac", "chest") if self.protocol == "mixed" else (self.protocol,)
        )
        contrasts = CONTRAST_TURNS[self.contrast]
        k, scanner = divmod(k, len(self.scanners))
        k, protocol = divmod(k, len(protocols))
        return protocols[protocol], self.scanners[scanner], contrasts[k % len(contrasts)]

    def _acquisition(self, protocol: Protocol, scanner: Scanner) -> Acquisition:
        """Return the scanner's preset with what the declaration overrides."""
        own = ("field_of_view_mm", "pixel_mm", "coverage_mm", "slice_thickness_mm", "noise_sd_hu")
        override = {name: value for name in own if (value := getattr(self, name)) is not None}
        return Acquisition.model_validate(preset(protocol, scanner).model_dump() | override)


@lru_cache(maxsize=2)
def _listed(cohort: PhantomCohort) -> tuple[Case, ...]:
    """Return the cases of a cohort, drawn once: a command asks for them again and again."""
    return tuple(cohort._drawn())
