"""orCaScore: cardiac CT of four vendors with reference masks of calcified lesions.

Wolterink et al., Med Phys 2016;43:2361. The folder holds ``Images/TRV<v>P<p>CTI.mhd`` (calcium scoring, without
contrast) and ``…CTAI.mhd`` (CT angiography) of vendor v and patient p, and somewhere below it the reference masks
``TRV<v>P<p>R.mhd`` on the grid of the scoring scan: 1 LAD with the left main, 2 LCX, 3 RCA, voxels above 130 HU in
3-D components of 6 neighbours. Only the training set has references, so only its scans become cases.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from benchmark.case import Anomaly, Case, ScanSource
from benchmark.cohorts.scan_files import FileScan, UnusableScan, nameless
from benchmark.errors import CaseError, UserError
from benchmark.plugins import Cohort
from benchmark.plugins.paths import StudyPath

IMAGE = re.compile(r"(TRV(\d+)P\d+)(CTA?)I\.mhd")
REFERENCE = re.compile(r"(TRV\d+P\d+)(?:CT)?R\.mhd")
KNOWN_LABELS = {0, 1, 2, 3}
LABEL_NAMES = {"lesions": {1: "LAD with LM", 2: "LCx", 3: "RCA"}}


class OrCaScoreCohort(Cohort):
    """The training scans of orCaScore; a case is positive if its reference mask holds anything."""

    libraries: ClassVar[tuple[str, ...]] = ("SimpleITK",)

    path: StudyPath = Field(description="the folder Training_set")
    images: Literal["non_contrast", "contrast"] = Field(
        "non_contrast", description="the calcium scoring scans, with masks, or the angiographies, without"
    )

    def parameters(self) -> dict[str, Any]:
        """Return the parameters without the path: the cases carry digests of their files instead."""
        return {name: value for name, value in super().parameters().items() if name != "path"}

    def fingerprint(self) -> str:
        """Return the fingerprint, which does not depend on where the files are."""
        return Cohort.fingerprint(self.model_copy(update={"path": Path()}))

    def cases(self) -> list[Case]:
        """List the scans by name; the masks are read for the labels. Raises `UserError`."""
        if not self.path.is_dir():
            raise UserError(f"{self.path}: no such folder; give the folder Training_set as `path`")
        kind = "CT" if self.images == "non_contrast" else "CTA"
        images = {name: file for (name, found), file in self._images().items() if found == kind}
        if not images:
            raise UserError(
                f"{self.path}: no file like TRV1P1{kind}I.mhd below it; give the folder Training_set"
            )
        references = self._references()
        return [
            self._case(name, images[name], references.get(name, [])) for name in sorted(images, key=_order)
        ]

    def _images(self) -> dict[tuple[str, str], Path]:
        matches = ((IMAGE.fullmatch(file.name), file) for file in sorted(self.path.rglob("*I.mhd")))
        return {(match[1], match[3]): file for match, file in matches if match}

    def _references(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for file in sorted(self.path.rglob("*R.mhd")):
            if match := REFERENCE.fullmatch(file.name):
                found[match[1]].append(file)
        return found

    def _case(self, name: str, image: Path, references: list[Path]) -> Case:
        vendor = name[2:].partition("P")[0]
        contrast = self.images == "contrast"
        source, label, met = self._labelled(name, image, references)
        return Case(name, source, label, group=vendor, protocol="cardiac", contrast=contrast, anomalies=met)

    def _labelled(
        self, name: str, image: Path, references: list[Path]
    ) -> tuple[ScanSource, int | None, tuple[Anomaly, ...]]:
        if len(references) != 1:
            reason = f"{name} has {len(references)} reference masks {name}R.mhd; it needs one"
            return UnusableScan(reason), None, ()
        try:
            with nameless("the reference mask", references[0]):
                labels = _labels(references[0])
        except CaseError as error:
            return UnusableScan(str(error)), None, ()
        strange = sorted(labels - KNOWN_LABELS)
        met = (Anomaly("unknown label in the reference mask", f"labels {strange}"),) if strange else ()
        masks = {"lesions": references[0]} if self.images == "non_contrast" else {}
        return FileScan(image, masks, label_names=LABEL_NAMES), int(bool(labels - {0})), met


def _order(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", name))


def _labels(file: Path) -> set[int]:
    import numpy as np
    import SimpleITK as sitk

    from benchmark.images.reading import read_mask

    return set(np.unique(sitk.GetArrayFromImage(read_mask(file, empty=True))).tolist())
