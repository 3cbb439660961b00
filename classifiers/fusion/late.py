"""Late fusion: a model of the image, a model of the report, and the weights of both learnt in the training fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field, PrivateAttr

from benchmark.plugins import Classifier
from benchmark.plugins.base import WHOLE

Numbers = tuple[float, ...]


class LateFusion(Classifier):
    """Stacked logistic regressions of image features and of a report's; without a report the image alone decides.

    Each fold of the stacking lies in the training fold and keeps patients whole. For extractors with another `beside`.
    """

    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn",)

    correlation_threshold: float | None = Field(
        0.9,
        gt=0,
        le=1,
        description="drop an image feature that correlates more with an earlier one; null: keep all",
    )
    image_c: Numbers = Field(
        (0.003, 0.03, 0.3), min_length=1, description="values to try of C in the image's LogisticRegression"
    )
    report_c: Numbers = Field(
        (0.3, 3.0), min_length=1, description="values to try of C in the report's LogisticRegression"
    )
    folds: int = Field(5, ge=2, le=20, description="of the stacking, within the training cases")

    _columns: tuple[str, ...] = PrivateAttr(())

    @property
    def parts_columns(self) -> bool:
        """Yes."""
        return True

    @property
    def keeps_whole(self) -> bool:
        """Yes: it has folds of its own."""
        return True

    def told(self, columns: Sequence[str]) -> LateFusion:
        """Return itself knowing which columns are of reports, and which says what must not be parted."""
        knowing = self.model_copy()
        knowing._columns = tuple(columns)
        return knowing

    def estimator(self, seed: int) -> Any:
        """Return the pipeline, in which the stack does all there is to do."""
        from sklearn.pipeline import Pipeline

        from classifiers.fusion.blocks import coordinate_columns, given_column, report_columns
        from classifiers.fusion.stacking import StackedReport

        columns = self._columns
        stack = StackedReport(
            report_columns(columns),
            given_column(columns),
            columns.index(WHOLE) if WHOLE in columns else None,
            coordinates=coordinate_columns(columns),
            correlation_threshold=self.correlation_threshold,
            folds=self.folds,
            seed=seed,
        )
        return Pipeline([("columns", "passthrough"), ("model", stack)])

    def parameter_grid(self) -> dict[str, list[Any]]:
        """Return the grid over both regressions."""
        return {"model__image_c": list(self.image_c), "model__report_c": list(self.report_c)}
