"""The methods paragraph of a study, ready to be pasted: every number and name in it is the study's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmark.pipeline.results import StudyResult
from benchmark.plugins.registry import name_of
from benchmark.report.writing.declared import declared_of
from benchmark.statistics.intervals.bootstrap import STANDARD

TESTS = {
    "paired_t": "the paired t-test over folds",
    "nadeau_bengio": "the corrected resampled t-test of Nadeau and Bengio",
    "wilcoxon": "the Wilcoxon signed-rank test over folds",
    "five_by_two_f": "the combined 5×2 cross-validation F-test",
    "bayesian_correlated_t": "the Bayesian correlated t-test",
    "mcnemar": "McNemar's exact test",
    "delong": "DeLong's test",
    "bootstrap_percentile": "the percentile bootstrap over patients",
    "bootstrap_bca": "the BCa bootstrap over patients",
}
"""What a paper calls the tests that a study declares."""


def methods_paragraph(result: StudyResult, facts: Mapping[str, Any]) -> str:
    """Return cohort, outcome, regions, features, models, protocol, statistics and software, a paragraph each.

    `facts` are those of `facts_of`. Of a plug-in's parameters those are named that the study file sets.
    """
    parts = {
        "Cohort": _cohort(result, facts),
        "Outcome": _outcome(result, facts),
        "Regions": _regions(result),
        "Features": _features(result),
        "Models": _models(result),
        "Protocol": _protocol(result, facts),
        "Statistics": _statistics(result),
        "Software": _software(result, facts),
    }
    return "\n".join(f"{title}. {text}" for title, text in parts.items()) + "\n"


def _cohort(result: StudyResult, facts: Mapping[str, Any]) -> str:
    features, cohort = result.features, result.study.cohort
    left_out = f"{facts['excluded']} {'was' if facts['excluded'] == 1 else 'were'} excluded"
    if facts["excluded"]:
        left_out += f" ({facts['why_excluded']})"
    tested = "" if facts["tested"] == facts["cases"] else f", of which {facts['tested']} are tested"
    return (
        f"{len(features.cases)} cases of the cohort {name_of(cohort)}{declared_of(cohort)}; {left_out}. Analysed "
        f"are the {facts['cases']} cases of {facts['patients']} patients that every run with a result has{tested}."
    )


def _outcome(result: StudyResult, facts: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in facts["labels"].items())
    what = "label of the cohort" if result.study.target.binary else "band of the Agatston score"
    return f"The {what} ({counts})."


def _regions(result: StudyResult) -> str:
    used = dict.fromkeys(result.study.extractors[name].segmenter for name in _extractors(result))
    return _listed(
        f"{name}: {name_of(plugin)}{declared_of(plugin)}"
        for name, plugin in ((name, result.study.segmenters[name]) for name in used)
    )


def _features(result: StudyResult) -> str:
    texts = []
    for name in _extractors(result):
        extraction = result.study.extractors[name]
        count = result.features.tables[name].shape[1]
        learnt = str(extraction.train_on)
        only = "" if learnt == "all cases" else f", learnt from {learnt} alone"
        kind = f"{name_of(extraction.extractor)}{declared_of(extraction.extractor)}"
        most = extraction.components
        reduced = f", reduced to {most} principal components in the training fold" if most else ""
        texts.append(
            f"{name}: {count} features by {kind} in the region {extraction.segmenter}{reduced}{only}"
        )
    return _listed(texts)


def _models(result: StudyResult) -> str:
    runs = result.all_runs()
    texts = []
    for name in dict.fromkeys(run.classifier for run in runs):
        classifier = result.study.classifiers[name]
        grid = {key.rpartition("__")[2]: values for key, values in classifier.parameter_grid().items()}
        tried = "; ".join(f"{key} {', '.join(map(str, values))}" for key, values in grid.items())
        # One that trains a network has no steps before it knows whose.
        extraction = result.study.extractors[next(run.extractor for run in runs if run.classifier == name)]
        learner = classifier.learning_from(extraction.extractor).estimator(0)
        steps = ", then ".join(_step(step) for step in learner.named_steps.values() if step != "passthrough")
        texts.append(
            f"{name}: {steps}{declared_of(classifier, leave_out=('grid',))}, tried {tried or 'as is'}"
        )
    return _listed(texts)


def _step(step: Any) -> str:
    """Return what a step of a pipeline is, a filter with its threshold."""
    return type(step).__name__ + (f" {step.threshold:g}" if hasattr(step, "threshold") else "")


def _protocol(result: StudyResult, facts: Mapping[str, Any]) -> str:
    protocol = result.study.protocol
    nested = protocol.selection == "nested"
    chosen = (
        f"by {protocol.inner_folds}-fold cross-validation within each training fold"
        if nested
        else "on the folds that are reported, which is optimistic"
    )
    learnt = "filters, scaling and hyperparameters" if nested else "filters and scaling"
    return (
        f"{facts['protocol']}, the same folds for every run, no patient in two of them, seed {result.study.seed}. "
        f"Hyperparameters were chosen {chosen} by {protocol.scoring}; {learnt} were learnt from training cases alone."
    )


def _statistics(result: StudyResult) -> str:
    declared = result.study.comparisons
    against = (
        f"with {result.reference_run}"
        if declared.pairs is None
        else "in the declared pairs " + ", ".join(" and ".join(pair) for pair in declared.pairs)
    )
    family = "each test and metric" if declared.family == "metric" else "each test over all metrics"
    asked = f" The study's question: {declared.question}, by accuracy." if declared.question else ""
    rules = ", ".join(dict.fromkeys(result.yardsticks["run"]))
    beside = f" Rules without learning beside them: {rules}." if rules else ""
    return (
        f"Values are pooled over out-of-fold predictions with 95 % intervals (BCa, {STANDARD.replicates:,} resamples "
        f"of patients within classes). Runs were compared {against} on {', '.join(result.study.compared_metrics)} by "
        f"{_enumerated(TESTS[test] for test in declared.tests)}; p-values adjusted by Holm and Benjamini-Hochberg "
        f"within {family}; practical equality: ±{declared.rope:g}.{asked}{beside}"
    )


def _software(result: StudyResult, facts: Mapping[str, Any]) -> str:
    made_with = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    weights = [f"{name} {digest}" for name, digest in facts["weights"].items()]
    digests = _listed(weights or ["none"])
    missing = ", ".join(
        dict.fromkeys(name.partition("/")[0] for name in result.failed if _lost(result, name))
    )
    without = f" Declared and without any result: {missing}." if missing else ""
    return (
        f"{made_with}. Parameters that are not named here are the defaults of that version. "
        f"Weights by SHA-256: {digests}{without}"
    )


def _lost(result: StudyResult, run: str) -> bool:
    return run.partition("/")[0] not in _extractors(result)


def _extractors(result: StudyResult) -> list[str]:
    return list(dict.fromkeys(run.extractor for run in result.all_runs()))


def _listed(texts: Iterable[str]) -> str:
    return "; ".join(texts) + "."


def _enumerated(texts: Iterable[str]) -> str:
    *some, last = texts
    return f"{', '.join(some)} and {last}" if some else last
