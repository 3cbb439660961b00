"""Gradient-boosted trees (XGBoost)."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any, ClassVar

from pydantic import Field

from classifiers.tabular import TabularClassifier, Values

_NATIVE = (
    "updater",
    "refresh_leaf",
    "process_type",
    "max_cached_hist_node",
    "sample_type",
    "normalize_type",
    "rate_drop",
    "one_drop",
    "skip_drop",
    "feature_selector",
    "top_k",
)
"""Parameters of XGBoost's trees, DART and linear boosters that XGBClassifier passes on but does not list."""


class XGBoost(TabularClassifier):
    """`xgboost.XGBClassifier`; the first 50 boosting rounds are the model of 50."""

    libraries: ClassVar[tuple[str, ...]] = (
        "scikit-learn",
        # the distribution that pyproject.toml takes on this system
        "xgboost-cpu" if sys.platform == "linux" else "xgboost",
    )
    stages: ClassVar[str | None] = "n_estimators"

    grid: dict[str, Values] = Field(
        {"n_estimators": (50, 100, 200), "max_depth": (2, 4), "learning_rate": (0.05, 0.2)},
        description="values to try of each parameter of XGBClassifier",
    )

    def model(self, seed: int) -> Any:
        """Return the unfitted booster."""
        from xgboost import XGBClassifier

        return XGBClassifier(random_state=seed, n_jobs=1, tree_method="hist", device="cpu")

    def parameter_names(self) -> Collection[str]:
        """Return those of XGBClassifier, and those it passes on."""
        return {*super().parameter_names(), *_NATIVE}

    def staged_probabilities(self, model: Any, X: Any, stages: list[int]) -> Any:
        """Predict from the first rounds of the booster."""
        import numpy as np

        return np.stack([model.predict_proba(X, iteration_range=(0, stage)) for stage in stages])
