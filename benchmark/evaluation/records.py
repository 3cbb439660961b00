"""What a fold's evaluation leaves in the store, as JSON holds it."""

from __future__ import annotations

from typing import Any, TypedDict


class FoldRecord(TypedDict):
    """A fold under the nested protocol: chosen, fitted and tested."""

    parameters: dict[str, Any]
    """The chosen point of the grid, ``step__parameter`` to value."""
    inner_score: float
    """Its score in the inner cross-validation."""
    kept: list[str]
    """The features that reach the model."""
    threshold: float
    """The probability of label 1 above which it counts."""
    probabilities: list[list[float]]
    """(test cases, classes)."""


class FlatRecord(TypedDict):
    """A fold under the flat protocol, before a point is chosen over all folds."""

    points: list[list[list[float]]]
    """The probabilities of every point of the grid, (points, test cases, classes)."""
    kept: list[str]


class ModelRecord(TypedDict):
    """A run's pipeline fitted on every case that may train."""

    parameters: dict[str, Any]
    inner_score: float
    threshold: float
    """As of a fold: from the inner out-of-fold probabilities of all that train."""
    skops: str
    """The pipeline in a format that loads without executing code, as hexadecimal digits."""
