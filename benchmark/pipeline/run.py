"""A study from its cases to its results, step by step: every run on the same cases and the same folds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

import pandas as pd

from benchmark.evaluation.fold import choose_flat, evaluate, fit_final
from benchmark.evaluation.records import FlatRecord, FoldRecord
from benchmark.evaluation.splits import Split
from benchmark.execution.execution import Execution
from benchmark.pipeline.cases import about_cases, identify_cases, list_cases
from benchmark.pipeline.features import extract_features
from benchmark.pipeline.fusion.reports import refuse_without_reports
from benchmark.pipeline.plan import EvaluationPlan, Records, check_splits, plan_evaluation, require_runs
from benchmark.pipeline.results import FittedModel, StudyResult
from benchmark.pipeline.same_scans import refuse_same_scans
from benchmark.pipeline.yardsticks import follow_rules, wanted_for_yardsticks
from benchmark.study.study import Study

FlatRecords = Mapping[tuple[str, Split], FlatRecord]


def run_study(study: Study, execution: Execution) -> StudyResult:
    """Do everything the study declares. Raises `UserError` when nothing can be evaluated."""
    plan = plan_study(study, execution)
    folds = execution.records("folds", evaluate, plan.fold_tasks())
    models = execution.records("models", fit_final, {run.name: plan.final_task(run) for run in plan.runs})
    failed = dict(plan.failed)
    failed |= {run: f"fold {split.fold}: {item.reason}" for (run, split), item in folds.failures.items()}
    failed |= {run: f"final fit: {item.reason}" for run, item in models.failures.items()}
    runs = [run for run in plan.runs if run.name not in failed]
    require_runs(study, runs, failed)
    evaluated = {(run.name, split): folds.records[run.name, split] for run in runs for split in plan.splits}
    records = with_one_point(plan, evaluated)
    predictions = plan.predictions(records)
    by_rule = follow_rules(plan)
    return StudyResult(
        study,
        plan.features,
        plan.case_ids,
        folds=plan.fold_scores(predictions),
        predictions=predictions,
        choices=_choices(records),
        models={run.name: FittedModel.from_record(models.records[run.name]) for run in runs},
        failed=failed,
        yardsticks=by_rule,
        yardstick_folds=plan.fold_scores(by_rule) if len(by_rule) else by_rule,
        fitted=folds.computed + models.computed,
    )


def plan_study(study: Study, execution: Execution) -> EvaluationPlan:
    """List the cases, check that they can be split, extract their features and plan the evaluation.

    Raises `UserError`, see `plan_evaluation`. Cases that cannot be split are refused before anything is extracted:
    that may take hours.
    """
    cases = identify_cases(list_cases(study.cohort), execution)
    if cases.readable:
        about = about_cases(cases.readable)
        check_splits(study, about)
        refuse_without_reports(study, cases.readable)
        refuse_same_scans(study, about, cases.scans)
    beside = wanted_for_yardsticks(study, cases)
    return plan_evaluation(study, extract_features(study, execution, cases, beside))


def with_one_point(
    plan: EvaluationPlan, records: Mapping[tuple[str, Split], FoldRecord | FlatRecord]
) -> Records:
    """Return what `evaluate` returned with one grid point for each run and repeat, chosen where it is not yet.

    Under the flat protocol that is the best one over all folds of a repeat, and all of them must be there.
    """
    flat = {place: record for place, record in records.items() if "points" in record}
    return _best_points(plan, cast(FlatRecords, flat)) if flat else cast(Records, records)


def _best_points(plan: EvaluationPlan, records: FlatRecords) -> Records:
    chosen: dict[tuple[str, Split], FoldRecord] = {}
    runs = {run.name: run for run in plan.runs}
    for name in dict.fromkeys(name for name, _ in records):
        for repeat in dict.fromkeys(split.repeat for split in plan.splits):
            splits = [split for split in plan.splits if split.repeat == repeat]
            one_point = choose_flat(
                [records[name, split] for split in splits],
                plan.study.learner(runs[name]),
                [plan.labels[split.test] for split in splits],
                plan.study.protocol.scoring,
            )
            chosen |= {(name, split): record for split, record in zip(splits, one_point, strict=True)}
    return chosen


def _choices(records: Records) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run": run,
            "repeat": split.repeat,
            "fold": split.fold,
            "inner_score": record["inner_score"],
            "threshold": record["threshold"],
            "parameters": json.dumps(record["parameters"]),
            "kept": json.dumps(record["kept"]),
        }
        for (run, split), record in records.items()
    )
