"""Random forest (scikit-learn)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from classifiers.tabular import TabularClassifier, Values


class RandomForest(TabularClassifier):
    """`sklearn.ensemble.RandomForestClassifier`; a forest's first 100 trees are the forest of 100."""

    stages: ClassVar[str | None] = "n_estimators"

    grid: dict[str, Values] = Field(
        {"n_estimators": (100, 200, 300), "max_features": ("sqrt", 0.3), "min_samples_leaf": (1, 3)},
        description="values to try of each parameter of RandomForestClassifier",
    )

    def model(self, seed: int) -> Any:
        """Return the unfitted forest."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(random_state=seed, n_jobs=1)

    def fitted_in_search(self, model: Any, X: Any, y: Any) -> Any:
        """Grow the trees alone."""
        from classifiers.grown_forest import grow

        return grow(model, X, y)

    def staged_probabilities(self, model: Any, X: Any, stages: list[int]) -> Any:
        """Average the first trees' probabilities."""
        from classifiers.grown_forest import trees_of

        return trees_of(model).staged_probabilities(X, stages)
