"""Coronary arteries, heart, aorta or heart chambers as TotalSegmentator finds them.

Wasserthal et al., Radiol Artif Intell 2023;5:e230024. The coronary task was trained mostly on contrast CT; on scans
without contrast the maintainers warn of empty masks (issues 26, 333 and 355 of their repository). A scan in which
nothing is found is excluded, and `cacbench quality` counts how many were.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator

from benchmark.case import Scan
from benchmark.errors import CaseError
from benchmark.networks.hub_download import sha256_of
from benchmark.networks.inference import ResolvedDevice
from benchmark.plugins import Availability, Segmenter
from benchmark.plugins.declaration import Once
from benchmark.plugins.fingerprint import digest_of
from segmenters.reference import ReferenceSegmenter
from segmenters.totalsegmentator.installation import (
    DATASETS,
    DatasetWeights,
    Installation,
    Task,
    why_not_installed,
)

if TYPE_CHECKING:
    import SimpleITK as sitk

LABELS: dict[Task, dict[str, int]] = {
    "coronary_arteries": {"coronary_arteries": 1},
    "total": {"heart": 51, "aorta": 52},
    "heartchambers_highres": {
        "heart_myocardium": 1,
        "heart_atrium_left": 2,
        "heart_ventricle_left": 3,
        "heart_atrium_right": 4,
        "heart_ventricle_right": 5,
        "aorta": 6,
        "pulmonary_artery": 7,
    },
}
"""What each task finds, with its labels; of `total` what concerns the heart."""


class TotalSegmentatorSegmenter(Segmenter):
    """Structures found by TotalSegmentator, in a process of its own; labels are TotalSegmentator's."""

    expensive: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ("totalsegmentator", "nnunetv2", "torch")

    task: Task = Field("coronary_arteries", description="which of TotalSegmentator's tasks")
    structures: Annotated[tuple[str, ...] | None, Once] = Field(
        None, min_length=1, description="which of the task's structures to take; none: all of them"
    )
    dilation_mm: float = Field(0.0, ge=0, description="how far the surface moves outwards, in mm")
    device: ResolvedDevice = Field("auto", validate_default=True, description="auto: a GPU if there is one")
    installation: Installation = Field(Installation(), description="licence, weights and time-out")

    @field_validator("structures", mode="after")
    @classmethod
    def _known(cls, structures: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        known = LABELS[info.data["task"]] if "task" in info.data else {}
        unknown = [name for name in structures or () if name not in known]
        if unknown and known:
            raise ValueError(
                f"{info.data['task']} finds no {', '.join(unknown)}; it finds {', '.join(known)}"
            )
        return structures

    @property
    def weights(self) -> tuple[DatasetWeights, ...]:
        """The sets of weights that the task needs."""
        return tuple(
            DatasetWeights(installation=self.installation, task=self.task, number=number)
            for number in DATASETS[self.task]
        )

    def availability(self) -> Availability:
        """Say precisely what is missing, of package, licence and weights, and how to get it."""
        missing = [str(weights) for weights in self.weights if weights.locate() is None]
        lacking = f"the weights {', '.join(missing)} are not in {self.installation.folder}"
        reasons = [
            why_not_installed(),
            self.installation.why_no_licence(self.task),
            f"{lacking}: run `cacbench weights --fetch`" if missing else "",
        ]
        return Availability(ready=not any(reasons), reason="; ".join(filter(None, reasons)))

    def weights_digest(self) -> str:
        """Return the SHA-256 of the digests of all files of the task's networks. Raises `UserError`."""
        return digest_of([sha256_of(file) for file in self.installation.weights_files(self.task)])

    def region_key(self) -> str:
        """Return what identifies the region before dilation: one run of the network serves every dilation."""
        return self.model_copy(update={"dilation_mm": 0.0}).fingerprint()

    def segment(self, scan: Scan) -> sitk.Image:
        """Return the structures on the scan's grid. Raises `CaseError` if none is found or the process fails."""
        mask = scan.region(self.region_key(), lambda: self._segment_structures(scan.image))
        if not self.dilation_mm:
            return mask
        return ReferenceSegmenter(dilation_mm=self.dilation_mm).segment(Scan(scan.image, {"coronary": mask}))

    def _segment_structures(self, image: sitk.Image) -> sitk.Image:
        import numpy as np
        import SimpleITK as sitk

        mask = self._run(image)
        wanted = [LABELS[self.task][name] for name in self.structures or LABELS[self.task]]
        labels = sitk.GetArrayFromImage(mask)
        labels[~np.isin(labels, wanted)] = 0
        if not labels.any():
            names = ", ".join(self.structures or LABELS[self.task])
            raise CaseError(f"TotalSegmentator found no {names}")
        structures = sitk.GetImageFromArray(labels)
        structures.CopyInformation(image)
        return structures

    def _run(self, image: sitk.Image) -> sitk.Image:
        """Return what the task found, a label image on the image's grid."""
        import SimpleITK as sitk

        from benchmark.images.reading import read_mask
        from segmenters.totalsegmentator.process import ProcessError, run

        with tempfile.TemporaryDirectory(prefix="cacbench-") as folder:
            before, after = Path(folder, "ct.nii"), Path(folder, "found.nii")
            sitk.WriteImage(image, str(before))
            try:
                run(self._request(before, after), self.installation.timeout_minutes * 60)
            except ProcessError as error:
                raise CaseError(f"TotalSegmentator failed: {error}") from error
            return read_mask(after, image, empty=True)

    def _request(self, image: Path, out: Path) -> dict[str, Any]:
        subset = list(self.structures or LABELS["total"]) if self.task == "total" else None
        return {
            "action": "segment",
            "image": str(image),
            "out": str(out),
            "task": self.task,
            "structures": subset,
            "device": self.device,
            "weights": str(self.installation.folder.resolve()),
            "licence": self.installation.licence(),
        }
