"""Where a study's own evidence stands for what checklists ask; empty where this study has none."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import pandas as pd

from benchmark.pipeline.results import StudyResult
from benchmark.plugins.registry import name_of

METHODS = "methods.txt"
"""The file of the methods paragraph, beside the page."""


def evidence_of(
    result: StudyResult, facts: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]
) -> dict[str, str]:
    """Return a sentence with the file it stands in for each kind of evidence; empty where there is none."""
    return {
        **_data(result, facts),
        **_features(result),
        **_modelling(result, facts),
        **_evaluation(result, facts, tables),
        **_openness(result, facts),
    }


def _data(result: StudyResult, facts: Mapping[str, Any]) -> dict[str, str]:
    cases, cohort = result.features.cases, result.study.cohort
    made = "" if cohort.reads_files else ", made by the software: no patients"
    labels = ", ".join(f"{count} {name}" for name, count in facts["labels"].items())
    regions = dict.fromkeys(result.study.extractors[run.extractor].segmenter for run in result.all_runs())
    protocols, groups = (_several(cases[name]) for name in ("protocol", "group"))
    dropped = facts["excluded"]
    return {
        "source": f"cohort {name_of(cohort)}{made} ({METHODS})",
        "images": "" if cohort.reads_files else "the study file makes the same scans and masks again",
        "acquisition": f"protocol {protocols} (tables/cases.csv); how it was set is not in there"
        if protocols
        else "",
        "groups": f"groups {groups} (tables/cases.csv); whether they are institutions is not known"
        if groups
        else "",
        "outcome": f"{labels} ({METHODS}); how it was found is the cohort's to say",
        "balance": f"{labels} (tables/cases.csv)",
        "regions": f"by {', '.join(regions)} ({METHODS}); who drew a mask that came with the scans is not known",
        "exclusions": f"{dropped} of {len(cases)}, by stage and reason (tables/exclusions.csv); flowchart: flow.svg",
        "missing": f"a case without all features is left out, none is imputed: {dropped} (tables/exclusions.csv)",
        "one_modality": "CT alone",
    }


def _several(column: pd.Series) -> str:
    names = [str(name) for name in sorted(set(column.dropna())) if str(name)]
    return ", ".join(names) if len(names) > 1 else ""


def _features(result: StudyResult) -> dict[str, str]:
    names = dict.fromkeys(run.extractor for run in result.all_runs())
    counts = {name: result.features.tables[name].shape[1] for name in names}
    named = ", ".join(f"{name} {count}" for name, count in counts.items())
    libraries = dict.fromkeys(
        library for name in names for library in result.study.extractors[name].extractor.libraries_used()
    )
    return {
        "features": f"{named} ({METHODS})",
        "software": ", ".join(f"{name} {version(name)}" for name in libraries),
        "parameters": f"what the study file sets: {METHODS}; all of them: study.json",
        "defaults": f"what {METHODS} does not name is the default of the version it names",
        "dimensions": f"{named} before the filters, {len(result.case_ids)} cases; kept: tables/choices.csv",
    }


def _modelling(result: StudyResult, facts: Mapping[str, Any]) -> dict[str, str]:
    study, protocol = result.study, result.study.protocol
    used = {run.classifier: study.learner(run) for run in result.all_runs()}
    steps = {
        name: [type(step).__name__ for step in learner.estimator(0).named_steps.values()]
        for name, learner in used.items()
    }
    filtered = [name for name, parts in steps.items() if "CorrelationFilter" in parts]
    reduced = [f"{name} {one.components}" for name, one in study.extractors.items() if one.components]
    harmonised = [name for name, learner in used.items() if learner.batch_column]
    classical = [name for name, parts in steps.items() if "LogisticRegression" in parts]
    within = (
        "within each training fold" if protocol.selection == "nested" else "on the folds it is reported on"
    )
    return {
        "split": f"{facts['protocol']}; patients whole; all that is learnt, in the training fold (tables/folds.csv)",
        "models": f"{', '.join(used)}: each step in {METHODS}",
        "reduction": "; ".join(
            f"{what} in the training fold: {', '.join(names)} ({METHODS})"
            for what, names in (("correlated features dropped", filtered), ("principal components", reduced))
            if names
        ),
        "kept": "tables/choices.csv, for each run and fold",
        "tuning": f"grids in {METHODS}, chosen {within}: tables/choices.csv",
        "choice": "of an extractor's classifiers the one with the best inner score, in each fold (tables/methods.csv)",
        "confounders": f"ComBat in the training fold: {', '.join(harmonised)}" if harmonised else "",
        "classical": f"{', '.join(classical)} (tables/summary.csv)" if classical else "",
    }


def _evaluation(
    result: StudyResult, facts: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]
) -> dict[str, str]:
    split = result.study.protocol.split
    apart = split in ("leave_one_group_out", "fixed")
    detectable = tables["claims"].get("detectable", pd.Series(dtype=float)).median()
    shown = "" if pd.isna(detectable) else f": about {100 * detectable:.0f} points of accuracy"
    rules = ", ".join(dict.fromkeys(result.yardsticks["run"]))
    return {
        "question": result.study.comparisons.question or "",
        "size": f"not planned; what {facts['tested']} cases can show{shown} (tables/claims.csv)",
        "test": f"{'cases kept apart' if apart else 'internal'}: {facts['protocol']}",
        "external": "cases that the study keeps apart, of the same cohort" if apart else "",
        "metrics": f"{', '.join(result.study.target.metrics)} (tables/summary.csv)",
        "intervals": "95 % intervals of every value and difference (tables/intervals.csv, tables/comparisons.csv)",
        "comparisons": f"{', '.join(result.study.comparisons.tests)}, adjusted (tables/comparisons.csv)",
        "calibration": "tables/calibration.csv, Brier score in tables/intervals.csv"
        if "calibration" in tables
        else "",
        "rules": f"rules without learning: {rules} (tables/methods.csv)" if rules else "",
        "performance": "tables/summary.csv, table.md, table.tex",
        "skill": "tables/skill.csv: accuracy above the best rule" if len(tables["skill"]) else "",
    }


def _openness(result: StudyResult, facts: Mapping[str, Any]) -> dict[str, str]:
    return {
        "settings": "study.yaml; every parameter, defaults too, in study.json",
        "code": f"cacbench {facts['versions']['cacbench']}, Apache-2.0; plug-ins of others are theirs to open",
        "fitted": f"{len(result.models)} models in MLflow, fitted on all that may train; to share them is yours",
        "runnable": "`cacbench apply` takes a run to other scans; `mlflow models predict` a table of features",
    }
