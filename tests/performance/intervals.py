"""Intervals of 24 runs by 10,000 bootstrap replicates, at 182, 10,000 and 100,000 cases; scipy's of a single metric."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from scipy import stats

from benchmark.statistics.intervals.bootstrap import Predicted
from benchmark.statistics.intervals.headline import all_headline_intervals
from tests.performance.pairs import Row, paired, seconds

RUNS = 24
GOALS = {182: "≤ 2 s", 10_000: "≤ 20 s", 100_000: "≤ 200 s"}


def rows(largest: int = 100_000) -> Iterator[Row]:
    """Yield a row for each number of cases up to `largest`."""
    for cases in (size for size in GOALS if size <= largest):
        label, methods = _study(cases)
        ours, theirs = partial(all_headline_intervals, label, methods), partial(_scipy, label, methods)
        what = f"intervals of {RUNS} runs × 7 metrics, {cases:,} cases"
        if cases > 182:
            yield Row(what, "–", GOALS[cases], [seconds(ours)])
        else:
            against = "scipy.stats.bootstrap (BCa) of the accuracies alone"
            yield Row(what, against, GOALS[cases], *paired(ours, theirs, 3))


def _study(cases: int) -> tuple[np.ndarray, list[Predicted]]:
    random = np.random.default_rng(0)
    label = random.integers(0, 2, cases)
    scores = 1 / (1 + np.exp(-(label - 0.5 + random.normal(size=(RUNS, cases)))))
    return label, [Predicted((score > 0.5).astype(int)[None], score[None]) for score in scores]


def _scipy(label: np.ndarray, methods: list[Predicted]) -> None:
    for method in methods:
        right = (method.predicted[0] == label).astype(float)
        stats.bootstrap((right,), np.mean, n_resamples=10_000, vectorized=True, batch=2000)
