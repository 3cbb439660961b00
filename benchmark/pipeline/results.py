"""What a finished study holds: feature tables, fold scores, predictions, and what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.case import Exclusion
from benchmark.evaluation.harmonised import batch_codes
from benchmark.pipeline.activations import Packed, unpack
from benchmark.plugins import Classifier
from benchmark.study.study import Run, Study

ANOMALY_COLUMNS = ("case_id", "anomaly", "detail", "segmenter", "severity")


@dataclass
class Features:
    """The features of all cases: one table per extraction, indexed by case_id, float64."""

    cases: pd.DataFrame
    """Index case_id; columns label, cac_score, group, protocol, contrast (on, off, or empty: not known), patient,
    then the cohort's covariates as text."""
    tables: dict[str, pd.DataFrame]
    exclusions: list[Exclusion]
    unavailable: dict[str, str]
    """Extractions that could not run at all, with the reason."""
    seconds: dict[str, float]
    """Mean seconds per case of each extraction, as measured when it was computed."""
    computed: int = 0
    """How many (case, extraction) pairs were computed now rather than found in the store."""
    anomalies: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ANOMALY_COLUMNS)))
    """What was odd about the cases' data and left as it is: case_id, anomaly, detail; where it is a segmenter's warning
    of its own finding, that segmenter and the severity."""
    voxels: dict[str, str] = field(default_factory=dict)
    """What identifies each scan's voxels, by case id, whatever file they are in."""
    yardsticks: dict[str, pd.DataFrame] = field(default_factory=dict)
    """What rules without learning look at, by what it was read in; rows as of `tables`."""
    activations: dict[str, dict[str, Packed]] = field(default_factory=dict)
    """Of each extraction by a `TrainableExtractor`, by case id, what its trained layers take."""
    stated: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    """Of each extraction of reports, by case id, whether what it reads states calcium outright, or (False) none."""

    def learnt_from(
        self, extraction: str, learner: Classifier, case_ids: Sequence[str]
    ) -> pd.DataFrame | NDArray[Any]:
        """Return what a classifier learns from: the table's rows, or the activations stacked, (cases, views, …).

        A classifier that harmonises has the codes of the batches in a last column.
        """
        if not learner.learns_from_activations:
            table = self.tables[extraction].loc[list(case_ids)]
            if learner.batch_column is None:
                return table
            codes = batch_codes(self.cases, learner.batch_column)
            return table.assign(**{f"batch: {learner.batch_column}": codes.loc[table.index]})
        return np.stack([unpack(self.activations[extraction][case_id]) for case_id in case_ids])

    def cases_warned(self, segmenter: str, severity: str) -> int:
        """Return in how many cases a segmenter's finding carries a warning of that severity."""
        mine = (self.anomalies["segmenter"] == segmenter) & (self.anomalies["severity"] == severity)
        return int(self.anomalies.loc[mine, "case_id"].nunique())


def tally(exclusions: list[Exclusion]) -> str:
    """Return the reasons of exclusion with their counts, most frequent first."""
    reasons = Counter(f"{item.stage}: {item.reason}" for item in exclusions)
    return "; ".join(f"{count} × {reason}" for reason, count in reasons.most_common(5)) or "none"


@dataclass
class FittedModel:
    """A run's pipeline fitted on all cases, as skops bytes (loading them executes no code), and its parameters."""

    parameters: dict[str, Any]
    content: bytes

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> FittedModel:
        """Read the record that the store holds."""
        return cls(record["parameters"], bytes.fromhex(record["skops"]))


@dataclass
class StudyResult:
    """Everything reports, tracking and the headline check read."""

    study: Study
    features: Features
    case_ids: list[str]
    """The cases that every evaluated run has, in the order of the folds."""
    folds: pd.DataFrame
    """One row per run, repeat and fold: n_train, n_test and the metrics."""
    predictions: pd.DataFrame
    """One row per run, repeat and case: fold, label, score (probability of label 1), predicted."""
    choices: pd.DataFrame
    """One row per run, repeat and fold: parameters and kept features (JSON), inner_score."""
    models: dict[str, FittedModel]
    failed: dict[str, str] = field(default_factory=dict)
    """Runs without results, with the reason."""
    yardsticks: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["run"]))
    """What rules without learning call each case, columns as of `predictions`."""
    yardstick_folds: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["run"]))
    """Their fold scores, columns as of `folds`."""
    fitted: int = 0
    """How many folds and final models were fitted now rather than found in the store."""

    @property
    def tested(self) -> int:
        """How many cases are tested: fewer than take part where the protocol's `test_on` or split says so."""
        return int(self.predictions["case_id"].nunique())

    def all_runs(self) -> list[Run]:
        """Return the runs that have results, in the study's order."""
        return [run for run in self.study.all_runs() if run.name not in self.failed]

    @property
    def reference_run(self) -> str:
        """The run all others are compared with: the declared one, or the first with results if that has none."""
        names = [run.name for run in self.all_runs()]
        return self.study.reference_run if self.study.reference_run in names else names[0]
