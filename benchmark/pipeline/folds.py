"""From feature tables to fold results: every run on the same cases and the same folds."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.evaluation import FoldTask, choose_flat, evaluate, fit_final
from benchmark.execution import Workers
from benchmark.pipeline.features import extract_features
from benchmark.progress import Progress, silent
from benchmark.protocol import Split
from benchmark.results import Features, FittedModel, StudyResult, tally
from benchmark.seeds import derive_seed
from benchmark.statistics.metrics import all_metrics, decide
from benchmark.store import Store
from benchmark.study import Run, Study

Name = TypeVar("Name", bound=Hashable)
Records = dict[tuple[str, Split], dict[str, Any]]


def run_study(study: Study, store: Store, workers: Workers, progress: Progress = silent) -> StudyResult:
    """Do everything the study declares. Raises `UserError` when nothing can be evaluated."""
    features = extract_features(study, store, workers, progress)
    failed = _why_not_evaluated(study, features)
    runs = [run for run in study.all_runs() if run.name not in failed]
    _refuse_nothing(study, runs, failed)
    case_ids = _shared_cases(study, features, runs)
    labels = _labels(study, features, case_ids)
    splits = list(study.protocol.splits(labels, study.seed, features.cases.loc[case_ids]))
    tasks = {run: _task(study, features, case_ids, labels, run) for run in runs}
    folds = {
        (run.name, split): replace(task, train=split.train, test=split.test,
                                   seed=derive_seed(study.seed, "fit", split.repeat, split.fold))
        for run, task in tasks.items() for split in splits
    }  # fmt: skip
    finals = {run.name: task for run, task in tasks.items()}
    records, fold_errors = _run_stored("folds", folds, evaluate, store, workers, progress)
    models, final_errors = _run_stored("models", finals, fit_final, store, workers, progress)
    fitted = sum(record.pop("computed", False) for record in (*records.values(), *models.values()))
    failed |= {name[0]: f"fold {name[1].fold}: {reason}" for name, reason in fold_errors.items()}
    failed |= {name: f"final fit: {reason}" for name, reason in final_errors.items()}
    runs = [run for run in runs if run.name not in failed]
    _refuse_nothing(study, runs, failed)
    records = {(run.name, split): records[run.name, split] for run in runs for split in splits}
    if study.protocol.selection == "flat":
        _choose_flat(study, runs, splits, records, labels)
    return StudyResult(
        study, features, case_ids,
        folds=_fold_scores(records, labels), predictions=_predictions(records, labels, case_ids),
        choices=_choices(records),
        models={run.name: FittedModel.from_record(models[run.name]) for run in runs}, failed=failed, fitted=fitted,
    )  # fmt: skip


def _why_not_evaluated(study: Study, features: Features) -> dict[str, str]:
    failed = {}
    for run in study.all_runs():
        state = study.classifiers[run.classifier].availability()
        if run.extractor in features.unavailable:
            failed[run.name] = f"unavailable: {features.unavailable[run.extractor]}"
        elif not state.ready:
            failed[run.name] = f"unavailable: {state.reason}"
        elif features.tables[run.extractor].empty:
            mine = [item for item in features.exclusions if item.extractor == run.extractor]
            failed[run.name] = f"every case was excluded: {tally(mine)}"
        elif (features.tables[run.extractor].nunique() < 2).all():
            failed[run.name] = "every feature is the same in all cases: there is nothing to learn from"
    return failed


def _refuse_nothing(study: Study, runs: list[Run], failed: dict[str, str]) -> None:
    if not runs:
        raise UserError(
            f"{study.name}: no run could be evaluated: " + "; ".join(dict.fromkeys(failed.values()))
        )


def _shared_cases(study: Study, features: Features, runs: list[Run]) -> list[str]:
    """Return the cases that all runs have, sorted by id so that the cohort's order changes no fold."""
    shared = set(features.cases.index)
    for run in runs:
        shared &= set(features.tables[run.extractor].index)
    if not shared:
        raise UserError(f"{study.name}: no case has the features of every run: {tally(features.exclusions)}")
    return sorted(shared)


def _labels(study: Study, features: Features, case_ids: list[str]) -> NDArray[np.intp]:
    labels = features.cases.loc[case_ids, "label"]
    if labels.isna().any():
        first = labels.index[labels.isna()][0]
        raise UserError(f"{study.name}: case {first} has no label: give the cohort `label` or `cac_score`")
    values = labels.to_numpy(dtype=np.intp)
    if study.protocol.permute_labels:
        values = np.random.default_rng(derive_seed(study.seed, "permute")).permutation(values)
    return values


def _task(
    study: Study, features: Features, case_ids: list[str], labels: NDArray[np.intp], run: Run
) -> FoldTask:
    """Return the task that trains on every case that may; a fold's task replaces `train` and `test`."""
    table = features.tables[run.extractor].loc[case_ids]
    may_train, _ = study.protocol.eligible(labels, features.cases.loc[case_ids])
    everything = np.flatnonzero(may_train)
    return FoldTask(
        study.classifiers[run.classifier], study.protocol, tuple(table.columns), table.to_numpy(), labels,
        train=everything, test=everything[:0], seed=derive_seed(study.seed, "final"),
    )  # fmt: skip


def _run_stored(
    kind: str, tasks: dict[Name, FoldTask], function: Callable[[FoldTask], dict[str, Any]],
    store: Store, workers: Workers, progress: Progress,
) -> tuple[dict[Name, dict[str, Any]], dict[Name, str]]:  # fmt: skip
    """Return each task's record, from the store or computed now, and the reasons of those that failed."""
    keys = {name: task.key() for name, task in tasks.items()}
    records = {name: record for name, key in keys.items() if (record := store.get(kind, key)) is not None}
    lacking = [name for name in tasks if name not in records]
    errors: dict[Name, str] = {}
    with progress(kind, len(lacking)) as advance:
        for position, result in workers.map(function, [tasks[name] for name in lacking]):
            name = lacking[position]
            if isinstance(result, BaseException):
                errors[name] = " ".join(f"{type(result).__name__}: {result}".split())
            else:
                store.put(kind, keys[name], result)
                records[name] = {**result, "computed": True}
            advance()
    return records, errors


def _choose_flat(
    study: Study, runs: list[Run], splits: list[Split], records: Records, labels: NDArray[np.intp]
) -> None:
    for run in runs:
        for repeat in range(study.protocol.repeats):
            mine = [split for split in splits if split.repeat == repeat]
            chosen = choose_flat(
                [records[run.name, split] for split in mine], study.classifiers[run.classifier],
                [labels[split.test] for split in mine], study.protocol.scoring,
            )  # fmt: skip
            records |= {(run.name, split): record for split, record in zip(mine, chosen, strict=True)}


def _fold_scores(records: Records, labels: NDArray[np.intp]) -> pd.DataFrame:
    return pd.DataFrame(
        {"run": run, "repeat": split.repeat, "fold": split.fold, "n_train": len(split.train),
         "n_test": len(split.test), **all_metrics(labels[split.test], np.asarray(record["score"]))}
        for (run, split), record in records.items()
    )  # fmt: skip


def _predictions(records: Records, labels: NDArray[np.intp], case_ids: list[str]) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {"run": run, "repeat": split.repeat, "fold": split.fold,
             "case_id": [case_ids[position] for position in split.test], "label": labels[split.test],
             "score": record["score"], "predicted": decide(np.asarray(record["score"]))}
        )
        for (run, split), record in records.items()
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _choices(records: Records) -> pd.DataFrame:
    return pd.DataFrame(
        {"run": run, "repeat": split.repeat, "fold": split.fold, "inner_score": record["inner_score"],
         "parameters": json.dumps(record["parameters"]), "kept": json.dumps(record["kept"])}
        for (run, split), record in records.items()
    )  # fmt: skip
