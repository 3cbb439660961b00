"""What TotalSegmentator needs beside its package: a licence for some tasks, and weights for all of them.

Nothing here imports TotalSegmentator: what is missing can be said where nothing is installed. Names of folders and
places are those of version 2.18 (`totalsegmentator.map_tasks_config`, `totalsegmentator.config`).
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark.errors import UserError
from benchmark.networks.weights import Weights
from benchmark.plugins import Availability
from benchmark.plugins.base import Plugin
from benchmark.plugins.paths import StudyPath

if TYPE_CHECKING:
    from benchmark.networks.hub_download import Progress

Task = Literal["coronary_arteries", "total", "heartchambers_highres"]
DATASETS: dict[Task, dict[int, str]] = {
    "coronary_arteries": {
        509: "Dataset509_coronary_arteries_cm_nativ_400subj_SKELETON",
        298: "Dataset298_TotalSegmentator_total_6mm_1559subj",
    },
    "total": {
        293: "Dataset293_TotalSegmentator_part3_cardiac_1559subj",
        298: "Dataset298_TotalSegmentator_total_6mm_1559subj",
    },
    "heartchambers_highres": {
        301: "Dataset301_heart_highres_1559subj",
        297: "Dataset297_TotalSegmentator_total_3mm_1559subj",
    },
}
"""Per task its network, and the one that finds the heart to crop to. Of `total` heart and aorta need one of five."""
LICENSED: frozenset[Task] = frozenset({"coronary_arteries", "heartchambers_highres"})
LICENSED_DATASETS = frozenset({509, 301})
LICENCE_LENGTH = 18
LICENCE_PAGE = "https://backend.totalsegmentator.com/license-academic/"


def why_not_installed() -> str:
    """Return what to do where the package is missing; nothing where it is there."""
    if importlib.util.find_spec("totalsegmentator") is not None:
        return ""
    return "the package TotalSegmentator is not installed: pip install 'cacbench[totalsegmentator]'"


class Installation(Plugin):
    """Where licence and weights are and how long a scan may take: nothing here changes a result."""

    weights_folder: StudyPath | None = Field(
        None, description="folder with the Dataset… folders; none: where TotalSegmentator keeps them"
    )
    licence_file: StudyPath | None = Field(
        None, description="a file with the licence number alone; none: TotalSegmentator's config.json"
    )
    timeout_minutes: float = Field(60.0, gt=0, description="how long a scan may take; then it is excluded")

    def parameters(self) -> dict[str, Any]:
        """Return nothing: a result does not depend on it, and the licence is nobody's business."""
        return {}

    def fingerprint(self) -> str:
        """Return a constant: the weights' digest is part of the segmenter's fingerprint."""
        return ""

    @property
    def folder(self) -> Path:
        """The folder that holds the weights, as TotalSegmentator would find it."""
        if self.weights_folder is not None:
            return self.weights_folder
        configured = os.environ.get("TOTALSEG_WEIGHTS_PATH")
        return Path(configured) if configured else _home() / "nnunet" / "results"

    def licence(self) -> str:
        """Return the licence number, or nothing where there is none."""
        file = self.licence_file or _home() / "config.json"
        try:
            text = file.read_text(encoding="utf-8").strip()
            return text if self.licence_file else str(json.loads(text).get("license_number", ""))
        except (OSError, ValueError, AttributeError):
            return ""

    def why_no_licence(self, task: Task) -> str:
        """Return why the task may not run, and what to do; nothing if it may."""
        if task not in LICENSED:
            return ""
        number = self.licence()
        if not number:
            return (
                f"the task {task} needs a licence, free for non-commercial use ({LICENCE_PAGE}): get one, run "
                "`totalseg_set_license -l NUMBER` or give `installation: {licence_file: …}`"
            )
        if len(number) != LICENCE_LENGTH:
            return (
                f"the licence number has {len(number)} characters, not {LICENCE_LENGTH}: mend "
                f"{self.licence_file or 'TotalSegmentator’s config.json'}"
            )
        return ""

    def checkpoint(self, dataset: str) -> Path | None:
        """Return the network's weights of a dataset, if they are here."""
        return next(iter(sorted((self.folder / dataset).glob("*/fold_0/checkpoint_final.pth"))), None)

    def weights_files(self, task: Task) -> Iterator[Path]:
        """Yield every file that decides what the task's networks compute. Raises `UserError` if one is missing."""
        for dataset in DATASETS[task].values():
            checkpoint = self.checkpoint(dataset)
            if checkpoint is None:
                raise UserError(f"{self.folder / dataset}: no weights; run `cacbench weights --fetch`")
            yield checkpoint
            yield from (checkpoint.parents[1] / name for name in ("plans.json", "dataset.json"))


class DatasetWeights(Weights):
    """The weights of one of TotalSegmentator's networks, as `cacbench weights` shows and fetches them."""

    installation: Installation
    task: Task
    number: int

    def __str__(self) -> str:
        """Name the folder."""
        return DATASETS[self.task][self.number]

    def locate(self) -> Path | None:
        """Return the checkpoint, if it is here."""
        return self.installation.checkpoint(str(self))

    def path(self) -> Path:
        """Return the checkpoint. Raises `UserError` if it is not here: nothing is fetched unless told."""
        if (checkpoint := self.locate()) is None:
            raise UserError(
                f"{self.installation.folder / str(self)}: no weights; run `cacbench weights --fetch`"
            )
        return checkpoint

    def availability(self) -> Availability:
        """Say whether the weights could be fetched: that takes the package and, for some, a licence."""
        licensed = self.number in LICENSED_DATASETS
        reasons = [why_not_installed(), self.installation.why_no_licence(self.task) if licensed else ""]
        return Availability(ready=not any(reasons), reason="; ".join(filter(None, reasons)))

    def fetch(self, progress: Progress | None = None) -> Path:
        """Let TotalSegmentator download the weights. Raises `UserError` saying why that failed."""
        from segmenters.totalsegmentator.process import ProcessError, run

        if self.locate() is None:
            folder = self.installation.folder
            request = {"action": "fetch", "number": self.number, "weights": str(folder.resolve())}
            try:
                run({**request, "licence": self.installation.licence()}, timeout_s=6 * 3600)
            except ProcessError as error:
                raise UserError(f"the weights {self} could not be fetched: {error}") from error
        return self.path()


def _home() -> Path:
    configured = os.environ.get("TOTALSEG_HOME_DIR")
    return Path(configured) if configured else Path.home() / ".totalsegmentator"
