"""Each feature family alone and left out, by the study's own protocol on its own cases and folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.evaluation.fold import FoldTask, evaluate
from benchmark.evaluation.records import FlatRecord, FoldRecord
from benchmark.evaluation.splits import Split
from benchmark.execution.execution import Execution
from benchmark.execution.seeds import derive_seed
from benchmark.pipeline.plan import EvaluationPlan
from benchmark.pipeline.run import with_one_point
from benchmark.statistics.intervals.alignment import align_cases
from benchmark.statistics.intervals.bootstrap import Resampled, Resampling, percentile_interval, resample
from benchmark.statistics.intervals.degenerate import Interval, shown_interval
from benchmark.study.study import Run

Kept = Literal["all", "alone", "left_out"]
Records = dict[Split, FoldRecord]


@dataclass(frozen=True)
class Ablation:
    """A selection of the run's features: all of them, a family alone, or all without it."""

    family: str
    kept: Kept
    columns: tuple[int, ...]

    @property
    def name(self) -> str:
        """A name that is unique within a run."""
        return f"{self.family} {self.kept}".strip()

    def of(self, task: FoldTask) -> FoldTask:
        """Return the task with these features alone; all features give the task as it is."""
        if self.kept == "all":
            return task  # the run's own, so that its key is, too, and the store has the result
        X = np.ascontiguousarray(task.X[:, list(self.columns)])
        return replace(task, X=X, features=tuple(task.features[column] for column in self.columns))


@dataclass(frozen=True)
class Evaluated:
    """Each variant's fold records, and why the others have none."""

    records: dict[Ablation, Records]
    failed: dict[Ablation, str]


def variants_of(families: Mapping[str, tuple[int, ...]], features: int) -> list[Ablation]:
    """Return all features, then each family alone and left out; nothing but all where there is one family."""
    every = tuple(range(features))
    variants = [Ablation("", "all", every)]
    for family, columns in families.items() if len(families) > 1 else ():
        others = tuple(column for column in every if column not in columns)
        variants += [Ablation(family, "alone", columns), Ablation(family, "left_out", others)]
    return variants


def evaluate_variants(
    plan: EvaluationPlan, run: Run, variants: Sequence[Ablation], execution: Execution
) -> Evaluated:
    """Evaluate every variant on every fold. All features are the run itself, found where `cacbench run` left it."""
    failed = {variant: reason for variant in variants if (reason := _nothing_to_learn(plan, run, variant))}
    tasks = {
        (variant, split): variant.of(plan.task(run, split))
        for variant in variants
        if variant not in failed
        for split in plan.splits
    }
    done = execution.records("folds", evaluate, tasks)
    for variant, split in (name for name in tasks if name in done.failures):
        failed.setdefault(variant, f"fold {split.fold}: {done.failures[variant, split].reason}")
    records = {
        variant: _chosen(plan, run, {split: done.records[variant, split] for split in plan.splits})
        for variant in variants
        if variant not in failed
    }
    return Evaluated(records, failed)


def ablation_table(
    plan: EvaluationPlan, run: Run, evaluated: Evaluated, *, replicates: int = 10_000
) -> pd.DataFrame:
    """Return one row per variant and metric, with 95 % intervals over patients resampled within labels.

    Columns family, kept (all, alone, left_out), features (their number), metric, value with the study's own BCa
    interval (low, high), and the paired difference to all features on the same resamples (difference,
    difference_low, difference_high). The latter's interval is the percentile one: BCa leaves out zero where three
    cases changed, all in one direction. Numbers of a variant that could not be evaluated are missing, and `note`
    says why.
    """
    metrics = plan.study.target.metrics
    cases = align_cases(
        pd.concat(
            [
                plan.predictions({(run.name, split): record for split, record in records.items()}).assign(
                    run=variant.name
                )
                for variant, records in evaluated.records.items()
            ]
        ),
        [variant.name for variant in evaluated.records],
        metrics,
    )
    resampling = Resampling(replicates, seed=derive_seed(plan.study.seed, "bootstrap"))
    resampled_variants = resample(list(cases.runs.values()), cases.label, metrics, resampling, cases.patient)
    resampled = dict(zip(evaluated.records, resampled_variants, strict=True))
    rows: list[dict[str, Any]] = []
    for variant in (*evaluated.records, *evaluated.failed):
        about = {"family": variant.family, "kept": variant.kept, "features": len(variant.columns)}
        for place, metric in enumerate(metrics):
            numbers: dict[str, Any] = {}
            if variant in resampled:
                shown = shown_interval(metric, resampled[variant], place, cases.runs[variant.name])
                numbers = _numbers(resampled[variant], resampled_variants[0], place, shown)
                numbers["method"] = shown.method
            rows.append({**about, "metric": metric, **numbers, "note": evaluated.failed.get(variant, "")})
    columns = ["family", "kept", "features", "metric", *NUMBERS, "method", "note"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(NUMBERS, "Float64"))


NUMBERS = ("value", "low", "high", "difference", "difference_low", "difference_high")


def _numbers(variant: Resampled, all_features: Resampled, place: int, shown: Interval) -> dict[str, Any]:
    estimate = (float(variant.value[place]), shown.low, shown.high)
    if variant is all_features:
        return dict(zip(NUMBERS, estimate, strict=False))
    difference = variant - all_features
    ends = percentile_interval(difference.replicates[:, place])
    return dict(zip(NUMBERS, (*estimate, float(difference.value[place]), *ends), strict=True))


def _nothing_to_learn(plan: EvaluationPlan, run: Run, variant: Ablation) -> str:
    values: NDArray[np.float64] = plan.final_task(run).X[:, list(variant.columns)]
    for where, rows in (
        ("all cases", np.arange(len(values))),
        *((f"the training cases of fold {split.fold}", plan.trained_on(run, split)) for split in plan.splits),
    ):
        if (values[rows] == values[rows[0]]).all():
            return f"every column is the same in {where}: there is nothing to learn from"
    return ""


def _chosen(plan: EvaluationPlan, run: Run, records: Mapping[Split, FoldRecord | FlatRecord]) -> Records:
    """Return the records with one grid point each, as the protocol chooses it."""
    chosen = with_one_point(plan, {(run.name, split): record for split, record in records.items()})
    return {split: record for (_, split), record in chosen.items()}
