"""A finished study's run as it was: the same features, the same choice, the model made again from both.

No model file is read: what the study chose is fitted again on what it trained on, which gives the same model, so that
nothing that was stored is ever executed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from benchmark.errors import UserError
from benchmark.evaluation.fold import FoldTask, fit_final
from benchmark.evaluation.refit import ChosenFold, FittedFold
from benchmark.execution.environment import versions
from benchmark.execution.execution import Execution
from benchmark.pipeline.plan import EvaluationPlan
from benchmark.pipeline.run import plan_study
from benchmark.plugins.base import WHOLE
from benchmark.plugins.declaration import did_you_mean
from benchmark.report.headline import made_of
from benchmark.report.tables import typed
from benchmark.study.study import Run, Study
from benchmark.table_file import read_table


@dataclass(frozen=True)
class FrozenRun:
    """A run's model and what is known of how it did on its own cohort."""

    study: Study
    run: Run
    task: FoldTask
    fitted: FittedFold
    threshold: float
    trained_on: dict[str, str]
    """What identifies the voxels of each scan that trained, to the case."""
    inner: pd.DataFrame
    """Its intervals out of fold, the shown ones: index metric, columns value, low, high, method."""
    fitted_anew: bool
    """Whether the store no longer had the choice, and it was made again from the same features."""


def finished_run(study: Study, name: str, facts: Mapping[str, Any]) -> Run:
    """Return a run of a finished study that can be frozen here, `facts` being what the study left.

    Raises `UserError` for one that is not there, has no result, trains a network, or whose plug-ins are others here.
    """
    run = next((run for run in study.all_runs() if run.name == name), None)
    if run is None:
        raise UserError(f"{name}: names no run of {study.name}; {did_you_mean(name, study.run_names())}")
    study.refuse_networks([run], "apply")
    study.refuse_harmonised([run], "apply")
    if name not in facts["runs"]:
        why = facts["without_result"].get(name, "the study has run without it")
        raise UserError(f"{study.name}: run {name} has no result to freeze: {why}")
    if reason := _why_another(study, run, facts):
        raise UserError(f"{study.name}: run {name} cannot be frozen here: {reason}")
    return run


def freeze(study: Study, run: Run, results: Path, execution: Execution) -> FrozenRun:
    """Return the run, its features taken from the store. Raises `UserError` where its cases have changed since."""
    narrowed = study.model_copy(update={"yardsticks": None})
    plan = plan_study(narrowed, execution)
    if run.name in plan.failed:
        raise UserError(f"{study.name}: run {run.name} has no result: {plan.failed[run.name]}")
    _refuse_other_cases(plan, run, results)
    task = plan.final_task(run)
    stored = execution.records("models", fit_final, {run.name: task})
    if run.name in stored.failures:
        raise UserError(f"{study.name}: run {run.name}: {stored.failures[run.name].reason}")
    record = stored.records[run.name]
    with threadpool_limits(limits=1):
        fitted = ChosenFold(task, record["parameters"], record["threshold"]).fit()
    trained = [plan.case_ids[position] for position in task.train]
    return FrozenRun(
        study,
        run,
        task,
        fitted,
        record["threshold"],
        {voxels: case_id for case_id in trained if (voxels := plan.features.voxels.get(case_id))},
        _inner(run, results),
        bool(stored.computed),
    )


def _why_another(study: Study, run: Run, facts: Mapping[str, Any]) -> str:
    """Return why a run's plug-ins would not give here what they gave; empty where they would."""
    before = facts.get("made_of", {}).get(run.name)
    if before is None:
        return "its results are of an earlier cacbench: run the study again"
    changed = [kind for kind, now in made_of(study, run).items() if now != before[kind]]
    if not changed:
        return ""
    kind = changed[0]
    name, now, then = study.names_of(run)[kind], made_of(study, run)[kind], before[kind]
    if now["precision"] != then["precision"]:
        return (
            f"its {kind} {name} was made in {then['precision']} and is {now['precision']} here: declare `precision: "
            f"{then['precision']}`, or run the study again"
        )
    return f"its {kind} {name} is another now ({_versions(facts['versions'])}): run the study again"


def _versions(before: Mapping[str, str]) -> str:
    now = versions()
    other = [
        f"{name} {before[name]} then, {now.get(name, 'absent')} here"
        for name in before
        if now.get(name) != before[name]
    ]
    return "; ".join(other) or "its parameters, weights or code"


def _refuse_other_cases(plan: EvaluationPlan, run: Run, results: Path) -> None:
    """Raise `UserError` where the study's results are of other cases or labels than its cohort has now."""
    table = read_table(results / "tables" / "predictions.csv", "predictions", ("run", "case_id", "label"))
    before = {row.cells["case_id"]: row.cells["label"] for row in table.rows if row.cells["run"] == run.name}
    now = dict(zip(plan.case_ids, map(str, plan.labels.tolist()), strict=True))
    changed = sorted(case_id for case_id, label in before.items() if now.get(case_id) != label)
    if changed:
        raise UserError(
            f"{plan.study.name}: {len(changed)} cases are no longer what run {run.name} was tested on, {changed[0]} "
            "the first: run the study again"
        )


def _inner(run: Run, results: Path) -> pd.DataFrame:
    columns = ("run", "metric", "value", "low", "high", "method", "shown")
    table = typed(read_table(results / "tables" / "intervals.csv", "intervals", columns))
    shown = table[(table["run"] == run.name) & table["shown"]]
    return shown.set_index("metric")[["value", "low", "high", "method"]]


def columns_for(frozen: FrozenRun, features: Sequence[str], other: str) -> list[int]:
    """Return where each feature that the run learnt from stands among those of another cohort. Raises `UserError`."""
    place = {name: position for position, name in enumerate(features)}
    place[WHOLE] = 0  # kept cases together while it was fitted; nothing is predicted from it
    lacking = [name for name in frozen.task.features if name not in place]
    if lacking:
        raise UserError(
            f"{other}: lacks {len(lacking)} of the {len(frozen.task.features)} features that {frozen.run.name} learnt "
            f"from, {lacking[0]} the first: give it the masks and labels that the study's own cohort has"
        )
    return [place[name] for name in frozen.task.features]
