"""Explains one run of a study: plans the work, has it done on the pool, and gathers the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmark.analyses.explanation.ablation import ablation_table, evaluate_variants, variants_of
from benchmark.analyses.explanation.importance import HeldOut, held_out_importance, importance_table
from benchmark.analyses.explanation.records import ImportanceRecord
from benchmark.analyses.explanation.selection import selection_table, stability_table
from benchmark.analyses.feature_families import feature_families
from benchmark.errors import UserError
from benchmark.evaluation.refit import ChosenFold
from benchmark.evaluation.splits import Split
from benchmark.execution.execution import Execution, Failure
from benchmark.execution.seeds import derive_seed
from benchmark.pipeline.plan import EvaluationPlan
from benchmark.pipeline.run import plan_study
from benchmark.plugins.declaration import did_you_mean
from benchmark.study.study import Run, Study

PERMUTATIONS = 50


@dataclass(frozen=True)
class Explanation:
    """What was found out about one run.

    `tables` holds ablation, importance, selection, stability, and with SHAP also shap and shap_summary. `notes` are
    sentences about what could not be had. `features` are the run's features (index case_id).
    """

    study: Study
    run: Run
    tables: dict[str, pd.DataFrame]
    notes: list[str]
    features: pd.DataFrame


def explain_run(
    study: Study,
    run_name: str | None,
    execution: Execution,
    *,
    shap: bool = False,
    permutations: int = PERMUTATIONS,
) -> Explanation:
    """Explain a run, by default the study's reference run, on the cases and folds that the study evaluates it on.

    Raises `UserError` for a run that the study does not have or that has no result, for a single feature, and for
    SHAP values of a model that has none.
    """
    run = named_run(study, run_name or study.reference_run)
    study.refuse_networks([run], "explain")
    study.refuse_harmonised([run], "explain")
    study.refuse_fused([run], "explain")
    if shap:
        from benchmark.analyses.explanation.shapley import require_shap

        require_shap()
    plan = plan_study(study, execution)
    names = _features_of(plan, run)
    families = feature_families(names)
    variants = variants_of(families, len(names))
    evaluated = evaluate_variants(plan, run, variants, execution)
    if variants[0] in evaluated.failed:
        raise UserError(f"run {run.name} has no result: {evaluated.failed[variants[0]]}")
    records = evaluated.records[variants[0]]
    chosen = {
        split: ChosenFold(plan.task(run, split), record["parameters"], record["threshold"])
        for split, record in records.items()
    }
    mixed = study.extractors[run.extractor].components is not None  # all features are in each component
    kept = [names if mixed else record["kept"] for record in records.values()]
    metrics = importance_metrics(study)
    losses = _losses(plan, run, chosen, families, metrics, permutations, execution)
    ratio = float(np.mean([len(split.test) / len(plan.trained_on(run, split)) for split in plan.splits]))
    tables = {
        "ablation": ablation_table(plan, run, evaluated),
        "importance": importance_table(losses, names, families, metrics, ratio),
        "selection": selection_table(kept, names),
        "stability": stability_table(kept, names),
    }
    if shap:
        tables |= _shap_tables(plan, run, chosen, names, execution)
    return Explanation(study, run, tables, _notes(plan, run, families), plan.features.tables[run.extractor])


def named_run(study: Study, name: str) -> Run:
    """Return a run of the study by its name. Raises `UserError` naming the likeliest one meant."""
    for run in study.all_runs():
        if run.name == name:
            return run
    raise UserError(f"--run {name}: names no run of {study.name}; {did_you_mean(name, study.run_names())}")


def importance_metrics(study: Study) -> tuple[str, ...]:
    """Return the metrics whose loss is measured: accuracy and AUC, for bands accuracy and quadratic kappa."""
    return ("accuracy", "roc_auc") if study.target.binary else ("accuracy", "quadratic_kappa")


def _features_of(plan: EvaluationPlan, run: Run) -> tuple[str, ...]:
    if run.name in plan.failed:
        others = ", ".join(other.name for other in plan.runs)
        raise UserError(
            f"run {run.name} has no result: {plan.failed[run.name]}; choose by --run from {others}"
        )
    names = plan.final_task(run).features
    if len(names) == 1:
        raise UserError(
            f"run {run.name} has one feature alone, {names[0]}: nothing can be left out or compared with it; "
            "choose a run of an extractor with several"
        )
    return names


def _losses(
    plan: EvaluationPlan,
    run: Run,
    chosen: Mapping[Split, ChosenFold],
    families: Mapping[str, tuple[int, ...]],
    metrics: tuple[str, ...],
    permutations: int,
    execution: Execution,
) -> list[ImportanceRecord]:
    tasks = {
        split: HeldOut(
            fold,
            families,
            metrics,
            permutations,
            derive_seed(plan.study.seed, "permutation", split.repeat, split.fold),
        )
        for split, fold in chosen.items()
    }
    done = execution.records("importance", held_out_importance, tasks)
    _refuse(run, done.failures)
    return [done.records[split] for split in tasks]


def _shap_tables(
    plan: EvaluationPlan,
    run: Run,
    chosen: Mapping[Split, ChosenFold],
    names: tuple[str, ...],
    execution: Execution,
) -> dict[str, pd.DataFrame]:
    from benchmark.analyses.explanation.shapley import ShapFold, held_out_shap, shap_summary, shap_table

    tasks = {split: ShapFold(fold) for split, fold in chosen.items()}
    done = execution.records("shap", held_out_shap, tasks)
    _refuse(run, done.failures)
    table = shap_table(plan, {split: done.records[split] for split in tasks}, names)
    return {"shap": table, "shap_summary": shap_summary(table)}


def _refuse(run: Run, failures: Mapping[Split, Failure]) -> None:
    for split, failure in failures.items():
        raise UserError(f"run {run.name} cannot be explained: fold {split.fold}: {failure.reason}")


def _notes(plan: EvaluationPlan, run: Run, families: Mapping[str, Any]) -> list[str]:
    notes = []
    if not families:
        notes.append(
            f"the features of {run.extractor} have no families by PyRadiomics' names: none is left out"
        )
    elif len(families) == 1:
        notes.append(
            f"all features of {run.extractor} are of one family, {next(iter(families))}: none is left out"
        )
    if not plan.study.target.binary:
        notes.append("bands have no AUC: importance is the loss of accuracy and of quadratic kappa")
    return notes
