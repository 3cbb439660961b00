"""Ridge-penalised logistic regression (scikit-learn)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from classifiers.tabular import TabularClassifier, Values


class LogisticRegression(TabularClassifier):
    """`sklearn.linear_model.LogisticRegression` with an L2 penalty on standardised features."""

    scale: ClassVar[bool] = True

    grid: dict[str, Values] = Field(
        {"C": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)},
        description="values to try of each parameter of LogisticRegression",
    )

    def model(self, seed: int) -> Any:
        """Return the unfitted model; its solver is deterministic, `seed` is not needed."""
        from sklearn.linear_model import LogisticRegression as Model

        return Model(max_iter=5000)
