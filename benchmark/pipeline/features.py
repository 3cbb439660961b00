"""From a study's cases to one feature table per extraction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmark.case import Case, Exclusion
from benchmark.errors import CaseError, UserError
from benchmark.execution.progress import Progress, silent
from benchmark.execution.store import Store
from benchmark.execution.workers import Workers
from benchmark.pipeline.cost import extract_all
from benchmark.pipeline.extraction import Extracted, ExtractionTask, Wanted
from benchmark.pipeline.regions import keep, stored
from benchmark.pipeline.results import Features, tally
from benchmark.plugins.fingerprint import code_digest, digest_of
from benchmark.study.study import Study

Outcome = dict[str, Any] | Exclusion
Outcomes = dict[tuple[str, str], Outcome]
"""By case_id and extraction: the stored record (``features``, ``seconds``) or why there is none."""


@dataclass(frozen=True)
class _Plan:
    tasks: list[ExtractionTask]
    keys: list[dict[str, str]]
    """For each task: the store's key of each extraction."""
    scans: list[str]
    """For each task: the digest of its scan."""
    outcomes: Outcomes
    """What the store has already, and the cases that cannot even be read."""


def extract_features(
    study: Study, store: Store, workers: Workers, progress: Progress = silent,
    check: Callable[[pd.DataFrame], object] = lambda cases: None,
) -> Features:  # fmt: skip
    """Extract every declared feature table. Raises `UserError` when every case of all of them was excluded.

    `check` is given what is known of the cases that can be read, before anything is extracted (see `Features.cases`).
    """
    cases = study.cohort.cases()
    unavailable = {name: reason for name in study.extractors if (reason := study.why_no_features(name))}
    wanted = [
        Wanted(name, study.segmenters[declared.segmenter], declared.extractor)
        for name, declared in study.extractors.items()
        if name not in unavailable
    ]
    fingerprints = {item.name: _fingerprints(item) for item in wanted}
    unavailable |= {name: found for name, found in fingerprints.items() if isinstance(found, str)}
    wanted = [item for item in wanted if item.name not in unavailable]
    plan = _plan(cases, wanted, fingerprints, store, progress)
    unread = {case_id for (case_id, _), outcome in plan.outcomes.items() if isinstance(outcome, Exclusion)}
    if readable := [case for case in cases if case.case_id not in unread]:
        check(about_cases(readable))
    outcomes, computed = plan.outcomes, 0
    with progress("features", len(plan.tasks)) as advance:
        for position, result, said in extract_all(plan.tasks, workers):
            task = plan.tasks[position]
            new = _store(task, plan.keys[position], result, store)
            if isinstance(result, Extracted):
                keep(store, plan.scans[position], result.regions)
            computed += sum(not isinstance(outcome, Exclusion) for outcome in new.values())
            outcomes |= new
            advance(said)
    tables = {item.name: _table(item.name, _records(item, cases, outcomes)) for item in wanted}
    exclusions = [outcome for outcome in outcomes.values() if isinstance(outcome, Exclusion)]
    if wanted and all(table.empty for table in tables.values()):
        raise UserError(
            f"{study.name}: every one of the {len(cases)} cases was excluded: {tally(exclusions)}"
        )
    seconds = {item.name: _mean_seconds(_records(item, cases, outcomes)) for item in wanted}
    anomalies = _anomalies(cases, outcomes)
    return Features(
        about_cases(cases), tables, _in_order(exclusions, cases), unavailable, seconds, computed, anomalies
    )


def _fingerprints(item: Wanted) -> list[str] | str:
    """Return what identifies an extraction, or why its weights could not be had after all."""
    try:
        return [
            item.segmenter.fingerprint(),
            item.extractor.fingerprint(),
            code_digest("benchmark.pipeline.extraction"),
        ]
    except UserError as error:
        return str(error)


def _plan(
    cases: Sequence[Case],
    wanted: list[Wanted],
    fingerprints: Mapping[str, Any],
    store: Store,
    progress: Progress,
) -> _Plan:
    """Find out what the store lacks; hashing the files of real scans takes a while."""
    plan = _Plan([], [], [], {})
    with progress("cases", len(cases)) as advance:
        for case in cases:
            advance()
            try:
                scan = case.source.digest()
            except CaseError as error:
                for item in wanted:
                    excluded = Exclusion(case.case_id, item.name, "read", str(error))
                    plan.outcomes[case.case_id, item.name] = excluded
                continue
            keys = {item.name: digest_of([scan, *fingerprints[item.name]]) for item in wanted}
            for name, key in keys.items():
                if (record := store.get("features", key)) is not None:
                    plan.outcomes[case.case_id, name] = record
            lacking = tuple(item for item in wanted if (case.case_id, item.name) not in plan.outcomes)
            if lacking:
                kept = stored(store, scan, (item.segmenter for item in lacking))
                plan.tasks.append(ExtractionTask(case, lacking, kept))
                plan.keys.append(keys)
                plan.scans.append(scan)
    return plan


def _store(task: ExtractionTask, keys: dict[str, str], result: Any, store: Store) -> Outcomes:
    """Store what succeeded; a failure is never stored, so that the next start tries it again."""
    case_id = task.case.case_id
    if isinstance(result, BaseException):
        reason = " ".join(f"{type(result).__name__}: {result}".split())
        outcomes = {item.name: Exclusion(case_id, item.name, "extract", reason) for item in task.wanted}
    else:
        outcomes = result.outcomes
    for name, outcome in outcomes.items():
        if not isinstance(outcome, Exclusion):
            store.put("features", keys[name], outcome)
    return {(case_id, name): outcome for name, outcome in outcomes.items()}


def _records(item: Wanted, cases: Sequence[Case], outcomes: Outcomes) -> dict[str, dict[str, Any]]:
    mine = {case.case_id: outcomes[case.case_id, item.name] for case in cases}
    return {case_id: outcome for case_id, outcome in mine.items() if not isinstance(outcome, Exclusion)}


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


def about_cases(cases: Sequence[Case]) -> pd.DataFrame:
    """Return what is known of the cases, see `Features.cases`."""
    return pd.DataFrame(
        {
            "label": [case.label for case in cases],
            "cac_score": [case.cac_score for case in cases],
            "group": [case.group for case in cases],
            "protocol": [case.protocol for case in cases],
            "contrast": [{True: "on", False: "off", None: ""}[case.contrast] for case in cases],
        },
        index=pd.Index([case.case_id for case in cases], name="case_id"),
    )


def _anomalies(cases: Sequence[Case], outcomes: Outcomes) -> pd.DataFrame:
    """Return what was met while listing and while reading: columns case_id, anomaly, detail."""
    rows = [(case.case_id, met.kind, met.detail) for case in cases for met in case.anomalies]
    rows += [
        (case_id, kind, detail)
        for (case_id, _), outcome in sorted(outcomes.items(), key=lambda item: item[0])
        if not isinstance(outcome, Exclusion)
        for kind, detail in outcome.get("anomalies", ())
    ]
    return pd.DataFrame(list(dict.fromkeys(rows)), columns=["case_id", "anomaly", "detail"])


def _in_order(exclusions: list[Exclusion], cases: Sequence[Case]) -> list[Exclusion]:
    """Sort by the cohort's order: the order of completion depends on the number of processes."""
    place = {case.case_id: position for position, case in enumerate(cases)}
    return sorted(exclusions, key=lambda item: (place[item.case_id], item.extractor))
