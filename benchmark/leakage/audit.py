"""The leakage audit of a study: every variant of the protocol, on the true labels and on permuted ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmark.errors import UserError
from benchmark.evaluation import evaluate
from benchmark.execution import Workers
from benchmark.leakage.control import PermutedControl
from benchmark.leakage.findings import Finding, assess
from benchmark.leakage.variants import VARIANTS, Variant
from benchmark.pipeline.features import extract_features
from benchmark.pipeline.folds import Records, choose_flat_points
from benchmark.pipeline.plan import EvaluationPlan, plan_evaluation
from benchmark.pipeline.stored import run_stored
from benchmark.progress import Progress, silent
from benchmark.registry import build, did_you_mean
from benchmark.results import Features
from benchmark.seeds import derive_seed
from benchmark.splits import Split
from benchmark.statistics.metrics import decided_metric
from benchmark.store import Store
from benchmark.study import Extraction, Run, Study

_DRAWS = 100
_Name = tuple[int, str, str, Split]
"""Labels (0: the true ones, then the permutations), run, variant, split."""


@dataclass(frozen=True)
class Audit:
    """What an audit found. `left_out` says which protocols of a run could not be audited, and why."""

    study: Study
    cases: int
    chance: float
    findings: list[Finding]
    permutations: pd.DataFrame
    """Columns run, protocol, permutation, balanced_accuracy."""
    left_out: dict[str, str]

    @property
    def table(self) -> pd.DataFrame:
        """One row per run and protocol."""
        return pd.DataFrame([finding.row() for finding in self.findings])


def audit_study(
    study: Study, names: Sequence[str], permutations: int, store: Store, workers: Workers,
    progress: Progress = silent,
) -> Audit:  # fmt: skip
    """Audit the named runs of a study, or its reference run if none is named.

    Evaluated are the cases that all audited runs have, on the study's folds. Raises `UserError` for a study that
    cannot be audited and a run that has no result.
    """
    refuse_unfit(study, permutations)
    runs = _chosen(study, names)
    narrowed = _with_diagnostics(study, runs)
    features = extract_features(narrowed, store, workers, progress)
    plan = plan_evaluation(narrowed, features)
    for name, reason in plan.failed.items():
        raise UserError(f"{study.name}: run {name} cannot be audited: {reason}")
    plans = [plan, *(permuted_plan(plan, number) for number in range(permutations))]
    diagnostics, left_out = _diagnostics(narrowed, plan, features)
    variants = {run: [v for v in VARIANTS if f"{run.name}: {v.name}" not in left_out] for run in runs}
    predictions = _evaluated(plans, variants, diagnostics, store, workers, progress)
    controls = {
        (run.name, variant.name): PermutedControl(
            tuple(_balanced_accuracy(predictions[number, run.name, variant.name])
                  for number in range(1, permutations + 1)),
            1 / _tested_classes(plan),
        )
        for run, mine in variants.items() for variant in mine
    }  # fmt: skip
    seed = derive_seed(study.seed, "audit", "bootstrap")
    findings = [
        finding
        for run, mine in variants.items()
        for finding in assess(
            run.name, mine, pd.concat(predictions[0, run.name, v.name] for v in mine),
            {v.name: controls[run.name, v.name] for v in mine}, seed,
        )
    ]  # fmt: skip
    drawn = [
        (run, variant, number, value)
        for (run, variant), control in controls.items()
        for number, value in enumerate(control.values, start=1)
    ]
    table = pd.DataFrame(drawn, columns=["run", "protocol", "permutation", "balanced_accuracy"])
    return Audit(study, len(plan.case_ids), 1 / _tested_classes(plan), findings, table, left_out)


def refuse_unfit(study: Study, permutations: int) -> None:
    """Raise `UserError` for a study whose protocol leaves nothing to audit."""
    protocol = study.protocol
    if permutations < 2:
        raise UserError(f"--permutations {permutations}: an interval needs 2 or more, 10 are usual")
    if protocol.permute_labels:
        raise UserError(
            f"{study.name}: `permute_labels` is on, and the audit permutes labels itself: leave it out of the protocol"
        )
    if protocol.selection == "flat":
        raise UserError(
            f"{study.name}: declares `selection: flat`, one of the leaks that the audit measures: declare nested, the "
            "audit evaluates flat beside it"
        )
    if protocol.threshold != "half":
        raise UserError(
            f"{study.name}: `threshold: {protocol.threshold}` needs inner folds, which tuning on the test folds does "
            "without: audit the study with `threshold: half`"
        )


def permuted_plan(plan: EvaluationPlan, number: int) -> EvaluationPlan:
    """Return the plan as if the labels had been permuted before anything else, with folds drawn for them.

    A permutation that leaves a fold without a label is drawn again. Raises `UserError` when all are.
    """
    study, tested, reason = plan.study, _tested_classes(plan), "a label is tested by no fold"
    for draw in range(_DRAWS):
        seed = derive_seed(study.seed, "audit", "permute", number, draw)
        labels = np.random.default_rng(seed).permutation(plan.labels)
        try:
            splits = list(study.protocol.splits(labels, study.seed, plan.cases))
        except UserError as error:
            reason = str(error)
            continue
        permuted = replace(plan, labels=labels, splits=splits)
        if _tested_classes(permuted) == tested:
            return permuted
    raise UserError(
        f"{study.name}: none of {_DRAWS} permutations of the labels can be evaluated under "
        f"`split: {study.protocol.split}`, so it cannot be audited ({reason})"
    )


def _chosen(study: Study, names: Sequence[str]) -> list[Run]:
    """Return the named runs; default: the reference run, or the first where that cannot be made here."""
    known = {run.name: run for run in study.all_runs()}
    for name in names:
        if name not in known:
            raise UserError(f"--run {name}: {study.name} has no such run; {did_you_mean(name, list(known))}")
    if names:
        return [known[name] for name in dict.fromkeys(names)]
    candidates = [study.reference_run, *known]
    ready = (name for name in candidates if not study.why_unavailable(known[name]))
    return [known[next(ready, study.reference_run)]]


def _with_diagnostics(study: Study, runs: list[Run]) -> Study:
    """Return the study of these runs alone, with the diagnostics of their segmenters' ROIs extracted beside."""
    extractor = build("feature_extractor", "image_diagnostics")
    declared = {run.extractor: study.extractors[run.extractor] for run in runs}
    beside = {
        _diagnostics_name(item.segmenter): Extraction(segmenter=item.segmenter, extractor=extractor)
        for item in declared.values()
    }
    changes = {"extractors": declared | beside, "runs": tuple(run.name for run in runs)}
    return study.model_copy(update=changes)


def _diagnostics_name(segmenter: str) -> str:
    return f"diagnostics of {segmenter}"


def _diagnostics(
    study: Study, plan: EvaluationPlan, features: Features
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Return the diagnostics of the plan's cases by run, and the protocols that must do without them, with why."""
    found: dict[str, pd.DataFrame] = {}
    left_out: dict[str, str] = {}
    for run in plan.runs:
        name = _diagnostics_name(study.extractors[run.extractor].segmenter)
        table = features.tables[name].reindex(plan.case_ids)
        lacking = table.index[table.isna().any(axis=1)]
        reason = ""
        if len(lacking):
            why = {item.case_id: item.reason for item in features.exclusions if item.extractor == name}
            reason = f"{len(lacking)} of {len(table)} cases have no diagnostics, the first: {why[lacking[0]]}"
        elif (table.nunique() < 2).all():
            reason = "every diagnostic is the same in all cases: they can tell nothing"
        if reason:
            left_out |= {f"{run.name}: {v.name}": reason for v in VARIANTS if v.needs_diagnostics}
        found[run.name] = table
    return found, left_out


def _evaluated(
    plans: list[EvaluationPlan], variants: dict[Run, list[Variant]], diagnostics: dict[str, pd.DataFrame],
    store: Store, workers: Workers, progress: Progress,
) -> dict[tuple[int, str, str], pd.DataFrame]:  # fmt: skip
    """Return the predictions by labels (0: the true ones), run and variant; the variant stands in column ``run``."""
    tasks = {}
    for number, plan in enumerate(plans):
        for run, mine in variants.items():
            for variant in mine:
                varied = variant.change(plan.final_task(run), diagnostics[run.name])
                for split in plan.splits:
                    task = plan.task(run, split)
                    tasks[number, run.name, variant.name, split] = replace(
                        varied, train=task.train, test=task.test, seed=task.seed
                    )
    records, errors = run_stored("folds", tasks, evaluate, store, workers, progress)
    for (_, run_name, variant_name, split), reason in errors.items():
        raise UserError(f"run {run_name}, {variant_name}, fold {split.fold}: {reason}")
    grouped: dict[tuple[int, str, str], Records] = {}
    for number, run_name, variant_name, split in tasks:
        record = records[number, run_name, variant_name, split]
        grouped.setdefault((number, run_name, variant_name), {})[run_name, split] = record
    return {key: _predictions(plans[key[0]], found).assign(run=key[2]) for key, found in grouped.items()}


def _predictions(plan: EvaluationPlan, records: Records) -> pd.DataFrame:
    flat = any("points" in record for record in records.values())
    return plan.predictions(choose_flat_points(plan, records) if flat else records)


def _balanced_accuracy(predictions: pd.DataFrame) -> float:
    """Return the balanced accuracy of the pooled out-of-fold predictions, as the mean over the repeats."""
    return float(
        np.mean(
            [
                decided_metric("balanced_accuracy", mine["label"], mine["predicted"], mine["score"])
                for _, mine in predictions.groupby("repeat")
            ]
        )
    )


def _tested_classes(plan: EvaluationPlan) -> int:
    return len(np.unique(plan.labels[np.concatenate([split.test for split in plan.splits])]))
