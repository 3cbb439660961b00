"""`studies/segmentation.yaml` as a model: cohorts to test on, segmenters to compare, and how a network is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from benchmark.errors import UserError
from benchmark.plugins import Cohort, Segmenter
from benchmark.registry import build, did_you_mean
from benchmark.segmentation.reference import ReferenceRule
from segmenters.denseraunet.plan import TrainingPlan


class SegmentationStudy(BaseModel):
    """What `cacbench segmentation` compares, and what `cacbench train` learns from."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="names the folder under results/")
    seed: int | str = 0
    cohorts: dict[str, Cohort] = Field(min_length=1, description="held-out scans, one cohort per protocol")
    segmenters: dict[str, Segmenter] = Field(
        min_length=1, description="the first is compared with the others"
    )
    reference: ReferenceRule = ReferenceRule()
    paired: tuple[str, str] | None = Field(
        None, description="two cohorts of the same patients (equal case ids), compared patient by patient"
    )
    replicates: int = Field(2000, ge=100, description="of the bootstrap over patients")
    training: TrainingPlan | None = None

    @field_validator("cohorts", "segmenters", mode="plain")
    @classmethod
    def _plugins(cls, specs: Any, info: ValidationInfo) -> Any:
        if not isinstance(specs, dict) or not specs:
            raise ValueError("must name at least one plug-in, as `name: {use: PLUGIN, …}`")
        built: dict[str, Any] = {}
        for name, spec in specs.items():
            context = {**(info.context or {}), "named": built}
            if isinstance(spec, (Cohort, Segmenter)):
                built[name] = spec
            elif info.field_name == "cohorts":
                built[name] = build("cohort", spec, info.context)
            else:
                built[name] = build("segmenter", {"use": name, **(spec or {})}, context)
        return built

    @model_validator(mode="after")
    def _names_exist(self) -> SegmentationStudy:
        for name in self.paired or ():
            if name not in self.cohorts:
                raise ValueError(
                    f"paired: {name!r} names no cohort of this study; {did_you_mean(name, self.cohorts)}"
                )
        return self

    @property
    def main(self) -> str:
        """The segmenter that the others are compared with."""
        return next(iter(self.segmenters))


def read_segmentation_study(path: Path) -> SegmentationStudy:
    """Read and validate a study of segmentation. Raises `UserError` with the file, the place and the remedy."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such study file; write one like studies/segmentation.yaml") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict) or "cohorts" not in content:
        raise UserError(
            f"{path}: holds no study of segmentation; it needs `name:`, `cohorts:` and `segmenters:`"
        )
    try:
        return SegmentationStudy.model_validate(content, context={"base": path.parent})
    except ValidationError as error:
        raise UserError("\n".join(_sentence(path, item) for item in error.errors())) from None


def _sentence(path: Path, item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"])
    message = (
        "unknown key" if item["type"] == "extra_forbidden" else item["msg"].removeprefix("Value error, ")
    )
    return f"{path}: {place}: {message}" if place else f"{path}: {message}"
