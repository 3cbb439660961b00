"""The study's own protocol on nested parts of each training fold: the same tested cases at every size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.analyses.learning_curve.subsets import default_sizes, first_patients, in_order
from benchmark.errors import UserError
from benchmark.evaluation.fold import FoldTask, evaluate
from benchmark.evaluation.splits import Split
from benchmark.execution.execution import Execution
from benchmark.execution.seeds import derive_seed
from benchmark.pipeline.plan import EvaluationPlan
from benchmark.statistics.comparison.paired import nadeau_bengio
from benchmark.statistics.intervals.alignment import align_cases
from benchmark.statistics.intervals.bootstrap import Resampling, resample
from benchmark.statistics.intervals.degenerate import shown_interval
from benchmark.study.study import Run

ALL = 0
"""Stands for the size of the whole training fold, which may differ by a patient from fold to fold."""
CURVE = ("run", "patients", "cases", "all", "metric", "value", "low", "high", "method")
STEPS = ("run", "metric", "from", "to", "difference", "low", "high", "p", "note")
Tasks = Mapping[tuple[str, int, Split], FoldTask]


@dataclass(frozen=True)
class Curves:
    """What each run does at each size."""

    table: pd.DataFrame
    """`CURVE`: the mean number of patients and cases learnt from over the folds, whether these are all, and each metric
    of the pooled out-of-fold predictions with its 95 % interval, patients resampled."""
    steps: pd.DataFrame
    """`STEPS`: from each size to the next, the paired difference over folds with Nadeau and Bengio's interval."""
    failed: dict[str, str]
    """Sizes of runs that could not be learnt from, with the reason."""
    computed: int


def curve_tasks(plan: EvaluationPlan, runs: Sequence[Run], sizes: Sequence[int] | None) -> Tasks:
    """Return the task of each run, size and fold; that of the whole training fold is the study's own.

    Raises `UserError` for a size that is not below the smallest training fold, or too small to choose in.
    """
    ordered = {
        (run.name, split): _ordered(plan, plan.trained_on(run, split), split)
        for run in runs
        for split in plan.splits
    }
    smallest = min(len(patients) for patients in ordered.values())
    fewest = _fewest(plan, runs)
    if sizes is None:
        sizes = default_sizes(smallest, fewest)
        if not sizes:
            raise UserError(
                f"{plan.study.name}: a training fold of {smallest} patients has no part to learn from ({fewest} are "
                "needed): lower `inner_folds`, or add cases"
            )
    for size in sizes:
        if not fewest <= size < smallest:
            raise UserError(
                f"--sizes {size}: the training folds have {smallest} patients or more, and fewer than {fewest} leave "
                f"an inner fold without a class: name sizes from {fewest} to {smallest - 1}"
            )
    tasks: dict[tuple[str, int, Split], FoldTask] = {}
    for run in runs:
        for split in plan.splits:
            whole = plan.task(run, split)
            for size in sorted(set(sizes)):
                part = first_patients(ordered[run.name, split], size)
                tasks[run.name, size, split] = replace(whole, train=part)
            tasks[run.name, ALL, split] = whole
    return tasks


def learn(plan: EvaluationPlan, tasks: Tasks, execution: Execution, replicates: int = 10_000) -> Curves:
    """Evaluate the tasks, the study's own found where `cacbench run` left them, and return the curves."""
    done = execution.records("folds", evaluate, tasks)
    failed = {
        (run, size): f"fold {split.fold}: {item.reason}" for (run, size, split), item in done.failures.items()
    }
    places = [place for place in dict.fromkeys((run, size) for run, size, _ in tasks) if place not in failed]
    if not places:
        raise UserError(f"{plan.study.name}: no run could be learnt: {next(iter(failed.values()))}")
    predictions = pd.concat(
        plan.predictions({(_row(run, size), split): done.records[run, size, split] for split in plan.splits})
        for run, size in places
    )
    amounts = {place: _amounts(plan, tasks, place) for place in places}
    return Curves(
        _curve(plan, predictions, amounts, replicates),
        _steps(plan, predictions, amounts),
        {f"{run}, {size or 'all'} patients": reason for (run, size), reason in failed.items()},
        done.computed,
    )


def _ordered(plan: EvaluationPlan, train: NDArray[np.intp], split: Split) -> list[NDArray[np.intp]]:
    patient = plan.cases["patient"].to_numpy(dtype=str)
    seed = derive_seed(plan.study.seed, "learning curve", split.repeat, split.fold)
    return in_order(train, plan.labels, patient, seed)


def _fewest(plan: EvaluationPlan, runs: Sequence[Run]) -> int:
    """Return how many patients leave every inner fold one of the rarest class, in every training fold."""
    rarest = min(
        (np.bincount(plan.labels[train], minlength=int(plan.labels.max()) + 1) / len(train)).min()
        for run in runs
        for split in plan.splits
        for train in [plan.trained_on(run, split)]
    )
    # One more: a beginning may be one patient short of the rarest class.
    return int(np.ceil((plan.study.protocol.inner_folds + 1) / rarest))


def _row(run: str, size: int) -> str:
    return f"{run} {size}"


def _amounts(plan: EvaluationPlan, tasks: Tasks, place: tuple[str, int]) -> dict[str, Any]:
    """Return how many patients and cases are learnt from, as means over the folds, and the largest n_test/n_train."""
    patient = plan.cases["patient"].to_numpy(dtype=str)
    trained = [tasks[(*place, split)].train for split in plan.splits]
    tested = [len(split.test) for split in plan.splits]
    return {
        "patients": float(np.mean([len(set(patient[train])) for train in trained])),
        "cases": float(np.mean([len(train) for train in trained])),
        "all": place[1] == ALL,
        "ratio": float(np.mean([test / len(train) for test, train in zip(tested, trained, strict=True)])),
    }


def _curve(
    plan: EvaluationPlan, predictions: pd.DataFrame, amounts: Mapping[tuple[str, int], Any], replicates: int
) -> pd.DataFrame:
    metrics = plan.study.target.metrics
    names = {place: _row(*place) for place in amounts}
    cases = align_cases(predictions, list(names.values()), metrics)
    resampling = Resampling(replicates, seed=derive_seed(plan.study.seed, "bootstrap"))
    resampled = resample(list(cases.runs.values()), cases.label, metrics, resampling, cases.patient)
    rows = []
    for (place, name), of_place in zip(names.items(), resampled, strict=True):
        about = {key: amounts[place][key] for key in ("patients", "cases", "all")}
        for number, metric in enumerate(metrics):
            shown = shown_interval(metric, of_place, number, cases.runs[name])
            ends = {"low": shown.low, "high": shown.high, "method": shown.method}
            rows.append({"run": place[0], **about, "metric": metric, "value": of_place.value[number], **ends})
    return pd.DataFrame(rows, columns=list(CURVE))


def _steps(
    plan: EvaluationPlan, predictions: pd.DataFrame, amounts: Mapping[tuple[str, int], Any]
) -> pd.DataFrame:
    scores = {str(name): rows for name, rows in plan.fold_scores(predictions).groupby("run", sort=False)}
    rows: list[tuple[Any, ...]] = []
    for run in dict.fromkeys(run for run, _ in amounts):
        of_run = [place for place in amounts if place[0] == run]
        for smaller, larger in pairwise(sorted(of_run, key=lambda place: amounts[place]["patients"])):
            ratio = max(amounts[smaller]["ratio"], amounts[larger]["ratio"])
            ends = (amounts[smaller]["patients"], amounts[larger]["patients"])
            for metric in plan.study.compared_metrics:
                # Both have the folds in the plan's order.
                a, b = (scores[_row(*place)][metric].to_numpy() for place in (larger, smaller))
                test = nadeau_bengio(a, b, ratio)
                # Of folds that all agree no interval is known, not one without width.
                low, high = (None, None) if test.low == test.high else (test.low, test.high)
                rows.append((run, metric, *ends, test.difference, low, high, test.p, test.note))
    numbers = dict.fromkeys(("difference", "low", "high", "p"), "Float64")
    return pd.DataFrame(rows, columns=list(STEPS)).astype(numbers)
