"""From a study's cases to one feature table per extraction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchmark.case import Case, Exclusion
from benchmark.errors import UserError
from benchmark.execution.execution import Bundle, Done, Execution, Failure
from benchmark.execution.store import Store
from benchmark.pipeline.cases import IdentifiedCases, about_cases, identify_cases, list_cases
from benchmark.pipeline.cost import cost
from benchmark.pipeline.extraction import Extracted, ExtractionTask, Wanted, extract
from benchmark.pipeline.fusion.joined import joined
from benchmark.pipeline.fusion.reports import (
    refuse_without_reports,
    report_extractors,
    report_table,
    stated_in_reports,
)
from benchmark.pipeline.regions import Regions
from benchmark.pipeline.results import ANOMALY_COLUMNS, Features, tally
from benchmark.plugins.fingerprint import code_digest, digest_of
from benchmark.plugins.reports import ReportExtractor
from benchmark.plugins.trainable import TrainableExtractor
from benchmark.study.study import Study

Outcomes = Done[tuple[str, str]]
"""By case id and extraction: the stored record, see `extract`, or why there is none."""


def extract_features(
    study: Study,
    execution: Execution,
    identified: IdentifiedCases | None = None,
    beside: Sequence[Wanted] = (),
) -> Features:
    """Extract every declared feature table of the `identified` cases, by default all of the study's cohort.

    `beside` are the yardsticks' own, from the same scans: what they lack excludes no case.
    Raises `UserError` when every case of all tables was excluded.
    """
    identified = identified or identify_cases(list_cases(study.cohort), execution)
    cases = identified.cases
    wanted, keys, unavailable = _wanted(study)
    readers = {name: reader for name, reader in report_extractors(study).items() if name not in unavailable}
    refuse_without_reports(study, cases)
    keys |= {item.name: _made_of(item) for item in beside}
    outcomes = _outcomes(identified, [*wanted, *beside], keys, execution)
    records = {item.name: _records(item.name, cases, outcomes) for item in wanted}
    extracted = {name: _table(name, records_of_extractor) for name, records_of_extractor in records.items()}
    read = {name: report_table(name, reader, cases) for name, reader in readers.items()}
    extracted |= {name: table for name, (table, _) in read.items()}
    tables = joined(study, {name: extracted[name] for name in study.extractors if name in extracted})
    exclusions = _exclusions(identified, wanted, outcomes)
    if wanted and all(table.empty for table in tables.values()):
        raise UserError(
            f"{study.name}: every one of the {len(cases)} cases was excluded: {tally(exclusions)}"
        )
    return Features(
        about_cases(cases),
        tables,
        exclusions,
        unavailable,
        {name: _mean_seconds(records_of_extractor) for name, records_of_extractor in records.items()}
        | {name: seconds for name, (_, seconds) in read.items()},
        outcomes.computed,
        _anomalies(study, cases, outcomes),
        {case_id: record["voxels"] for (case_id, _), record in outcomes.records.items()},
        {item.name: _table(item.name, _records(item.name, cases, outcomes)) for item in beside},
        {
            name: {case_id: record["activations"] for case_id, record in records_of_extractor.items()}
            for name, records_of_extractor in records.items()
            if isinstance(study.extractors[name].extractor, TrainableExtractor)
        },
        stated_in_reports(study, cases),
    )


def _wanted(study: Study) -> tuple[list[Wanted], dict[str, list[str]], dict[str, str]]:
    """Return the extractions that can run, what identifies each, and why the others cannot."""
    unavailable = {name: reason for name in study.extractors if (reason := study.why_no_features(name))}
    wanted, keys = [], {}
    for name, declared in study.extractors.items():
        item = Wanted(name, study.segmenter_of(name), declared.extractor)
        if name in unavailable:
            continue
        try:
            made_of = _made_of(item)
        except UserError as error:  # the weights could not be had after all
            unavailable[name] = str(error)
            continue
        if not isinstance(declared.extractor, ReportExtractor):
            keys[name] = made_of
            wanted.append(item)
    for name, declared in study.extractors.items():  # whose neighbour failed only now is not whole either
        if declared.beside in unavailable and name not in unavailable:
            unavailable[name] = unavailable[declared.beside]
    return [item for item in wanted if item.name not in unavailable], _of(keys, unavailable), unavailable


def _of(keys: dict[str, list[str]], unavailable: Mapping[str, str]) -> dict[str, list[str]]:
    return {name: made_of for name, made_of in keys.items() if name not in unavailable}


def _made_of(item: Wanted) -> list[str]:
    """Return what identifies an extraction, beside the scan."""
    prints = [item.segmenter.fingerprint(), item.extractor.fingerprint()]
    return [*prints, code_digest("benchmark.pipeline.extraction")]


def _key(scan: str, made_of: Sequence[str]) -> str:
    return digest_of([scan, *made_of])


def lacking_features(study: Study, identified: IdentifiedCases, store: Store) -> dict[str, list[str]]:
    """Return, of every extraction that can run, the readable cases of which the store has no record."""
    wanted, keys, _ = _wanted(study)
    return {
        item.name: [
            case_id
            for case_id, scan in identified.scans.items()
            if not store.holds("features", _key(scan, keys[item.name]))
        ]
        for item in wanted
    }


def _outcomes(
    identified: IdentifiedCases, wanted: list[Wanted], keys: Mapping[str, list[str]], execution: Execution
) -> Outcomes:
    """Make what the store lacks, in declared order. Extractions that differ in who learns from them are made once."""
    by_name = {item.name: item for item in wanted}
    first: dict[tuple[str, ...], str] = {}
    for name, made_of in keys.items():
        first.setdefault(tuple(made_of), name)
    scans = identified.scans

    def bundle(case: Case) -> Bundle[str]:
        scan = scans[case.case_id]

        # A report stays in this process: a scheduler may keep what it is sent.
        def task(lacking: tuple[str, ...]) -> ExtractionTask:
            items = tuple(by_name[name] for name in lacking)
            segmenters = (item.segmenter for item in items)
            return ExtractionTask(
                replace(case, report=""), items, Regions.load(execution.store, scan, segmenters)
            )

        return Bundle({name: _key(scan, made_of) for made_of, name in first.items()}, task)

    def receive(case_id: str, extracted: Extracted) -> Mapping[str, dict[str, Any] | Failure]:
        extracted.regions.save(execution.store, scans[case_id])
        return extracted.outcomes

    bundles = {case.case_id: bundle(case) for case in identified.readable}
    made = execution.parts("features", extract, bundles, receive, tell_cost=cost)
    places = [
        ((case_id, name), (case_id, first[tuple(made_of)]))
        for case_id in bundles
        for name, made_of in keys.items()
    ]
    return Done(
        {place: made.records[of] for place, of in places if of in made.records},
        {place: made.failures[of] for place, of in places if of in made.failures},
        made.computed,
    )


def _records(name: str, cases: Sequence[Case], outcomes: Outcomes) -> dict[str, dict[str, Any]]:
    """Return the records of one extraction by case id, in the cohort's order."""
    places = ((case.case_id, name) for case in cases)
    return {place[0]: outcomes.records[place] for place in places if place in outcomes.records}


def _exclusions(identified: IdentifiedCases, wanted: list[Wanted], outcomes: Outcomes) -> list[Exclusion]:
    """Return why cases dropped out, in the cohort's order: that of completion depends on the number of processes."""
    exclusions = []
    for case in identified.cases:
        for item in sorted(wanted, key=lambda item: item.name):
            if (reason := identified.unread.get(case.case_id)) is not None:
                exclusions.append(Exclusion(case.case_id, item.name, "read", reason))
            elif (failure := outcomes.failures.get((case.case_id, item.name))) is not None:
                exclusions.append(
                    Exclusion(case.case_id, item.name, failure.stage or "extract", failure.reason)
                )
    return exclusions


def _table(name: str, records: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return one row per case. Raises `UserError` when the cases do not have the same features."""
    rows = {case_id: record["features"] for case_id, record in records.items()}
    first: dict[str, float] = next(iter(rows.values()), {})
    odd = next((case_id for case_id, row in rows.items() if list(row) != list(first)), None)
    if odd is not None:
        raise UserError(
            f"extractor {name}: case {odd} has other features than the first case: mend the plug-in"
        )
    return pd.DataFrame.from_dict(rows, orient="index", dtype=np.float64).rename_axis("case_id")


def _mean_seconds(records: dict[str, dict[str, Any]]) -> float:
    return float(np.mean([record["seconds"] for record in records.values()])) if records else 0.0


def _anomalies(study: Study, cases: Sequence[Case], outcomes: Outcomes) -> pd.DataFrame:
    """Return what was met while listing, reading and segmenting, see `Features.anomalies`."""
    rows = [
        (case.case_id, anomaly.kind, anomaly.detail, "", "") for case in cases for anomaly in case.anomalies
    ]
    # Sorted, because records come in the order of completion.
    for (case_id, name), record in sorted(outcomes.records.items(), key=lambda item: item[0]):
        if name not in study.extractors:
            continue
        segmenter = study.extractors[name].segmenter
        rows += [(case_id, kind, detail, "", "") for kind, detail in record.get("anomalies", ())]
        rows += [
            (case_id, kind, detail, segmenter, severity)
            for kind, detail, severity in record.get("warnings", ())
        ]
    return pd.DataFrame(list(dict.fromkeys(rows)), columns=list(ANOMALY_COLUMNS))
