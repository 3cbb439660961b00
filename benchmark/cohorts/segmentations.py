"""Segmentations that somebody drew on the scans of a cohort: one file a case, in it named segments.

Coronary segments become the mask ``lesions``, and all segments together the mask ``anatomy``, which says where calls
lie that are no coronary calcium. Labels are those of `benchmark.calcium.structures`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.calcium.structures import BY_NAME, STRUCTURES, Structure, structure_called
from benchmark.case import Anomaly, Problem, Scan, ScanSource
from benchmark.cohorts.scan_files import digest_of_file, nameless
from benchmark.errors import CaseError
from benchmark.images.slicer.segments import (
    Segment,
    Segmentation,
    is_slicer_file,
    read_segmentation,
    segments_of,
)
from benchmark.plugins.fingerprint import code_digest, digest_of

if TYPE_CHECKING:
    import SimpleITK as sitk

SEGMENTATION = "the segmentation"
IGNORE = "ignore"
"""What a segment is declared to be that says nothing of calcium."""
NAMES = {
    "lesions": {s.label: s.name for s in STRUCTURES if s.coronary},
    "anatomy": {s.label: s.name for s in STRUCTURES},
}

Declared = Mapping[int | str, str]
"""Names of segments, or labels of a label image, to names of structures or `IGNORE`."""


@dataclass(frozen=True)
class SegmentedScan:
    """A scan and the file of what was drawn on it; without a file nothing was, and the scan is free of calcium."""

    scan: ScanSource
    file: Path | None
    declared: Declared = field(default_factory=dict)
    resample: bool = False

    def load(self) -> Scan:
        """Read the scan; its masks ``lesions`` and ``anatomy`` are of the segments. Raises `CaseError`."""
        scan = self.scan.load()
        masks, met = _masks(self._drawn(scan.image), scan.image, self.declared)
        return Scan(
            scan.image,
            {**scan.masks, **masks},
            (*scan.anomalies, *met),
            reach_mm=scan.reach_mm,
            label_names={**scan.label_names, **NAMES},
        )

    @property
    def mask_names(self) -> tuple[str, ...]:
        """The names of the masks."""
        return tuple(dict.fromkeys((*(getattr(self.scan, "mask_names", None) or ()), *NAMES)))

    def problems(self, deep: bool = False) -> list[Problem]:
        """Return what is wrong with the scan, and with the names of the segments; deep: as `load` would find."""
        problems = getattr(self.scan, "problems", None)
        if found := list(problems(deep)) if problems else []:
            return found
        try:
            if deep:
                self.load()
            else:
                self.check()
        except CaseError as error:
            return [Problem(str(self.file), str(error))]
        return []

    def check(self) -> None:
        """Raise `CaseError` if the header of the file names a segment of unknown meaning."""
        if self.file is not None and is_slicer_file(self.file):
            for segment in segments_of(self.file):
                meaning_of(segment, self.declared)

    def digest(self) -> str:
        """Return the SHA-256 of the files' bytes and of what the segments are declared to be."""
        return digest_of(
            {
                "scan": self.scan.digest(),
                "segmentation": digest_of_file(SEGMENTATION, self.file) if self.file else "",
                "declared": {str(name): structure for name, structure in self.declared.items()},
                "resample": self.resample,
                "code": code_digest(__name__),
            }
        )

    def _drawn(self, image: sitk.Image) -> Segmentation:
        if self.file is None:
            return Segmentation("", (), ())
        with nameless(SEGMENTATION, self.file):
            return read_segmentation(self.file).laid_on(image, resample=self.resample)


def meaning_of(segment: Segment, declared: Declared) -> Structure | None:
    """Return the structure that a segment is, None for one to ignore. Raises `CaseError` for an unknown name."""
    said = {str(name).strip().lower(): structure for name, structure in declared.items()}
    if (name := said.get(segment.name.strip().lower())) is not None:
        return BY_NAME.get(name)
    if (structure := structure_called(segment.name)) is None:
        named = segment.name if segment.name.isdigit() else repr(segment.name)
        raise CaseError(
            f"{SEGMENTATION}: its segment {named} is none of the known structures ({', '.join(BY_NAME)}); rename it, "
            f"or say what it is, as in `segments: {{{named}: LAD}}`; `{IGNORE}` leaves it out"
        )
    return structure


def holds_coronary_calcium(file: Path, declared: Declared) -> bool:
    """Say whether a coronary segment of the file has a voxel. Raises `CaseError`."""
    with nameless(SEGMENTATION, file):
        return _holds(file, file.stat().st_mtime_ns, tuple(declared.items()))


@cache  # cases are listed several times in a run, and a file takes a quarter of a second
def _holds(file: Path, changed: int, items: tuple[tuple[int | str, str], ...]) -> bool:
    drawn, declared = read_segmentation(file), dict(items)
    meant = [(segment, meaning_of(segment, declared)) for segment in drawn.segments]
    return any(drawn.voxels(segment).any() for segment, it in meant if it is not None and it.coronary)


def _masks(
    drawn: Segmentation, image: sitk.Image, declared: Declared
) -> tuple[dict[str, sitk.Image], tuple[Anomaly, ...]]:
    """Return the two masks on the image's grid, and what was met.

    Where segments overlap the first one counts, a coronary one before the others.
    """
    import SimpleITK as sitk

    meant = [(segment, meaning_of(segment, declared)) for segment in drawn.segments]
    kept = [(segment, structure) for segment, structure in meant if structure is not None]
    labels = np.zeros(image.GetSize()[::-1], np.uint8)
    met = []
    for segment, structure in sorted(kept, key=lambda pair: not pair[1].coronary):
        voxels = drawn.voxels(segment)
        if not voxels.any():
            met.append(Anomaly("empty segment", segment.name))
        if (other := voxels & (labels > 0) & (labels != structure.label)).any():
            what = f"{int(other.sum())} voxels of {segment.name} are another segment's, too"
            met.append(Anomaly("overlapping segments", what))
        labels[voxels & (labels == 0)] = structure.label
    coronary = np.where(np.isin(labels, list(NAMES["lesions"])), labels, 0)
    masks = {
        name: sitk.GetImageFromArray(array) for name, array in (("lesions", coronary), ("anatomy", labels))
    }
    for mask in masks.values():
        mask.CopyInformation(image)
    return masks, tuple(met)
