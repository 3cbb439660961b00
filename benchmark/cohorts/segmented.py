"""What cohorts of real scans share that may have segmentations beside their scans: the folder, and what names mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from benchmark.calcium.structures import BY_NAME, structure_called
from benchmark.case import Anomaly, Case
from benchmark.cohorts.scan_files import UnusableScan
from benchmark.cohorts.segmentations import IGNORE, SegmentedScan, holds_coronary_calcium
from benchmark.errors import CaseError, UserError
from benchmark.images.files import SUFFIXES
from benchmark.images.slicer.segments import SUFFIX, is_slicer_file
from benchmark.plugins import Cohort
from benchmark.plugins.declaration import did_you_mean
from benchmark.plugins.paths import StudyPath


def _known(declared: dict[int | str, str]) -> dict[int | str, str]:
    """Return the structures by their names in tables, whatever synonyms they are declared by."""
    known = {}
    for name, said in declared.items():
        structure = structure_called(said)
        if structure is None and said != IGNORE:
            raise ValueError(
                f"{name}: there is no structure {said!r}; {did_you_mean(said, [*BY_NAME, IGNORE])}"
            )
        known[name] = structure.name if structure else IGNORE
    return known


class SegmentedCohort(Cohort):
    """A cohort whose scans may have been segmented: coronary calcium by vessel, valves and great vessels by name."""

    segmentations: StudyPath | None = Field(
        None,
        description="folder with a file <case id>.seg.nrrd of 3D Slicer, or a label image, for every scan",
    )
    segments: Annotated[dict[int | str, str], AfterValidator(_known)] = Field(
        {},
        description="what segments of other names, or labels, are: {Ca proximal: LAD, 7: mitral valve, notes: ignore}",
    )
    without_segmentation: Literal["exclude", "zero"] = Field(
        "exclude",
        description="scans without a file: leave them out, or take them for free of coronary calcium",
    )

    def notices(self) -> list[str]:
        """Name the segmentations that belong to no case."""
        if self.segmentations is None:
            return []
        cases = self.cases()
        called = {name for case in cases for name in self._names(case)}
        named = {case.source.file for case in cases if isinstance(case.source, SegmentedScan)}
        files = sorted(path for path in self._folder().iterdir() if is_slicer_file(path))
        unused = [
            file.name for file in files if file not in named and file.name[: -len(SUFFIX)] not in called
        ]
        shown = f"{', '.join(unused[:3])}{' …' if len(unused) > 3 else ''}"
        return [f"{self.segmentations}: {len(unused)} files belong to no case: {shown}"] if unused else []

    def _names(self, case: Case) -> Sequence[str]:
        """Return what a case's segmentation may be called."""
        return (case.case_id,)

    def _segmented(self, case: Case, file: Path | None = None, resample: bool = False) -> Case:
        """Return the case with the segmentation that is called after it, or with the file; see the fields.

        Without a label of its own the case has that of the segmentation. Raises `UserError` for a folder that is none.
        """
        if (self.segmentations is None and file is None) or isinstance(case.source, UnusableScan):
            return case
        file = file or self._file(case)
        if file is None and self.without_segmentation == "exclude":
            reason = (
                f"no {case.case_id}{SUFFIX} among the segmentations; `without_segmentation: zero` takes such scans for "
                "free of calcium"
            )
            return replace(case, source=UnusableScan(reason))
        met = (
            case.anomalies
            if file
            else (*case.anomalies, Anomaly("scan without segmentation taken for zero", ""))
        )
        try:
            calcium = file is not None and holds_coronary_calcium(file, self.segments)
        except CaseError as error:
            return replace(case, source=UnusableScan(str(error)))
        if case.label not in (None, int(calcium)):
            met = (*met, Anomaly("label and segmentation disagree", f"label {case.label}"))
        source = SegmentedScan(case.source, file, self.segments, resample)
        return replace(
            case, source=source, label=int(calcium) if case.label is None else case.label, anomalies=met
        )

    def _file(self, case: Case) -> Path | None:
        folder = self._folder()
        places = (folder / f"{name}{suffix}" for name in self._names(case) for suffix in (SUFFIX, *SUFFIXES))
        return next((place for place in places if place.is_file()), None)

    def _folder(self) -> Path:
        assert self.segmentations is not None  # noqa: S101  asked for only where one is declared
        if not self.segmentations.is_dir():
            what = f"give the one with the files <case id>{SUFFIX} as `segmentations`"
            raise UserError(f"{self.segmentations}: no such folder; {what}")
        return self.segmentations
