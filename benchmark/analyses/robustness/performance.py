"""Metrics under every condition, their differences from the base scans, and the ranks of the runs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from benchmark.analyses.robustness.study import BASE
from benchmark.errors import UserError
from benchmark.statistics.comparison.ranks import Ranking, rank_methods
from benchmark.statistics.intervals.alignment import align_cases
from benchmark.statistics.intervals.bootstrap import Resampled, Resampling, bca_interval, resample
from benchmark.statistics.intervals.degenerate import shown_interval


def performance_table(
    predictions: pd.DataFrame, metrics: Sequence[str], resampling: Resampling
) -> pd.DataFrame:
    """Return each metric of each run under each condition, and its difference from the base scans.

    `predictions` as `transferred_predictions` returns them. Patients are resampled for all conditions at once, which
    makes the differences paired; the intervals are BCa, that of a value by another `method` where resampling says
    nothing of it. Columns run, condition, metric, cases, value, low, high, difference, difference_low,
    difference_high (the last three empty for the base), method. Raises `UserError` for a metric that a fold leaves
    undefined.
    """
    rows = []
    for run, rows_of_run in predictions.groupby("run", sort=False):
        conditions = list(dict.fromkeys(rows_of_run["condition"]))
        try:
            cases = align_cases(rows_of_run.assign(run=rows_of_run["condition"]), conditions, metrics)
        except ValueError as error:
            raise UserError(f"run {run}: {error}") from None
        resampled_conditions = resample(
            list(cases.runs.values()), cases.label, metrics, resampling, cases.patient
        )
        resampled = dict(zip(cases.runs, resampled_conditions, strict=True))
        for condition in conditions:
            change = None if condition == BASE else resampled[condition] - resampled[BASE]
            for place, metric in enumerate(metrics):
                own = shown_interval(
                    metric, resampled[condition], place, cases.runs[condition], resampling.level
                )
                rows.append(
                    (
                        run,
                        condition,
                        metric,
                        len(cases.label),
                        float(resampled[condition].value[place]),
                        own.low,
                        own.high,
                        *((None,) * 3 if change is None else _change(change, place, resampling.level)),
                        own.method,
                    )
                )
    table = pd.DataFrame(rows, columns=[*_NAMES, *_NUMBERS, "method"])
    return table.astype(dict.fromkeys(_NUMBERS, "Float64"))


def rank_runs(performance: pd.DataFrame, metric: str) -> Ranking | None:
    """Rank the runs within every condition, the base included; None for fewer than three runs or two conditions.

    The conditions hold the same patients, so Friedman's test and the critical difference describe how steady the
    order is; they are no inference to other patients.
    """
    of_metric = performance[performance["metric"] == metric]
    scores = of_metric.pivot_table(index="condition", columns="run", values="value", sort=False).astype(float)
    return rank_methods(scores) if scores.shape[0] >= 2 and scores.shape[1] >= 3 else None


def rank_table(rankings: dict[str, Ranking]) -> pd.DataFrame:
    """Return one row per metric and run: mean_rank, conditions, critical_difference, friedman, p, note."""
    columns = ["metric", "run", "mean_rank", "conditions", "critical_difference", "friedman", "p", "note"]
    rows = [
        (
            metric,
            run,
            rank,
            ranking.cohorts,
            ranking.critical_difference,
            ranking.statistic,
            ranking.p,
            ranking.note,
        )
        for metric, ranking in rankings.items()
        for run, rank in ranking.mean_ranks.sort_values(kind="stable").items()
    ]
    return pd.DataFrame(rows, columns=columns)


def _change(resampled: Resampled, place: int, level: float) -> tuple[float, float, float]:
    """Return value, low and high of the difference in one metric."""
    value = float(resampled.value[place])
    replicates = resampled.replicates[:, place]
    ends = bca_interval(value, replicates, resampled.jackknife[:, place], resampled.stratum, level)
    return value, *ends


_NAMES = ("run", "condition", "metric", "cases")
_NUMBERS = ("value", "low", "high", "difference", "difference_low", "difference_high")
