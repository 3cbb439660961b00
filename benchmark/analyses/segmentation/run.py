"""Runs a study of segmentation: every case of every cohort through every segmenter, what the store has excepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmark.analyses.segmentation.measurement import MeasurementTask, measure
from benchmark.analyses.segmentation.study import SegmentationStudy
from benchmark.case import Case, Exclusion
from benchmark.errors import CaseError, UserError
from benchmark.execution.progress import Progress, silent
from benchmark.execution.store import Store
from benchmark.execution.workers import Workers
from benchmark.pipeline.results import tally
from benchmark.plugins.fingerprint import code_digest, digest_of

KIND = "segmentations"

Place = tuple[str, str, str]
"""Cohort, case id, segmenter."""


@dataclass(frozen=True)
class Measured:
    """One row per scan and segmenter, one per reference lesion and segmenter, and what dropped out."""

    scans: pd.DataFrame
    lesions: pd.DataFrame
    exclusions: list[Exclusion]
    unavailable: dict[str, str]


def run_segmentation(
    study: SegmentationStudy, store: Store, workers: Workers, progress: Progress = silent
) -> Measured:
    """Measure everything the study declares. Raises `UserError` when nothing can be measured."""
    states = {name: segmenter.availability() for name, segmenter in study.segmenters.items()}
    unavailable = {name: state.reason for name, state in states.items() if not state.ready}
    ready = [name for name in study.segmenters if name not in unavailable]
    if not ready:
        raise UserError(f"{study.name}: no segmenter can run here: {'; '.join(unavailable.values())}")
    cases = [(cohort, case) for cohort, declared in study.cohorts.items() for case in declared.cases()]
    exclusions: list[Exclusion] = []
    keys = _keys(study, ready, cases, exclusions)
    records = {place: record for place, key in keys.items() if (record := store.get(KIND, key)) is not None}
    lacking = _lacking(study, ready, cases, keys, records)
    with progress("scans", len(lacking)) as advance:
        for position, result in workers.map(measure, [task for _, task in lacking]):
            cohort, task = lacking[position]
            if isinstance(result, UserError):
                raise result
            if isinstance(result, BaseException):
                exclusions.append(Exclusion(task.case.case_id, cohort, "segment", _reason(result)))
                result = {}
            for name, record in result.items():
                place = (cohort, task.case.case_id, name)
                store.put(KIND, keys[place], record)
                records[place] = record
            advance()
    if not records:
        raise UserError(
            f"{study.name}: every one of the {len(cases)} scans was excluded: {tally(exclusions)}"
        )
    return Measured(*_tables(ready, cases, records), exclusions, unavailable)


def _lacking(
    study: SegmentationStudy,
    ready: list[str],
    cases: list[tuple[str, Case]],
    keys: dict[Place, str],
    records: dict[Place, dict[str, Any]],
) -> list[tuple[str, MeasurementTask]]:
    """Return what is still to be measured: the cohort's name, and the task."""
    found = []
    for cohort, case in cases:
        places = {name: (cohort, case.case_id, name) for name in ready}
        todo = {
            name: study.segmenters[name]
            for name, place in places.items()
            if place in keys and place not in records
        }
        if todo:
            found.append((cohort, MeasurementTask(case, todo, study.reference)))
    return found


def _keys(
    study: SegmentationStudy, ready: list[str], cases: list[tuple[str, Case]], exclusions: list[Exclusion]
) -> dict[Place, str]:
    code = code_digest("benchmark.analyses.segmentation.measurement")
    prints = {name: study.segmenters[name].fingerprint() for name in ready}
    keys: dict[Place, str] = {}
    for cohort, case in cases:
        try:
            scan = case.source.digest()
        except CaseError as error:
            exclusions.append(Exclusion(case.case_id, cohort, "read", str(error)))
            continue
        for name in ready:
            keys[cohort, case.case_id, name] = digest_of(
                [scan, prints[name], study.reference.model_dump(), code]
            )
    return keys


def _tables(
    ready: list[str],
    cases: list[tuple[str, Case]],
    records: dict[Place, dict[str, Any]],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    scans, lesions = [], []
    for name in ready:
        for cohort, case in cases:
            if (cohort, case.case_id, name) not in records:
                continue
            record = records[cohort, case.case_id, name]
            about = {"cohort": cohort, "segmenter": name, "case_id": case.case_id}
            known = {"group": case.group, "label": case.label, "cac_score": case.cac_score}
            scans.append(
                {**about, **known, **{k: v for k, v in record.items() if k not in ("lesions", "seconds")}}
            )
            motion = _motion_mm(case)
            lesions += [{**about, "motion_mm": motion, **lesion} for lesion in record["lesions"]]
    columns = [
        "cohort",
        "segmenter",
        "case_id",
        "motion_mm",
        "volume_mm3",
        "maximum_hu",
        "found",
        "found_share",
    ]
    return pd.DataFrame(scans), pd.DataFrame(lesions, columns=columns)


def _motion_mm(case: Case) -> float:
    """Return how far the heart moved during the scan, where the source knows; NaN where it does not."""
    acquisition = getattr(case.source, "acquisition", None)
    return float(getattr(acquisition, "motion_mm", float("nan")))


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, CaseError) else f"unexpected {type(error).__name__}: {text}"
