"""From a robustness study to its tables: the same patients under every condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from benchmark.analyses.robustness.performance import performance_table, rank_runs
from benchmark.analyses.robustness.stability import reliability_table, stability_summary
from benchmark.analyses.robustness.study import BASE, RobustnessStudy
from benchmark.analyses.robustness.transfer import transferred_predictions
from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.seeds import derive_seed
from benchmark.pipeline.cases import about_cases, identify_cases, list_cases
from benchmark.pipeline.features import extract_features
from benchmark.pipeline.plan import check_splits, plan_evaluation, require_runs
from benchmark.pipeline.results import Features, tally
from benchmark.statistics.comparison.ranks import Ranking
from benchmark.statistics.intervals.bootstrap import Resampling
from benchmark.study.study import Study


@dataclass(frozen=True)
class Robustness:
    """What was measured. `failed` are the runs without results, with the reason."""

    study: RobustnessStudy
    patients: int
    """How many have all features under all conditions; only they are compared."""
    reliability: pd.DataFrame
    stability: pd.DataFrame
    predictions: pd.DataFrame
    performance: pd.DataFrame
    rankings: dict[str, Ranking]
    exclusions: pd.DataFrame
    failed: dict[str, str]


def measure_robustness(study: RobustnessStudy, execution: Execution) -> Robustness:
    """Extract the features under every condition and compare them with the base scans.

    Raises `UserError` when nothing can be evaluated, or a condition has other patients, labels or features.
    """
    study.base.refuse_networks(study.base.all_runs(), "robustness")
    study.base.refuse_harmonised(study.base.all_runs(), "robustness")
    study.base.refuse_fused(study.base.all_runs(), "robustness")
    studies = {BASE: study.base, **study.conditions}
    everything = {name: _features(declared, execution.within(name)) for name, declared in studies.items()}
    shared = _shared_patients(studies, everything)
    base = _restricted(everything[BASE], shared)
    others = {name: _restricted(everything[name], shared).tables for name in study.conditions}
    measured = {name: table for name, table in base.tables.items() if not table.empty}
    reliability = reliability_table(measured, others)
    plan = plan_evaluation(study.base, base)
    predictions, failed = transferred_predictions(plan, others, execution)
    failed = plan.failed | failed
    require_runs(study.base, [run for run in plan.runs if run.name not in failed], failed)
    resampling = Resampling(seed=derive_seed(study.base.seed, "robustness"))
    performance = performance_table(predictions, study.base.target.metrics, resampling)
    rankings = {metric: rank_runs(performance, metric) for metric in study.base.compared_metrics}
    return Robustness(
        study,
        len(shared),
        reliability,
        stability_summary(reliability),
        predictions,
        performance,
        {metric: ranking for metric, ranking in rankings.items() if ranking is not None},
        _exclusions(everything),
        failed,
    )


def _features(study: Study, execution: Execution) -> Features:
    """Return one condition's features. Raises `UserError`, before anything is extracted where it can."""
    cases = identify_cases(list_cases(study.cohort), execution)
    if cases.readable:
        check_splits(study, about_cases(cases.readable))
    return extract_features(study, execution, cases)


def _shared_patients(studies: Mapping[str, Study], everything: Mapping[str, Features]) -> list[str]:
    """Return the cases that every condition has with every feature, sorted. Raises `UserError`."""
    base = everything[BASE]
    shared = set(base.cases.index)
    for name, features in everything.items():
        same = base.cases.index.intersection(features.cases.index)
        if same.empty:
            raise UserError(
                f"condition {name}: none of its cases is a case of the base scans: the same patients must be "
                "scanned again, so leave the cohort's seed and numbers of cases alone"
            )
        codes = [studies[key].target.codes(everything[key].cases.loc[same]) for key in (BASE, name)]
        if (codes[0] != codes[1]).any():
            first = same[codes[0] != codes[1]][0]
            raise UserError(
                f"condition {name}: case {first} has another label than in the base scans: mend the cohort"
            )
        for extractor_name in (name for name, table in base.tables.items() if not table.empty):
            other = features.tables.get(extractor_name, pd.DataFrame())
            if other.empty:
                why = features.unavailable.get(extractor_name) or tally(features.exclusions)
                raise UserError(f"condition {name}: extractor {extractor_name} has no case: {why}")
            shared &= set(other.index)
    if len(shared) < 2:
        raise UserError(
            f"{studies[BASE].name}: {len(shared)} patients have all features under all conditions: leave out the "
            "condition that excludes the others"
        )
    return sorted(shared)


def _restricted(features: Features, patients: list[str]) -> Features:
    """Return the features of these patients alone; a table without any case stays as it is."""
    tables = {name: table if table.empty else table.loc[patients] for name, table in features.tables.items()}
    return replace(features, cases=features.cases.loc[patients], tables=tables)


def _exclusions(everything: Mapping[str, Features]) -> pd.DataFrame:
    rows = [
        {"condition": name, **item.row()}
        for name, features in everything.items()
        for item in features.exclusions
    ]
    return pd.DataFrame(rows, columns=["condition", "case_id", "extractor", "stage", "reason"])
