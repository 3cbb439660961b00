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
from benchmark.cohorts.segmentations import IGNORE, SegmentedScan, holds_coronary_calcium, unused_files
from benchmark.errors import CaseError, UserError
from benchmark.images.files import SUFFIXES
from benchmark.images.segments import SUFFIX
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
        used = [case.source.file for case in self.cases() if isinstance(case.source, SegmentedScan)]
        unused = unused_files(self.segmentations, [file for file in used if file])
        shown = f"{', '.join(unused[:3])}{' …' if len(unused) > 3 else ''}"
        return [f"{self.segmentations}: {len(unused)} files belong to no case: {shown}"] if unused else []

    def _segmented(self, case: Case, *names: str, file: Path | None = None, resample: bool = False) -> Case:
        """Return the case with the segmentation that is called after one of the names, or is given; see the fields.

        Without a label of its own the case has that of the segmentation. Raises `UserError` for a folder that is none.
        """
        if (self.segmentations is None and file is None) or isinstance(case.source, UnusableScan):
            return case
        file = file or self._file(names or (case.case_id,))
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

    def _file(self, names: Sequence[str]) -> Path | None:
        folder = self.segmentations
        if folder is None:
            return None
        if not folder.is_dir():
            raise UserError(
                f"{folder}: no such folder; give the one with the files <case id>{SUFFIX} as `segmentations`"
            )
        places = (folder / f"{name}{suffix}" for name in names for suffix in (SUFFIX, *SUFFIXES))
        return next((place for place in places if place.is_file()), None)
