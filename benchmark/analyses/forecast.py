"""What a study will take: what is left to do, what a part of it costs on this machine, how long so many workers need.

A few scans are extracted and a fold of every run is fitted to be timed. The scans' features are kept, as a run keeps
them; the folds are fitted on made-up tables of the study's size and kept by nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from benchmark.errors import UserError
from benchmark.evaluation.fold import FoldTask, evaluate
from benchmark.execution.environment import peak_memory_mb
from benchmark.execution.execution import Execution
from benchmark.pipeline.cases import IdentifiedCases, identify_cases, list_cases
from benchmark.pipeline.features import extract_features, lacking_features
from benchmark.pipeline.results import Features
from benchmark.study.study import Run, Study

FITTED_ON = 400
"""Cases that a fold is timed on where there are more; its time is taken to grow with them."""
WORKERS = (1, 2, 10, 100)


@dataclass(frozen=True)
class Step:
    """A kind of work: how many tasks there are in all, how many are left, and CPU seconds of one."""

    step: str
    tasks: int
    left: int
    seconds: float

    @property
    def hours(self) -> float:
        """CPU hours of what is left."""
        return self.left * self.seconds / 3600


@dataclass(frozen=True)
class Forecast:
    """What a study takes from now on."""

    study: str
    cases: int
    unreadable: int
    steps: list[Step]
    hashing_seconds: float
    """What identifying the cases by their bytes took: each start does it again, in one process."""
    memory_mb: float
    """The most that this process held while it did the measured parts: what a worker needs."""
    disk_mb: float
    """What the features that are left will take in the store."""

    def seconds_with(self, workers: int) -> float:
        """Return the time on so many workers like this core; the last task of a step is waited for."""
        of_steps = sum(-(-step.left // workers) * step.seconds for step in self.steps)
        return self.hashing_seconds + of_steps

    def record(self) -> dict[str, Any]:
        """Return it as JSON."""
        hours = sum(step.hours for step in self.steps)
        expected = {str(workers): self.seconds_with(workers) for workers in WORKERS}
        return asdict(self) | {"cpu_hours_left": hours, "expected_seconds_on_workers": expected}


def forecast(study: Study, execution: Execution, scans: int = 3) -> Forecast:
    """Return what the study takes, from `scans` cases extracted now. Raises `UserError` where none can be."""
    begin = time.perf_counter()
    identified = identify_cases(list_cases(study.cohort), execution)
    hashing = time.perf_counter() - begin
    lacking = lacking_features(study, identified, execution.store)
    left = {case_id for case_ids in lacking.values() for case_id in case_ids}
    timed = [case for case in identified.readable if case.case_id in left] or identified.readable
    if not timed:
        raise UserError(f"{study.name}: none of the {len(identified.cases)} cases can be read")
    before = _bytes(execution)
    features, seconds = _extracted(study, execution, identified, [case.case_id for case in timed[:scans]])
    written = (_bytes(execution) - before) / max(1, min(scans, len(left)))
    each_scan = Step("features of a scan", len(identified.readable), len(left), seconds)
    folds = list(_folds(study, features, len(identified.readable)))
    return Forecast(
        study.name,
        len(identified.cases),
        len(identified.unread),
        [each_scan, *folds],
        hashing,
        peak_memory_mb(),
        len(left) * written / 1e6,
    )


def _extracted(
    study: Study, execution: Execution, identified: IdentifiedCases, case_ids: Sequence[str]
) -> tuple[Features, float]:
    """Return the features of some cases, and CPU seconds of one; the first, which loads what is needed, not counted."""
    parts = [part for part in (case_ids[:1], case_ids[1:]) if part]
    for part in parts:
        features, seconds = _timed(partial(extract_features, study, execution, _only(identified, part)))
    return features, seconds / len(parts[-1])


def _only(identified: IdentifiedCases, case_ids: Sequence[str]) -> IdentifiedCases:
    cases = [case for case in identified.cases if case.case_id in case_ids]
    return IdentifiedCases(cases, {case_id: identified.scans[case_id] for case_id in case_ids})


def _folds(study: Study, features: Features, cases: int) -> Iterator[Step]:
    """Yield, for every run that can be fitted, its folds and its final fit, all of them as left.

    Whether some are stored is not known before all features are there, for they are part of a fold's key.
    """
    many = study.protocol.folds * study.protocol.repeats + 1
    random = np.random.default_rng(0)
    used = min(cases, FITTED_ON)
    for run in study.all_runs():
        learner = study.learner(run)
        columns = features.tables.get(run.extractor, pd.DataFrame()).shape[1]
        if columns and not learner.learns_from_activations:
            task = _made_up(study, run, random.normal(size=(used, columns)))
            _, seconds = _timed(partial(evaluate, task))
            yield Step(f"folds of {run.name}", many, many, seconds * cases / used)


def _made_up(study: Study, run: Run, X: np.ndarray) -> FoldTask:
    y = np.arange(len(X)) % 2
    everything, names = np.arange(len(X)), tuple(f"column {place}" for place in range(X.shape[1]))
    train, test = everything[: -max(1, len(X) // study.protocol.folds)], everything[-1:]
    return FoldTask(study.learner(run), study.protocol, names, X, y, train, test, seed=0)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.process_time()
    return work(), time.process_time() - begin


def _bytes(execution: Execution) -> int:
    return sum(file.stat().st_size for file in execution.store.folder.rglob("*") if file.is_file())
