"""From feature tables to fold results: every run on the same cases and the same folds."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from benchmark.evaluation.fold import choose_flat, evaluate, fit_final
from benchmark.evaluation.splits import Split
from benchmark.execution.progress import Progress, silent
from benchmark.execution.store import Store
from benchmark.execution.stored import run_stored
from benchmark.execution.workers import Workers
from benchmark.pipeline.plan import EvaluationPlan, plan_study, refuse_nothing
from benchmark.pipeline.results import FittedModel, StudyResult
from benchmark.study.study import Study

Records = dict[tuple[str, Split], dict[str, Any]]


def run_study(study: Study, store: Store, workers: Workers, progress: Progress = silent) -> StudyResult:
    """Do everything the study declares. Raises `UserError` when nothing can be evaluated."""
    plan = plan_study(study, store, workers, progress)
    folds = {(run.name, split): plan.task(run, split) for run in plan.runs for split in plan.splits}
    finals = {run.name: plan.final_task(run) for run in plan.runs}
    records, fold_errors = run_stored("folds", folds, evaluate, store, workers, progress)
    models, final_errors = run_stored("models", finals, fit_final, store, workers, progress)
    fitted = sum(record.pop("computed", False) for record in (*records.values(), *models.values()))
    failed = dict(plan.failed)
    failed |= {name[0]: f"fold {name[1].fold}: {reason}" for name, reason in fold_errors.items()}
    failed |= {name: f"final fit: {reason}" for name, reason in final_errors.items()}
    runs = [run for run in plan.runs if run.name not in failed]
    refuse_nothing(study, runs, failed)
    records = {(run.name, split): records[run.name, split] for run in runs for split in plan.splits}
    if study.protocol.selection == "flat":
        records = choose_flat_points(plan, records)
    predictions = plan.predictions(records)
    return StudyResult(
        study, plan.features, plan.case_ids,
        folds=plan.fold_scores(predictions), predictions=predictions, choices=_choices(records),
        models={run.name: FittedModel.from_record(models[run.name]) for run in runs}, failed=failed, fitted=fitted,
    )  # fmt: skip


def choose_flat_points(plan: EvaluationPlan, records: Records) -> Records:
    """Return the records of the flat protocol for each run's best grid point over all folds of a repeat."""
    chosen: Records = {}
    runs = {run.name: run for run in plan.runs}
    for name in dict.fromkeys(name for name, _ in records):
        for repeat in dict.fromkeys(split.repeat for split in plan.splits):
            mine = [split for split in plan.splits if split.repeat == repeat]
            found = choose_flat(
                [records[name, split] for split in mine], plan.study.learner(runs[name]),
                [plan.labels[split.test] for split in mine], plan.study.protocol.scoring,
            )  # fmt: skip
            chosen |= {(name, split): record for split, record in zip(mine, found, strict=True)}
    return chosen


def _choices(records: Records) -> pd.DataFrame:
    return pd.DataFrame(
        {"run": run, "repeat": split.repeat, "fold": split.fold, "inner_score": record["inner_score"],
         "threshold": record["threshold"], "parameters": json.dumps(record["parameters"]),
         "kept": json.dumps(record["kept"])}
        for (run, split), record in records.items()
    )  # fmt: skip
