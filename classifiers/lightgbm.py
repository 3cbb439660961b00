"""Gradient-boosted trees (LightGBM)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from pydantic import Field

from classifiers.tabular import TabularClassifier, Values


class LightGBM(TabularClassifier):
    """`lightgbm.LGBMClassifier`; the first 50 boosting rounds are the model of 50."""

    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn", "lightgbm")
    stages: ClassVar[str | None] = "n_estimators"

    grid: dict[str, Values] = Field(
        {"n_estimators": (50, 100, 200), "num_leaves": (4, 15), "learning_rate": (0.05, 0.2)},
        description="values to try of each parameter of LGBMClassifier",
    )

    def model(self, seed: int) -> Any:
        """Return the unfitted booster."""
        from lightgbm import LGBMClassifier

        # Left to choose, LightGBM times rows against columns, and a clock must not decide a result.
        return LGBMClassifier(
            random_state=seed, n_jobs=1, deterministic=True, force_row_wise=True, verbosity=-1
        )

    def parameter_names(self) -> Collection[str]:
        """Return those of LGBMClassifier, and LightGBM's own with their aliases."""
        from lightgbm.basic import _ConfigAliases  # it lists its parameters nowhere else

        aliases_by_name = _ConfigAliases._get_all_param_aliases()
        return {
            *super().parameter_names(),
            *aliases_by_name,
            *(alias for aliases in aliases_by_name.values() for alias in aliases),
        }

    def staged_probabilities(self, model: Any, X: Any, stages: list[int]) -> Any:
        """Predict from the first rounds of the booster."""
        import numpy as np

        return np.stack([model.predict_proba(X, num_iteration=stage) for stage in stages])
