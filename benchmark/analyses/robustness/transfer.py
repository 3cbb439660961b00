"""Accuracy without retraining: models of the base scans, tested on other scans of the patients they never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmark.analyses.robustness.study import BASE
from benchmark.evaluation.fold import FoldTask, evaluate
from benchmark.evaluation.records import FoldRecord
from benchmark.evaluation.splits import Split
from benchmark.execution.execution import Execution
from benchmark.pipeline.plan import EvaluationPlan
from benchmark.study.study import Run


def transferred_predictions(
    plan: EvaluationPlan, conditions: Mapping[str, Mapping[str, pd.DataFrame]], execution: Execution
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the predictions of the held-out patients under every condition, and the runs that failed.

    `plan` is the base study's; each condition maps an extractor to its table, with a row for every case of the
    plan. Columns: condition, and those of the plan's predictions; condition ``base`` are the study's own.
    """
    tasks = {
        (run.name, split): stacked_task(plan, run, split, [c[run.extractor] for c in conditions.values()])
        for run in plan.runs
        for split in plan.splits
    }
    done = execution.records("folds", evaluate, tasks)
    failed = {run: f"fold {split.fold}: {item.reason}" for (run, split), item in done.failures.items()}
    complete = {key: record for key, record in done.records.items() if key[0] not in failed}
    if not complete:
        return pd.DataFrame(), failed
    parts = []
    for place, condition in enumerate([BASE, *conditions]):
        records_of_condition = {key: _part(complete[key], key[1], place) for key in tasks if key in complete}
        parts.append(plan.predictions(records_of_condition).assign(condition=condition))
    table = pd.concat(parts, ignore_index=True)
    return table[["condition", *table.columns.drop("condition")]], failed


def stacked_task(plan: EvaluationPlan, run: Run, split: Split, others: Sequence[pd.DataFrame]) -> FoldTask:
    """Return the fold's task with the test patients' rows of all `others` after those of the base scans.

    A model predicts every row by itself, so that one fit serves all conditions. Rows (1 + others) × cases.
    """
    task = plan.task(run, split)
    tables = [table.loc[plan.case_ids, list(task.features)].to_numpy(dtype=float) for table in others]
    copies = 1 + len(tables)
    return replace(
        task,
        X=np.concatenate([task.X, *tables]),
        y=np.tile(task.y, copies),
        test=np.concatenate([split.test + copy * len(task.X) for copy in range(copies)]),
        groups=None if task.groups is None else np.tile(task.groups, copies),
    )


def _part(record: FoldRecord, split: Split, place: int) -> FoldRecord:
    """Return the record of one condition: its block of the stacked test rows."""
    block = slice(place * len(split.test), (place + 1) * len(split.test))
    return {**record, "probabilities": record["probabilities"][block]}
