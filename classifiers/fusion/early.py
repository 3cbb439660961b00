"""Early fusion: one logistic regression on image features and the report's together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field, PrivateAttr

from benchmark.plugins import Classifier

Numbers = tuple[float, ...]


class EarlyFusion(Classifier):
    """Ridge-penalised logistic regression on filtered, standardised image features beside those of a report.

    Of a report's terms it takes TF-IDF, of an embedding the standardised coordinates. All of it is fitted in the
    training fold. Where an extractor has but one of the two it learns from that, so that image, text and both are
    compared under one learner. A case without a report has zeros for all of the report's.
    """

    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn",)

    correlation_threshold: float | None = Field(
        0.9,
        gt=0,
        le=1,
        description="drop an image feature that correlates more with an earlier one; null: keep all",
    )
    C: Numbers = Field(
        (0.003, 0.03, 0.3, 3.0), min_length=1, description="values to try of LogisticRegression's C"
    )
    report_weight: Numbers = Field(
        (1.0, 5.0),
        min_length=1,
        description="values to try of the weight of the report beside image features",
    )

    _report: tuple[int, ...] = PrivateAttr(())
    _coordinates: tuple[int, ...] = PrivateAttr(())

    @property
    def parts_columns(self) -> bool:
        """Yes."""
        return True

    def told(self, columns: Sequence[str]) -> EarlyFusion:
        """Return itself knowing which columns are of reports."""
        from classifiers.fusion.blocks import coordinate_columns, report_columns

        knowing = self.model_copy()
        knowing._report, knowing._coordinates = report_columns(columns), coordinate_columns(columns)
        return knowing

    def estimator(self, seed: int) -> Any:
        """Return the pipeline of both kinds' preparation and the model; its solver is deterministic."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import Pipeline

        from classifiers.fusion.blocks import Blocks

        blocks = Blocks(self._report, self._coordinates, self.correlation_threshold)
        return Pipeline([("blocks", blocks), ("model", LogisticRegression(max_iter=5000))])

    def parameter_grid(self) -> dict[str, list[Any]]:
        """Return the grid; the weight of the report matters only where there are both kinds."""
        return {"blocks__report_weight": list(self.report_weight), "model__C": list(self.C)}
