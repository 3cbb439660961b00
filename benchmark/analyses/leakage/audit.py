"""The leakage audit of a study: every variant of its protocol, what each reports and what it finds in noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmark.analyses.leakage.control import PermutedControl
from benchmark.analyses.leakage.evaluation import (
    balanced_accuracy,
    evaluate_variants,
    permuted_plan,
    tested_classes,
)
from benchmark.analyses.leakage.findings import Finding, assess
from benchmark.analyses.leakage.scope import chosen_runs, diagnostics_by_run, refuse_unfit, with_diagnostics
from benchmark.analyses.leakage.variants import VARIANTS, variants_for
from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.seeds import derive_seed
from benchmark.pipeline.run import plan_study
from benchmark.study.study import Study


@dataclass(frozen=True)
class Audit:
    """What an audit found on `cases` cases with so many permutations of their labels."""

    study: Study
    cases: int
    permutations: int
    findings: list[Finding]
    left_out: dict[tuple[str, str], str]
    """Why a protocol of a run could not be audited, by run and protocol."""

    @property
    def table(self) -> pd.DataFrame:
        """One row per run and protocol."""
        return pd.DataFrame([finding.row() for finding in self.findings])

    @property
    def permuted(self) -> pd.DataFrame:
        """One row per run, protocol and permutation: columns run, protocol, permutation, balanced_accuracy."""
        rows = [
            (finding.run, finding.variant.name, number, value)
            for finding in self.findings
            for number, value in enumerate(finding.control.values, start=1)
        ]
        return pd.DataFrame(rows, columns=["run", "protocol", "permutation", "balanced_accuracy"])


def audit_study(study: Study, names: Sequence[str], permutations: int, execution: Execution) -> Audit:
    """Audit the named runs of a study, or its reference run if none is named.

    Evaluated are the cases that all audited runs have, on the study's folds; these are the study's own results
    unless a run that is not audited lacks some of the cases. Raises `UserError` for a study that cannot be audited
    and a run that has no result.
    """
    refuse_unfit(study, permutations)
    runs = chosen_runs(study, names)
    study.refuse_networks(runs, "audit")
    study.refuse_fused(runs, "audit")
    narrowed = with_diagnostics(study, runs)
    plan = plan_study(narrowed, execution)
    for name, reason in plan.failed.items():
        raise UserError(f"{study.name}: run {name} cannot be audited: {reason}")
    diagnostics, without = diagnostics_by_run(narrowed, plan, plan.features)
    variants = {run: variants_for(study.learner(run), diagnosed=run.name not in without) for run in runs}
    plans = [plan, *(permuted_plan(plan, number) for number in range(1, permutations + 1))]
    evaluated = evaluate_variants(plans, variants, diagnostics, execution)
    findings = []
    for run, variants_of_run in variants.items():
        predictions_by_variant = {
            variant.name: evaluated[run.name, variant.name] for variant in variants_of_run
        }
        controls = {
            name: PermutedControl(tuple(map(balanced_accuracy, permuted)), 1 / tested_classes(plan))
            for name, (_, *permuted) in predictions_by_variant.items()
        }
        predictions = pd.concat(true.assign(run=name) for name, (true, *_) in predictions_by_variant.items())
        seed = derive_seed(study.seed, "audit", "bootstrap")
        findings += assess(run.name, variants_of_run, predictions, controls, seed)
    left_out = {
        (run, variant.name): reason
        for run, reason in without.items()
        for variant in VARIANTS
        if variant.needs_diagnostics
    }
    return Audit(study, len(plan.case_ids), permutations, findings, left_out)
