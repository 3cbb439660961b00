"""What the built-in classifiers share: the feature filter and a grid over the model's parameters."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from pydantic import Field

from benchmark.plugins import Classifier

Values = tuple[int | float | str | None, ...]


class TabularClassifier(Classifier):
    """A model behind the constant and correlation filters; subclasses say which model and which grid."""

    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    sources: ClassVar[tuple[str, ...]] = ("classifiers.tabular", "classifiers.preprocessing")
    scale: ClassVar[bool] = False

    correlation_threshold: float | None = Field(
        0.9, gt=0, le=1, description="drop a feature that correlates more with an earlier one; null: keep all"
    )
    grid: dict[str, Values] = Field(description="values to try of each of the model's parameters")

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
