"""A study's learning curves and costs, from its file to all there is to report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmark.analyses.learning_curve.cost import cost_of_runs
from benchmark.analyses.learning_curve.curve import Curves, curve_tasks, learn
from benchmark.analyses.learning_curve.energy import energy_meter
from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.pipeline.cases import list_cases
from benchmark.pipeline.plan import EvaluationPlan
from benchmark.pipeline.run import plan_study
from benchmark.plugins.declaration import did_you_mean
from benchmark.study.study import Run, Study

COSTED = 2
"""Scans on which the cost is measured unless said otherwise."""


@dataclass(frozen=True)
class LearningCurve:
    """What was found of each run, and what could not be."""

    study: Study
    tested: int
    curves: Curves
    cost: pd.DataFrame
    """Empty where it was not asked for, see `cost_of_runs`."""
    without_energy: str
    """Why no energy was measured; empty where it was."""
    failed: dict[str, str]
    """Runs, and sizes of runs, without result, with the reason."""


def learning_curve(
    study: Study,
    names: Sequence[str],
    execution: Execution,
    *,
    sizes: Sequence[int] | None = None,
    costed: int = COSTED,
    replicates: int = 10_000,
) -> LearningCurve:
    """Learn the named runs, by default all, from parts of each training fold, and measure what they cost.

    `sizes` are numbers of patients, `costed` how many scans are read and extracted anew for the cost (0: it is not
    measured). Raises `UserError` for what the study does not have and for sizes that cannot be learnt from.
    """
    if study.protocol.selection != "nested":
        raise UserError(
            "curve: `selection: flat` tunes on the tested folds at every size: use `selection: nested`"
        )
    runs = _chosen(study, names)
    study.refuse_networks(runs, "curve")
    plan = plan_study(study.model_copy(update={"yardsticks": None}), execution)
    ready = [run for run in runs if run.name not in plan.failed]
    if not ready:
        raise UserError(f"{study.name}: {runs[0].name} has no result: {plan.failed[runs[0].name]}")
    curves = learn(plan, curve_tasks(plan, ready, sizes), execution, replicates)
    meter = energy_meter()
    return LearningCurve(
        study,
        _tested(plan),
        curves,
        _cost(plan, ready, costed, execution) if costed else pd.DataFrame(),
        meter.absent,
        {run.name: plan.failed[run.name] for run in runs if run.name in plan.failed} | curves.failed,
    )


def _cost(plan: EvaluationPlan, runs: Sequence[Run], costed: int, execution: Execution) -> pd.DataFrame:
    by_id = {case.case_id: case for case in list_cases(plan.study.cohort)}
    measured = [by_id[case_id] for case_id in plan.case_ids[:costed]]
    return cost_of_runs(plan, runs, measured, energy_meter(), execution)


def _chosen(study: Study, names: Sequence[str]) -> list[Run]:
    known = {run.name: run for run in study.all_runs()}
    for name in names:
        if name not in known:
            raise UserError(f"--run {name}: {study.name} has no such run; {did_you_mean(name, list(known))}")
    return [known[name] for name in dict.fromkeys(names or known)]


def _tested(plan: EvaluationPlan) -> int:
    return len({position for split in plan.splits for position in split.test.tolist()})
