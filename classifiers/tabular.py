"""What the built-in classifiers share: the feature filter and a grid over the model's parameters."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from benchmark.plugins import Classifier
from benchmark.plugins.declaration import did_you_mean, mistake

Values = Annotated[tuple[bool | int | float | str | None, ...], Field(min_length=1)]


class TabularClassifier(Classifier):
    """A model behind the constant and correlation filters; subclasses say which model and which grid."""

    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    scale: ClassVar[bool] = False

    correlation_threshold: float | None = Field(
        0.9, gt=0, le=1, description="drop a feature that correlates more with an earlier one; null: keep all"
    )
    grid: dict[str, Values] = Field(description="values to try of each of the model's parameters")

    @model_validator(mode="after")
    def _grid_fits_the_model(self) -> Self:
        if "grid" in self.model_fields_set:  # to know the names takes a heavy import
            known = self.parameter_names()
            for name in self.grid:
                if name not in known:
                    raise mistake("grid", name, message=f"unknown parameter; {did_you_mean(name, known)}")
        return self

    def parameter_names(self) -> Collection[str]:
        """Return the names of the model's parameters."""
        names: dict[str, Any] = self.model(seed=0).get_params()
        return names

    @abstractmethod
    def model(self, seed: int) -> Any:
        """Return the unfitted model, single-threaded."""

    def estimator(self, seed: int) -> Any:
        """Return the pipeline of filters and model."""
        from classifiers.preprocessing import feature_pipeline

        return feature_pipeline(
            self.model(seed), correlation_threshold=self.correlation_threshold, scale=self.scale
        )

    def parameter_grid(self) -> dict[str, list[Any]]:
        """Return the grid over the step ``model``."""
        return {f"model__{name}": list(values) for name, values in self.grid.items()}
