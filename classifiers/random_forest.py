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

    def staged_probabilities(self, model: Any, X: Any, stages: list[int]) -> Any:
        """Average the first trees' probabilities in the order in which scikit-learn adds them up."""
        import numpy as np

        values = X.astype(np.float32)  # as the forest does once for all its trees, which then need no check
        total = np.zeros((len(X), len(model.classes_)))
        at = {}
        for count, tree in enumerate(model.estimators_[: max(stages)], start=1):
            total += tree.predict_proba(values, check_input=False)
            if count in stages:
                at[count] = total / count
        return np.stack([at[stage] for stage in stages])
