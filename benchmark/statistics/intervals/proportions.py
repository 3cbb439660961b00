"""Intervals of proportions."""

from __future__ import annotations


def wilson(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson interval of a proportion."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    return float(low), float(high)
