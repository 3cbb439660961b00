"""The contract of trainers, which make weights of segmenters; declared under `training:` of a segmentation study."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.execution.execution import Execution
from benchmark.plugins.base import Plugin

Report = Callable[[int, Mapping[str, float]], None]
"""Told the step and what is newly known, e.g. loss and validation F1."""


@dataclass(frozen=True)
class TrainingJob:
    """One network to train: where its weights go, and what carries and shows the work."""

    network: str
    """One of the trainer's `networks`."""
    out: Path
    resume: bool
    """Whether to go on from the checkpoint."""
    device: Any
    precision: Any
    execution: Callable[[], AbstractContextManager[Execution]]
    """Opens what carries the work on the scans; closed while the network learns, which takes all cores."""
    watch: Callable[[Mapping[str, Any], int, int], AbstractContextManager[Report]]
    """Given the parameters on record, all steps and those done, shows and logs a training."""
    start: Path | None = None
    """Weights to go on learning from (fine-tuning), a file or the name of one that ships; none: new ones."""
    domain_alone: bool = False
    """Whether to train nothing and only measure what scans the weights in `out`, which exist, learnt from."""

    @property
    def checkpoint(self) -> Path:
        """The file that an interrupted training goes on from."""
        return self.out.with_suffix(".checkpoint.safetensors")


class Trainer(Plugin):
    """Makes the weights of a segmenter. Its field `networks` names what can be trained."""

    networks: Mapping[str, Any]

    @abstractmethod
    def train(self, job: TrainingJob) -> str:
        """Write the weights and return a sentence about them. Raises `UserError`."""
