"""The report of a finished study: the comparison of its runs, and all that lies behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from benchmark.pipeline.results import StudyResult
from benchmark.report.cases.pictures import captions
from benchmark.report.cases.segmentations import legends
from benchmark.report.diagnosis import as_table, diagnose
from benchmark.report.figures import study_figures
from benchmark.report.headline import DECLARED, facts_of
from benchmark.report.readable.chosen import chosen_of_runs
from benchmark.report.readable.made import further_analyses, how_made, question_of
from benchmark.report.readable.overview import first_section, other_methods, overview_of
from benchmark.report.readable.tables import (
    bands_side_by_side,
    brier_scores,
    classes_of_runs,
    headline_table,
    warnings_of_segmenters,
    with_p,
)
from benchmark.report.report import Report, Section
from benchmark.report.tables import all_tables
from benchmark.report.tracking.runs import log_study
from benchmark.report.verdict.pairs import claims_in_words, pairs_side_by_side
from benchmark.report.verdict.sentence import verdict
from benchmark.report.writing.sections import for_the_paper
from benchmark.report.writing.weights import weights_of_others

SHOWN = ["metric", "run", "reference", "test", "difference", "low", "high", "p", "p_holm", "p_bh", "note"]
_ON_COMPARISONS = (
    "Each run minus what it is compared with, and the 95 % interval of the difference. The paired t-test is the "
    "published one; fold scores share training cases, so it finds differences that are not there. For “method A is "
    "better than method B” rely on nadeau_bengio and its p_holm. mcnemar, delong and bootstrap describe these fitted "
    "models on patients like these."
)
_ON_CALIBRATION = (
    "Fifths of the cases by predicted probability, against the share that has label 1. The Brier score is the mean "
    "squared error of the probabilities; the interval is BCa."
)
MOST_PANELS, MOST_CURVES = 8, 4
"""So many runs, or methods, a figure may have with panels for each and still be shown at once."""
_ON_P = "p: accuracy against the reference, corrected resampled t-test (Nadeau and Bengio), adjusted by Holm"
_ON_CURVES = (
    "Of each method, pooled over the out-of-fold predictions with 95 % bands (patients resampled), and in grey each "
    "fold. Net benefit: of treating whoever is above the threshold, everybody, or nobody."
)
_ON_CLAIMS = (
    "Row minus what it is compared with: points of accuracy with the 95 % interval of the corrected resampled t-test, "
    "the probability that it is better, practically equal or worse (its Bayesian reading), and its p-value adjusted by "
    "Holm over the family named. In the figure the same against the reference, and in grey each fold."
)
_ON_PAIRS = (
    "Row minus column in points of accuracy; in brackets the p-value of the corrected resampled t-test (Nadeau and "
    "Bengio), adjusted by Holm over all pairs."
)
_ON_BANDS = "Share of the cases of each band that a method calls rightly, with Wilson's 95 % interval."
_ON_HARD_CASES = "Cases that at least half of the methods call wrongly, and what each method calls them."
_ON_MONTAGES = (
    "What each segmenter found in up to three cases, from no calcium to much, and dashed the mask that came with the "
    "scan, where there is one. All cases, with distances: cacbench quality."
)
_ON_CHOSEN = (
    "Chosen inside the training folds, by the inner score; features as the filters of the training fold left them. "
    "Every fold, with all names: tables/choices.csv."
)
_ON_FURTHER = (
    "Not part of this run: each is a command of its own and writes its page below this page's folder."
)
_ON_MADE = "The date of each execution, its command line and all packages stand in MLflow."
_ON_WEIGHTS = (
    "Under which licence they may be used, those that forbid commercial use marked; what they were trained on, and "
    "whose patients may have been among it: a cohort of theirs was perhaps seen before, without its labels."
)


def report_of(
    result: StudyResult,
    pictures: Mapping[str, bytes] = MappingProxyType({}),
    montages: Mapping[str, bytes] = MappingProxyType({}),
    tables: Mapping[str, pd.DataFrame] | None = None,
) -> Report:
    """Return a study's report; `pictures` of hard cases and `montages` are PNGs by case id, `tables` all it has."""
    tables = dict(tables) if tables is not None else all_tables(result)
    facts = _facts(result, tables)
    tables["weights"] = weights_of_others(result)
    overview = overview_of(tables["methods"])
    paper, texts, checklists = for_the_paper(result, facts, tables, overview)
    tables |= checklists
    texts |= {DECLARED: result.study.text} if result.study.text else {}
    behind = [
        *_behind(facts, tables, list(pictures)),
        _segmentations(result, list(montages)),
        *_left_out(tables),
        *paper,
        Section("Audit and further analyses", further_analyses(result.study), _ON_FURTHER),
        Section("How it was made", how_made(result.study, facts), _ON_MADE),
    ]
    return Report(
        study=result.study.name,
        name=result.study.name,
        folder=Path(result.study.name),
        lead=_lead(facts),
        sections=[first_section(facts, tables["methods"], overview), *map(_on_page_alone, behind)],
        texts=texts,
        tables=tables,
        facts=facts,
        figures=study_figures(result, tables),
        pictures={
            **{_picture(place): png for place, png in enumerate(pictures.values())},
            **{_montage(place): png for place, png in enumerate(montages.values())},
        },
        question=facts["question"],
        sentences=facts["verdict"],
        of_this_execution=f"{result.features.computed} feature vectors extracted and {result.fitted} models fitted "
        "in this execution",
        warnings=_warnings(facts),
        tables_below="tables",
        facts_file="study.json",
        computed=result.features.computed + result.fitted,
        log=lambda mlflow, written, claim: log_study(
            mlflow, result, tables, written, claim.results / result.study.name, claim.tracking
        ),
    )


def _facts(result: StudyResult, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Return what study.json says; the diagnosis is put among the tables, too."""
    facts = facts_of(result, tables["summary"])
    findings = diagnose(result, tables["summary"])
    tables["diagnosis"] = as_table(findings)
    facts["diagnosis"] = [str(finding) for finding in findings]
    facts["methods"] = {
        str(row.pop("method")): {key: None if pd.isna(value) else value for key, value in row.items()}
        for row in tables["methods"].to_dict("records")
    }
    facts["verdict"] = verdict(tables["claims"], tables["methods"], facts["tested"])
    names = [row["method"] for row in tables["methods"].to_dict("records") if row["kind"] == "method"]
    facts["question"] = question_of(result.study, names)
    return facts


def _lead(facts: dict[str, Any]) -> str:
    labels = ", ".join(f"{count} {name}" for name, count in facts["labels"].items())
    of = f" of {facts['patients']} patients" if facts["patients"] < facts["cases"] else ""
    return f"{facts['cases']} cases{of} ({labels}), {facts['excluded']} excluded; {facts['protocol']}."


def _warnings(facts: dict[str, Any]) -> list[str]:
    said = [f"diagnosis: {sentence}" for sentence in facts["diagnosis"]]
    grouped: dict[str, list[str]] = {}
    for name, reason in facts["without_result"].items():
        grouped.setdefault(reason, []).append(name)
    said += [f"no result for {', '.join(runs)}: {reason}" for reason, runs in grouped.items()]
    if facts["excluded"]:
        cases = "1 case" if facts["excluded"] == 1 else f"{facts['excluded']} cases"
        said.append(f"{cases} excluded ({facts['why_excluded']}): tables/exclusions.csv")
    if facts["anomalies"]:
        anomalies = "; ".join(f"{count} × {kind}" for kind, count in facts["anomalies"].items())
        said.append(f"anomalies, left as they are (tables/anomalies.csv): {anomalies}")
    return said


def _picture(place: int) -> str:
    """Return what the picture of a hard case is called; case ids may be no names of files."""
    return f"hard_cases/{place + 1:02d}"


def _montage(place: int) -> str:
    return f"segmentations/{place + 1:02d}"


def _segmentations(result: StudyResult, shown: Sequence[str]) -> Section:
    """Return the pictures of what segmenters found; nothing where there are none."""
    said = legends(result, shown)
    names = [_montage(place) for place in range(len(shown))]
    return Section(
        "Segmentations", note=_ON_MONTAGES, figures=names, captions=dict(zip(names, said, strict=True))
    )


def _behind(facts: dict[str, Any], tables: dict[str, pd.DataFrame], pictured: Sequence[str]) -> list[Section]:
    """Return what lies behind the first table; `pictured` are the cases with a picture."""
    methods = [row["method"] for row in tables["methods"].to_dict("records") if row["kind"] == "method"]
    many = len(facts["runs"]) > MOST_PANELS
    return [
        Section(
            "Runs",
            with_p(headline_table(tables["summary"]), tables["comparisons"], facts["reference"]),
            f"Pooled out-of-fold value with the 95 % interval (patients resampled, BCa{other_methods(facts)}); "
            f"{_ON_P}.",
            ["comparison"],
        ),
        Section(
            "What may be claimed",
            claims_in_words(tables["claims"]),
            _ON_CLAIMS,
            ["paired_folds"] if (tables["claims"]["family"] == "reference").any() else [],
        ),
        Section("Pairs of methods", pairs_side_by_side(tables["claims"], methods), _ON_PAIRS),
        Section("Comparisons", tables["comparisons"][SHOWN].round(4), _ON_COMPARISONS),
        Section(
            "Classes",
            classes_of_runs(tables["classes"]),
            "Share of each class's cases that was found, with Wilson's 95 % interval.",
            ["confusion"],
            figures_folded=many,
        ),
        Section(
            "Calibration",
            brier_scores(tables["intervals"]),
            _ON_CALIBRATION,
            ["calibration"],
            figures_folded=many,
        ),
        Section(
            "ROC, precision and net benefit",
            note=_ON_CURVES,
            figures=["curves"] if "decision_curve" in tables else [],
            figures_folded=len(methods) > MOST_CURVES,
        ),
        *_by_case(tables, methods, pictured),
        Section("Hyperparameters and features", chosen_of_runs(tables["choices"]), _ON_CHOSEN),
    ]


def _by_case(
    tables: dict[str, pd.DataFrame], methods: Sequence[str], pictured: Sequence[str]
) -> list[Section]:
    """Return what there is of groups, bands and single cases."""
    said = captions(tables["hard_cases"], pictured, methods)
    groups = tables["groups"].round(3) if tables["groups"]["group"].nunique() > 1 else None
    return [
        Section(
            "Groups",
            groups,
            "Accuracy within each scanner or site, with Wilson's 95 % interval.",
            ["critical_difference"] if groups is not None else [],
        ),
        Section("Bands of the Agatston score", bands_side_by_side(tables["bands"]), _ON_BANDS),
        Section(
            "Hard cases",
            tables["hard_cases"],
            _ON_HARD_CASES,
            [_picture(place) for place in range(len(pictured))],
            otherwise="None.",
            captions={_picture(place): text for place, text in enumerate(said)},
        ),
    ]


def _left_out(tables: dict[str, pd.DataFrame]) -> list[Section]:
    """Return what dropped out or is to be doubted, and whose weights were used."""
    return [
        Section("Flow of cases", tables["flow"], figures=["flow"]),
        Section("Exclusions", tables["exclusions"], otherwise="None."),
        Section(
            "Warnings of segmenters",
            warnings_of_segmenters(tables["anomalies"]),
            "In how many cases a segmenter says that its finding is to be doubted, and one of its sentences.",
            otherwise="None.",
        ),
        Section("Weights of others", tables["weights"], _ON_WEIGHTS, otherwise="None."),
    ]


def _on_page_alone(section: Section) -> Section:
    return replace(section, where="page")
