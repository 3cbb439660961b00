"""What a study evaluates: the cases that all runs share, what is predicted of them, the folds, and every task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.case import Case
from benchmark.errors import UserError
from benchmark.evaluation.case_filter import EVERY
from benchmark.evaluation.fold import FoldTask
from benchmark.evaluation.harmonised import why_not_harmonised
from benchmark.evaluation.patients import patients_with_several, permuted_labels
from benchmark.evaluation.protocol import Protocol
from benchmark.evaluation.records import FoldRecord
from benchmark.evaluation.splits import Split
from benchmark.execution.seeds import derive_seed
from benchmark.pipeline.cases import about_cases, refuse_unlabelled
from benchmark.pipeline.fusion.reports import refuse_without_reports
from benchmark.pipeline.results import Features, tally
from benchmark.pipeline.same_scans import refuse_same_scans
from benchmark.plugins import Classifier
from benchmark.plugins.base import WHOLE
from benchmark.statistics.metrics.scores import decided_metrics, most_probable
from benchmark.study.study import Run, Study

Records = Mapping[tuple[str, Split], FoldRecord]
"""What `evaluate` returned, or `choose_flat` made of it, by the name of the run and the split."""


@dataclass(frozen=True)
class EvaluationPlan:
    """All runs on the same cases and folds. `failed` says why the other runs of the study cannot be evaluated."""

    study: Study
    features: Features
    runs: list[Run]
    failed: dict[str, str]
    case_ids: list[str]
    """The cases that every run has, sorted; positions in a split refer to them."""
    labels: NDArray[np.intp]
    """Class codes of the study's target, (cases,)."""
    splits: list[Split]
    tables: dict[Any, tuple[tuple[str, ...], NDArray[Any]]] = field(
        init=False, default_factory=dict, repr=False
    )
    """What was laid out for runs already, so that their tasks share it."""

    def task(self, run: Run, split: Split, *, protocol: Protocol | None = None) -> FoldTask:
        """Return the task of one run on one fold, under another protocol if one is given."""
        task = self._on_fold(self.final_task(run), run, split)
        return task if protocol is None else replace(task, protocol=protocol)

    def _on_fold(self, task: FoldTask, run: Run, split: Split) -> FoldTask:
        seed = derive_seed(self.study.seed, "fit", split.repeat, split.fold)
        return replace(task, train=self.trained_on(run, split), test=split.test, seed=seed)

    def trained_on(self, run: Run, split: Split) -> NDArray[np.intp]:
        """Return the positions of the cases that a run learns from in a fold, (n,)."""
        allowed = self.study.extractors[run.extractor].train_on.keeps(self.cases)
        return split.train[allowed[split.train]]

    def fold_tasks(self) -> dict[tuple[str, Split], FoldTask]:
        """Return the task of every run on every fold, by the run's name and the split; all of a run share its table."""
        of_runs = {run.name: self.final_task(run) for run in self.runs}
        return {
            (run.name, split): self._on_fold(of_runs[run.name], run, split)
            for run in self.runs
            for split in self.splits
        }

    def final_task(self, run: Run) -> FoldTask:
        """Return the task that trains on every case that may train, and tests none."""
        learner = self.study.learner(run)
        names, values = self._table(run, learner)
        protocol = self.study.protocol
        may_train, _ = protocol.eligible(self.labels, self.cases)
        may_train = may_train & self.study.extractors[run.extractor].train_on.keeps(self.cases)
        everything = np.flatnonzero(may_train)
        whole = protocol.kept_whole(self.cases)
        groups = None if whole is None else np.unique(whole, return_inverse=True)[1]
        if learner.keeps_whole and groups is not None:
            names, values = (*names, WHOLE), np.column_stack([values, groups])
        return FoldTask(
            learner.told(names),
            protocol,
            names,
            values,
            self.labels,
            train=everything,
            test=everything[:0],
            seed=derive_seed(self.study.seed, "final"),
            groups=groups,
        )

    def _table(self, run: Run, learner: Classifier) -> tuple[tuple[str, ...], NDArray[Any]]:
        """Return what a run learns from, (cases, …), and its columns' names; runs of one extractor share it."""
        wanted = (run.extractor, learner.batch_column, learner.learns_from_activations)
        if wanted not in self.tables:
            values = self.features.learnt_from(run.extractor, learner, self.case_ids)
            names = tuple(values.columns) if isinstance(values, pd.DataFrame) else ()
            self.tables[wanted] = names, np.asarray(values)
        return self.tables[wanted]

    @cached_property
    def cases(self) -> pd.DataFrame:
        """What is known of the cases, rows as `case_ids`."""
        return self.features.cases.loc[self.case_ids]

    def predictions(self, records: Records) -> pd.DataFrame:
        """Return one row per run, repeat and tested case.

        Columns run, repeat, fold, case_id, label, score, predicted, and patient where some have several cases.
        `score` is the probability of label 1, or of any class but the first where there are more than two; those have a
        column ``probability_<class>`` each.
        """
        return pd.concat(
            [self._predicted(run, split, record) for (run, split), record in records.items()],
            ignore_index=True,
        )

    def _predicted(self, run: str, split: Split, record: FoldRecord) -> pd.DataFrame:
        probabilities = np.asarray(record["probabilities"])
        score = probabilities[:, 1] if probabilities.shape[1] == 2 else 1 - probabilities[:, 0]
        table = self.called(run, split, score, most_probable(probabilities, record["threshold"]))
        if self.study.target.binary:
            return table
        columns = [f"probability_{name}" for name in self.study.target.classes]
        return table.join(pd.DataFrame(probabilities, columns=columns[: probabilities.shape[1]]))

    def called(
        self, run: str, split: Split, score: NDArray[np.float64], predicted: NDArray[np.intp]
    ) -> pd.DataFrame:
        """Return what was called of a fold's tested cases, rows as of `predictions`."""
        table = pd.DataFrame(
            {
                "run": run,
                "repeat": split.repeat,
                "fold": split.fold,
                "case_id": [self.case_ids[position] for position in split.test],
                "label": self.labels[split.test],
                "score": score,
                "predicted": predicted,
            }
        )
        if patients_with_several(self.cases) is not None:
            table["patient"] = self.cases["patient"].to_numpy()[split.test]
        return table

    def fold_scores(self, predictions: pd.DataFrame) -> pd.DataFrame:
        """Return one row per run, repeat and fold: n_train, n_test and the target's metrics."""
        keys = ["run", "repeat", "fold"]
        scores = pd.DataFrame(
            {
                **dict(zip(keys, key, strict=True)),
                "n_test": len(rows_of_fold),
                **decided_metrics(
                    self.study.target.metrics,
                    *(rows_of_fold[name].to_numpy() for name in ("label", "predicted", "score")),
                ),
            }
            for key, rows_of_fold in predictions.groupby(keys, sort=False)
        )
        runs = {run.name: run for run in self.runs}
        trained = pd.DataFrame(
            [
                (name, split.repeat, split.fold, len(train))
                for name in dict.fromkeys(scores["run"])
                for split in self.splits
                for train in [self.trained_on(runs[name], split) if name in runs else split.train]
            ],
            columns=[*keys, "n_train"],
        )
        return scores[keys].merge(trained).join(scores.drop(columns=keys))


def plan_evaluation(study: Study, features: Features) -> EvaluationPlan:
    """Return the plan. Raises `UserError` when no run can be evaluated, or the cases cannot be split."""
    failed = _why_not_evaluated(study, features)
    runs = [run for run in study.all_runs() if run.name not in failed]
    require_runs(study, runs, failed)
    case_ids = _shared_cases(study, features, runs)
    refuse_same_scans(study, features.cases.loc[case_ids], features.voxels)
    labels, splits = labels_and_splits(study, features.cases.loc[case_ids])
    for run in runs:
        column = study.learner(run).batch_column
        if column and (why := why_not_harmonised(features.cases.loc[case_ids], column, splits)):
            failed[run.name] = why
    runs = [run for run in runs if run.name not in failed]
    require_runs(study, runs, failed)
    return EvaluationPlan(study, features, runs, failed, case_ids, labels, splits)


def refuse_unsplittable(study: Study, cases: Sequence[Case]) -> None:
    """Raise `UserError` where listed cases, less those known to drop out, lack labels or reports or cannot be split."""
    refuse_without_reports(study, cases)
    check_splits(study, about_cases(cases))


def check_splits(study: Study, cases: pd.DataFrame) -> None:
    """Raise `UserError` where cases cannot be split, some of which may yet drop out.

    Frozen folds are not looked at: their file need not have the cases that will.
    """
    refuse_unlabelled(study.cohort, cases, study.target.column)
    if study.protocol.split != "frozen":
        labels_and_splits(study, cases)


def labels_and_splits(study: Study, cases: pd.DataFrame) -> tuple[NDArray[np.intp], list[Split]]:
    """Return the class codes of cases, (n,), and the study's folds. Raises `UserError` when they cannot be split."""
    labels = study.target.codes(cases)
    if study.protocol.permute_labels:
        random = np.random.default_rng(derive_seed(study.seed, "permute"))
        labels = permuted_labels(labels, patients_with_several(cases), random)
    splits = list(study.protocol.splits(labels, study.seed, cases))
    for name, extraction in study.extractors.items():
        if extraction.train_on != EVERY:
            where = f"extractors.{name}.train_on ({extraction.train_on})"
            study.protocol.refuse_few(where, labels, splits, extraction.train_on.keeps(cases, where))
    return labels, splits


def require_runs(study: Study, runs: list[Run], failed: dict[str, str]) -> None:
    """Raise `UserError` when no run is left."""
    if not runs:
        raise UserError(
            f"{study.name}: no run could be evaluated: " + "; ".join(dict.fromkeys(failed.values()))
        )


def _why_not_evaluated(study: Study, features: Features) -> dict[str, str]:
    failed = {}
    constant = {name: _is_constant(table) for name, table in features.tables.items()}
    for run in study.all_runs():
        state = study.plugins_of(run)["classifier"].availability()
        if run.extractor in features.unavailable:
            failed[run.name] = f"unavailable: {features.unavailable[run.extractor]}"
        elif not state.ready:
            failed[run.name] = f"unavailable: {state.reason}"
        elif features.tables[run.extractor].empty:
            exclusions = [item for item in features.exclusions if item.excluded_from == run.extractor]
            failed[run.name] = f"every case was excluded: {tally(exclusions)}"
        elif constant[run.extractor]:
            failed[run.name] = "every feature is the same in all cases: there is nothing to learn from"
    return failed


def _is_constant(table: pd.DataFrame) -> bool:
    values = table.to_numpy()
    return bool((values[:1] == values).all())


def _shared_cases(study: Study, features: Features, runs: list[Run]) -> list[str]:
    """Return the cases that all runs have, sorted by id so that the cohort's order changes no fold."""
    shared = set(features.cases.index)
    for run in runs:
        shared &= set(features.tables[run.extractor].index)
    if not shared:
        raise UserError(f"{study.name}: no case has the features of every run: {tally(features.exclusions)}")
    return sorted(shared)
