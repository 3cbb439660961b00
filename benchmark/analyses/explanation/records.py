"""What a fold's explanation leaves in the store, as JSON holds it."""

from __future__ import annotations

from typing import Literal, TypedDict

Scale = Literal["log-odds", "probability", "margin"]
"""What a model's output is before it becomes a decision; ``margin`` for more than two classes."""


class ImportanceRecord(TypedDict):
    """What permuting the held-out cases of a fold cost. What the fold dropped is not listed: it costs nothing."""

    value: list[float]
    """Each metric of the fold as it is, (metrics,)."""
    features: dict[str, list[float]]
    """By feature the mean loss of each metric over the permutations, in units of the metric."""
    families: dict[str, list[float]]
    """The same by family, its features permuted together."""


class ShapRecord(TypedDict):
    """SHAP values of the held-out cases of a fold."""

    features: list[str]
    """The features that the selection kept; the others' values are exactly 0."""
    scale: Scale
    """The unit of all three below."""
    base: list[float]
    """The model's mean output over the training cases, (outputs,)."""
    values: list[list[list[float]]]
    """(outputs, test cases, features)."""
    output: list[list[float]]
    """The model's output, (outputs, test cases)."""
