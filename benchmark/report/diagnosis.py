"""Recognises, on a finished study, the ways in which this comparison is known to go wrong, and says what to run next.

The signatures are those of arXiv 2510.25347 and its review: low sensitivity, the ROI misses calcium; low
specificity, it holds other dense structures; weak embeddings, the scans are unlike those the network learnt from;
exclusions, the segmenter did not find the vessels. And one of any comparison: a model that tells no case from another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from benchmark.pipeline.results import StudyResult
from benchmark.plugins.reports import ReportExtractor
from benchmark.report.verdict.stated_labels import statements_found
from benchmark.statistics.intervals.proportions import wilson
from benchmark.study.study import Run

LOWEST_SENSITIVITY = 0.70
LOWEST_SPECIFICITY = 0.60
LOWEST_EMBEDDING_ACCURACY = 0.65
HIGHEST_EXCLUSION_RATE = 0.05
"""arXiv 2510.25347 lost 3.7 % of its scans to segmentation."""
ALIKE = 1e-12
"""Largest difference between probabilities that are the same but for rounding."""
SMALLEST_LEAF = ("min_child_samples", "min_data_in_leaf", "min_samples_leaf")
"""What tree learners call the least number of training cases in a leaf; a split needs twice as many."""
COLUMNS = ("subject", "sign", "value", "limit", "cause", "next_run", "measured")


@dataclass(frozen=True)
class Diagnosis:
    """One signature that fired: of which run or segmenter, its number against the limit, and what to do."""

    subject: str
    sign: str
    value: float
    limit: float
    cause: str
    next_run: str
    measured: str = ""
    """The value's 95 % interval and of how many cases, where that is known."""

    def __str__(self) -> str:
        """Say it in one sentence."""
        measured = f" {self.measured}" if self.measured else ""
        number = f"{self.sign} is {self.value:.3f}{measured} (limit {self.limit:.2f})"
        return f"{self.subject}: {number}: {self.cause}; {self.next_run}"


def diagnose(result: StudyResult, summary: pd.DataFrame) -> list[Diagnosis]:
    """Return the signatures that fired: runs that tell no case from another, extractors in order, exclusions last.

    `summary` has a row per run and metric. Each extractor is judged by its most accurate run, so that a classifier
    that learns badly is not taken for a bad region. A control, of untrained weights or permuted labels, is not judged,
    and bands have no sensitivity to judge by.
    """
    findings = list(_constant(result))
    constant = {finding.subject for finding in findings}
    metrics = summary[~summary["run"].isin(constant)].pivot(index="run", columns="metric", values="value")
    if not result.study.target.binary or result.study.protocol.permute_labels:
        return [*findings, *_warned(result), *_exclusions(result)]
    for name, extraction in result.study.extractors.items():
        runs_of_extractor = metrics[metrics.index.str.startswith(f"{name}/")]
        if len(runs_of_extractor) and not getattr(extraction.extractor, "untrained", False):
            best = str(runs_of_extractor["accuracy"].idxmax())
            found = _of_run(result, best, runs_of_extractor.loc[[best]].to_dict("records")[0])
            findings += [replace(finding, measured=_measured(result, summary, finding)) for finding in found]
    accuracy = (
        metrics["accuracy"]
        if "accuracy" in metrics
        else pd.Series(dtype=float, index=pd.Index([], dtype=str))
    )
    for name, share, cause, next_run in statements_found(result, accuracy):
        sign = "share of cases whose report states the label outright"
        findings.append(Diagnosis(name, sign, share, 0.0, cause, next_run))
    return [*findings, *_warned(result), *_exclusions(result)]


def as_table(findings: list[Diagnosis]) -> pd.DataFrame:
    """Return one row per finding."""
    return pd.DataFrame([asdict(finding) for finding in findings], columns=list(COLUMNS))


def _measured(result: StudyResult, summary: pd.DataFrame, finding: Diagnosis) -> str:
    """Return the interval of the number that a finding is about, and how many cases it is a share of."""
    tested = result.predictions.drop_duplicates("case_id") if len(result.predictions) else pd.DataFrame()
    rows = summary[(summary["run"] == finding.subject) & (summary["metric"] == finding.sign)]
    if tested.empty or "low" not in rows or rows["low"].isna().any():
        return ""
    whose = {"sensitivity": tested["label"] == 1, "specificity": tested["label"] == 0}
    cases = int(whose.get(finding.sign, tested["label"].notna()).sum())
    low, high = rows[["low", "high"]].to_numpy()[0]
    return f"[{low:.2f}, {high:.2f}] of {cases} cases"


def _of_run(result: StudyResult, name: str, metrics: Mapping[Any, float]) -> Iterator[Diagnosis]:
    extraction = result.study.extractors[name.partition("/")[0]]
    segmenter = result.study.segmenter_of(name.partition("/")[0])
    if isinstance(extraction.extractor, ReportExtractor) or extraction.beside or extraction.permuted:
        return  # the signatures are those of images
    if extraction.extractor.embedding:
        if metrics["accuracy"] < LOWEST_EMBEDDING_ACCURACY:
            yield Diagnosis(
                name,
                "accuracy",
                metrics["accuracy"],
                LOWEST_EMBEDDING_ACCURACY,
                "perhaps the scans are unlike those the network learnt from",
                "run the extractor with another preprocessing, and radiomics on the same ROI beside it",
            )
        return
    if metrics["sensitivity"] < LOWEST_SENSITIVITY:
        wider = getattr(segmenter, "dilation_mm", None)
        advice = (
            f"run with another segmenter than {extraction.segmenter}"
            if wider is None
            else f"run with `{extraction.segmenter}: {{dilation_mm: {wider + 2:g}}}` or another segmenter"
        )
        yield Diagnosis(
            name,
            "sensitivity",
            metrics["sensitivity"],
            LOWEST_SENSITIVITY,
            "perhaps the ROI misses calcium",
            advice,
        )
    if metrics["specificity"] < LOWEST_SPECIFICITY:
        hu = getattr(segmenter, "hu", None)
        advice = (
            f"run with `{{use: threshold, within: {extraction.segmenter}}}`"
            if hu is None
            else f"run with `{extraction.segmenter}: {{hu: {hu + 20:g}}}` or within a narrower region"
        )
        yield Diagnosis(
            name,
            "specificity",
            metrics["specificity"],
            LOWEST_SPECIFICITY,
            "perhaps other dense structures lie inside the ROI",
            advice,
        )


def _constant(result: StudyResult) -> Iterator[Diagnosis]:
    """Yield a finding for each run that gives every case of a fold the same probabilities, in every fold."""
    if result.predictions.empty:
        return
    probabilities = [name for name in result.predictions if str(name).startswith("probability_")] or ["score"]
    for run in result.all_runs():
        folds = result.predictions[result.predictions["run"] == run.name].groupby(["repeat", "fold"])
        several = folds.size() > 1  # one case alone differs from none
        spread = (folds[probabilities].max() - folds[probabilities].min()).fillna(0.0).max(axis=1)[several]
        if len(spread) and (spread <= ALIKE).all():
            cause, next_run = _why_constant(result, run)
            yield Diagnosis(run.name, "spread of the probabilities within a fold", 0.0, 0.0, cause, next_run)


def _why_constant(result: StudyResult, run: Run) -> tuple[str, str]:
    """Return why a run tells no case from another, and what to do."""
    cases = int(result.folds.loc[result.folds["run"] == run.name, "n_train"].max())
    declared = result.study.learner(run).estimator(0).get_params()
    chosen = [
        json.loads(text) for text in result.choices.loc[result.choices["run"] == run.name, "parameters"]
    ]
    for name in SMALLEST_LEAF:
        found = [
            value
            for parameters in (chosen if any(name in "".join(one) for one in chosen) else [declared])
            for key, value in parameters.items()
            if key.rpartition("__")[2] == name and isinstance(value, int)
        ]
        if found and cases < 2 * min(found):
            return (
                f"its trees cannot split: {cases} training cases are fewer than twice {name} ({min(found)})",
                f"add `{name}: [{max(1, cases // 4)}]` to the grid of {run.classifier}, or cases to the cohort",
            )
    return (
        "every case of a fold is given the same probability, whatever its features",
        f"look at the features with `cacbench features`, and run another classifier than {run.classifier}",
    )


def _warned(result: StudyResult) -> Iterator[Diagnosis]:
    """Yield a finding for each segmenter that says of scans that its findings in them are not to be trusted."""
    total = len(result.features.cases)
    for segmenter in dict.fromkeys(item.segmenter for item in result.study.extractors.values()):
        if cases := result.features.cases_warned(segmenter, "severe"):
            yield Diagnosis(
                segmenter,
                "share of scans with a severe warning",
                cases / total,
                0.0,
                "what it finds in scans like these is not to be trusted (tables/anomalies.csv)",
                "look at one with `cacbench score SCAN --segmenter`, and run with another segmenter beside it",
            )


def _exclusions(result: StudyResult) -> Iterator[Diagnosis]:
    total = len(result.features.cases)
    lost: dict[str, set[str]] = {}
    for item in result.features.exclusions:
        if item.stage == "segment":
            lost.setdefault(result.study.extractors[item.excluded_from].segmenter, set()).add(item.case_id)
    for segmenter, cases in lost.items():
        low, high = wilson(len(cases), total)
        much = "often" if len(cases) / total > HIGHEST_EXCLUSION_RATE else "at times"
        yield Diagnosis(
            segmenter,
            "exclusion rate",
            len(cases) / total,
            0.0,
            f"the segmenter {much} finds no vessels ({len(cases)} of {total}, 95 % interval {low:.3f} to {high:.3f})",
            "look at `cacbench quality` and run with another segmenter",
        )
