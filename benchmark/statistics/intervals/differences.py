"""The interval of a difference from the intervals of its two sides."""

from __future__ import annotations

import math

Ends = tuple[float, float, float]
"""A value and the ends of its interval."""


def difference_of_independent(first: Ends, second: Ends) -> Ends:
    """Return `first` less `second` of two samples that share no patient, with its interval.

    Newcombe's square-and-add (Stat Med 1998;17:873, method 10, of two proportions with Wilson's intervals) for any
    values with intervals of their own level (Zou and Donner, Stat Med 2008;27:1693): it has a width wherever they have.
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    difference = a - b
    return (
        difference,
        difference - math.hypot(a - a_low, b_high - b),
        difference + math.hypot(a_high - a, b - b_low),
    )
