"""`studies/segmentation.yaml` as a model: cohorts to test on, segmenters to compare, and how a network is trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from benchmark.calcium.truth import ReferenceRule
from benchmark.errors import UserError
from benchmark.plugins import Cohort, Segmenter
from benchmark.plugins.declaration import Declaration, did_you_mean, mistake
from benchmark.plugins.registry import all_declared, build
from benchmark.plugins.training import Trainer
from benchmark.study.reading import read_declaration, validated


def _trainer(declared: Any, info: ValidationInfo) -> Any:
    if not isinstance(declared, Mapping):
        return declared
    return build("trainer", {"use": "denseraunet", **declared}, info.context)


class SegmentationStudy(Declaration):
    """What `cacbench segmentation` compares, and what `cacbench train` learns from."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="names the folder under results/")
    seed: int | str = 0
    cohorts: Annotated[dict[str, Cohort], all_declared("cohort")] = Field(
        min_length=1, description="held-out scans, one cohort per protocol"
    )
    segmenters: Annotated[dict[str, Segmenter], all_declared("segmenter")] = Field(
        min_length=1, description="the first is compared with the others"
    )
    reference: ReferenceRule = ReferenceRule()
    paired: tuple[str, str] | None = Field(
        None, description="two cohorts of the same patients (equal case ids), compared patient by patient"
    )
    replicates: int = Field(2000, ge=100, description="of the bootstrap over patients")
    training: Annotated[Trainer | None, BeforeValidator(_trainer)] = Field(
        None,
        description="how `cacbench train` makes weights; the trainer is DenseRAUnet's unless `use` names another",
    )

    @model_validator(mode="after")
    def _names_exist(self) -> SegmentationStudy:
        for name in self.paired or ():
            if name not in self.cohorts:
                hint = did_you_mean(name, self.cohorts)
                raise mistake("paired", message=f"{name!r} names no cohort of this study; {hint}")
        return self

    @property
    def main(self) -> str:
        """The segmenter that the others are compared with."""
        return next(iter(self.segmenters))


def read_segmentation_study(path: Path) -> SegmentationStudy:
    """Read and validate a study of segmentation. Raises `UserError` with the file, the place and the remedy."""
    text, content = read_declaration(path, example="studies/segmentation.yaml")
    if "cohorts" not in content:
        raise UserError(f"{path}: holds no study of segmentation; write one like studies/segmentation.yaml")
    return validated(SegmentationStudy, content, path, text)
