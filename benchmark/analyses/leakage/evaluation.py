"""Every variant of the protocol, evaluated on the true labels and on permuted ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmark.analyses.leakage.variants import Variant
from benchmark.errors import UserError
from benchmark.evaluation.fold import FoldTask, evaluate
from benchmark.evaluation.patients import patients_with_several, permuted_labels
from benchmark.evaluation.records import FlatRecord, FoldRecord
from benchmark.evaluation.splits import Split
from benchmark.execution.execution import Execution
from benchmark.execution.seeds import derive_seed
from benchmark.pipeline.plan import EvaluationPlan
from benchmark.pipeline.run import with_one_point
from benchmark.statistics.metrics.scores import decided_metric
from benchmark.study.study import Run

_DRAWS = 100


def permuted_plan(plan: EvaluationPlan, number: int) -> EvaluationPlan:
    """Return the plan as if the labels had been permuted before anything else, with folds drawn for them, once.

    Where folds are repeated, another permutation says more than another repeat. A permutation that leaves a fold
    without a label is drawn again. Raises `UserError` when all are.
    """
    study, tested, reason = plan.study, tested_classes(plan), "a label is tested by no fold"
    for draw in range(_DRAWS):
        seed = derive_seed(study.seed, "audit", "permute", number, draw)
        several = patients_with_several(plan.cases)
        labels = permuted_labels(plan.labels, several, np.random.default_rng(seed))
        try:
            repeated = study.protocol.splits(labels, study.seed, plan.cases)
            splits = [split for split in repeated if split.repeat == 0]
        except UserError as error:
            reason = str(error)
            continue
        permuted = replace(plan, labels=labels, splits=splits)
        if tested_classes(permuted) == tested:
            return permuted
    raise UserError(
        f"{study.name}: none of {_DRAWS} permutations of the labels can be evaluated under "
        f"`split: {study.protocol.split}`, so it cannot be audited ({reason})"
    )


def evaluate_variants(
    plans: list[EvaluationPlan],
    variants: dict[Run, list[Variant]],
    diagnostics: dict[str, pd.DataFrame],
    execution: Execution,
) -> dict[tuple[str, str], list[pd.DataFrame]]:
    """Return the out-of-fold predictions by run and variant, one table per plan. Raises `UserError`."""
    tasks = {
        (number, run.name, variant.name, split): task
        for number, plan in enumerate(plans)
        for run, variants_of_run in variants.items()
        for variant in variants_of_run
        for split, task in _tasks(plan, run, variant, diagnostics[run.name]).items()
    }
    done = execution.records("folds", evaluate, tasks)
    for (_, run_name, variant_name, split), failure in done.failures.items():
        raise UserError(f"run {run_name}, {variant_name}, fold {split.fold}: {failure.reason}")
    return {
        (run.name, variant.name): [
            _predictions(
                plan,
                run,
                {split: done.records[number, run.name, variant.name, split] for split in plan.splits},
            )
            for number, plan in enumerate(plans)
        ]
        for run, variants_of_run in variants.items()
        for variant in variants_of_run
    }


def _predictions(
    plan: EvaluationPlan, run: Run, records: Mapping[Split, FoldRecord | FlatRecord]
) -> pd.DataFrame:
    evaluated = {(run.name, split): record for split, record in records.items()}
    return plan.predictions(with_one_point(plan, evaluated))


def _tasks(
    plan: EvaluationPlan, run: Run, variant: Variant, diagnostics: pd.DataFrame
) -> dict[Split, FoldTask]:
    """Return the task of every fold; all share one table."""
    whole = variant.change(plan.final_task(run), diagnostics)
    tasks = {}
    for split in plan.splits:
        fold_task = plan.task(run, split)
        tasks[split] = replace(whole, train=fold_task.train, test=fold_task.test, seed=fold_task.seed)
    return tasks


def balanced_accuracy(predictions: pd.DataFrame) -> float:
    """Return the balanced accuracy of pooled out-of-fold predictions, the mean over the repeats."""
    values = [
        decided_metric("balanced_accuracy", repeat["label"], repeat["predicted"], repeat["score"])
        for _, repeat in predictions.groupby("repeat")
    ]
    return float(np.mean(values))


def tested_classes(plan: EvaluationPlan) -> int:
    """Return how many classes the tested cases have."""
    return len(np.unique(plan.labels[np.concatenate([split.test for split in plan.splits])]))
