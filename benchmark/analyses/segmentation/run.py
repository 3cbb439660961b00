"""Runs a study of segmentation: every case of every cohort through every segmenter, what the store has excepted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from benchmark.analyses.segmentation.agreement import COUNTS
from benchmark.analyses.segmentation.measurement import MeasurementTask, measure
from benchmark.analyses.segmentation.study import SegmentationStudy
from benchmark.case import Case, Exclusion
from benchmark.errors import CaseError, UserError
from benchmark.execution.execution import Bundle, Done, Execution, Failure
from benchmark.pipeline.cases import list_cases
from benchmark.pipeline.results import tally
from benchmark.plugins.fingerprint import code_digest, digest_of

KIND = "segmentations"
LESION_COLUMNS = [
    *("cohort", "segmenter", "case_id", "vessel", "motion_mm", "volume_mm3", "maximum_hu", "found"),
    "found_share",
]
CALL_COLUMNS = [
    *("cohort", "segmenter", "case_id", "patient", "structure"),
    *("calcium_voxels", "voxels", "lesions", "agatston"),
]

Scan = tuple[str, str]
"""Cohort, case id."""
Place = tuple[str, str, str]
"""Cohort, case id, segmenter."""


@dataclass(frozen=True)
class Measured:
    """One row per scan and segmenter, one per reference lesion and segmenter, and what dropped out.

    `scans` says by `reference` what a scan was compared with: its mask, or its score alone, which then stands in
    `reference_agatston`; counts of voxels and lesions are missing there. `calls` has one row per scan with drawn
    anatomy, segmenter and structure: the false calls in it.
    """

    scans: pd.DataFrame
    lesions: pd.DataFrame
    exclusions: list[Exclusion]
    unavailable: dict[str, str]
    calls: pd.DataFrame


def run_segmentation(study: SegmentationStudy, execution: Execution) -> Measured:
    """Measure everything the study declares. Raises `UserError` when nothing can be measured."""
    states = {name: segmenter.availability() for name, segmenter in study.segmenters.items()}
    unavailable = {name: state.reason for name, state in states.items() if not state.ready}
    ready = [name for name in study.segmenters if name not in unavailable]
    if not ready:
        raise UserError(f"{study.name}: no segmenter can run here: {'; '.join(unavailable.values())}")
    cases = [(cohort, case) for cohort, declared in study.cohorts.items() for case in list_cases(declared)]
    bundles, exclusions = _bundles(study, ready, cases)
    done = execution.parts(KIND, measure, bundles, _outcomes)
    exclusions += _exclusions(done, len(ready))
    records = {(*place, name): record for (place, name), record in done.records.items()}
    if not records:
        raise UserError(
            f"{study.name}: every one of the {len(cases)} scans was excluded: {tally(exclusions)}"
        )
    scans, lesions, calls = _tables(ready, cases, records)
    return Measured(scans, lesions, exclusions, unavailable, calls)


def _bundles(
    study: SegmentationStudy, ready: list[str], cases: list[tuple[str, Case]]
) -> tuple[dict[Scan, Bundle[str]], list[Exclusion]]:
    """Return the work on every scan, one record a segmenter, and which scans cannot be read."""
    code = code_digest("benchmark.analyses.segmentation.measurement")
    made_of = {
        name: [study.segmenters[name].fingerprint(), study.reference.model_dump(), code] for name in ready
    }
    bundles: dict[Scan, Bundle[str]] = {}
    exclusions = []
    for cohort, case in cases:
        try:
            scan = case.source.digest()
        except CaseError as error:
            exclusions.append(Exclusion(case.case_id, cohort, "read", str(error)))
            continue
        scored = case.cac_score is not None  # without a mask a case that has no score is refused
        keys = {name: digest_of([scan, scored, *parts]) for name, parts in made_of.items()}
        bundles[cohort, case.case_id] = Bundle(keys, partial(_task, study, case))
    return bundles, exclusions


def _task(study: SegmentationStudy, case: Case, lacking: tuple[str, ...]) -> MeasurementTask:
    return MeasurementTask(case, {name: study.segmenters[name] for name in lacking}, study.reference)


def _outcomes(_: Scan, measured: dict[str, Any]) -> dict[str, Any]:
    return {
        name: Failure(str(outcome)) if isinstance(outcome, CaseError) else outcome
        for name, outcome in measured.items()
    }


def _exclusions(done: Done[tuple[Scan, str]], segmenters: int) -> list[Exclusion]:
    """Return one exclusion for each scan that failed whatever the segmenter, else one for each that failed on it."""
    failed: dict[Scan, dict[str, str]] = {}
    for (scan, name), failure in done.failures.items():
        failed.setdefault(scan, {})[name] = failure.reason
    exclusions = []
    for (cohort, case_id), reasons in failed.items():
        whole = len(reasons) == segmenters and len(set(reasons.values())) == 1
        said = set(reasons.values()) if whole else [f"{name}: {reason}" for name, reason in reasons.items()]
        exclusions += [Exclusion(case_id, cohort, "segment", reason) for reason in said]
    return exclusions


def _tables(
    ready: list[str], cases: list[tuple[str, Case]], records: dict[Place, dict[str, Any]]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    scans: list[dict[str, Any]] = []
    lists: dict[str, list[dict[str, Any]]] = {"lesions": [], "false_calls": []}
    for name in ready:
        for cohort, case in cases:
            if (cohort, case.case_id, name) not in records:
                continue
            record = records[cohort, case.case_id, name]
            about = {"cohort": cohort, "segmenter": name, "case_id": case.case_id}
            whose = {"patient": case.patient or case.case_id}
            scans.append({**about, **whose, **_of_scan(case, record)})
            for what, rows in lists.items():
                known: dict[str, Any] = {"motion_mm": _motion_mm(case)} if what == "lesions" else whose
                rows += [{**about, **known, **row} for row in record[what]]
    return (
        pd.DataFrame(scans).astype(dict.fromkeys(COUNTS, "Int64")),
        pd.DataFrame(lists["lesions"], columns=LESION_COLUMNS),
        pd.DataFrame(lists["false_calls"], columns=CALL_COLUMNS),
    )


def _of_scan(case: Case, record: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of a scan, and what was measured of it as a whole."""
    known = {"group": case.group, "label": case.label, "cac_score": case.cac_score}
    uncounted = dict.fromkeys(COUNTS)
    if record["reference"] == "score":
        uncounted["reference_agatston"] = case.cac_score
    left = ("lesions", "false_calls", "seconds")
    return {**known, **uncounted, **{name: value for name, value in record.items() if name not in left}}


def _motion_mm(case: Case) -> float:
    """Return how far the heart moved during the scan, where the source knows; NaN where it does not."""
    acquisition = getattr(case.source, "acquisition", None)
    return float(getattr(acquisition, "motion_mm", float("nan")))
