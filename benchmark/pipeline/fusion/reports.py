"""The features of reports, read here and not by workers: it takes milliseconds, and no text is sent or stored."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from benchmark.case import Case
from benchmark.errors import UserError
from benchmark.plugins.reports import ReportExtractor
from benchmark.study.study import Study


def report_extractors(study: Study) -> dict[str, ReportExtractor]:
    """Return the study's extractors that read reports, by name."""
    declared = {name: item.extractor for name, item in study.extractors.items()}
    return {name: extractor for name, extractor in declared.items() if isinstance(extractor, ReportExtractor)}


def refuse_without_reports(study: Study, cases: Sequence[Case]) -> None:
    """Raise `UserError` where reports are to be read and no case has one."""
    readers = report_extractors(study)
    if readers and not any(case.report.strip() for case in cases):
        raise UserError(
            f"{study.cohort.place}: extractor {next(iter(readers))} reads reports, and none of the {len(cases)} cases "
            "has one: fill in a manifest's column `report` (the text) or `report_file` (a text file); of phantoms "
            "declare `reports: {}`"
        )


def report_table(name: str, extractor: ReportExtractor, cases: Sequence[Case]) -> tuple[pd.DataFrame, float]:
    """Return one row per case, zeros for one without a report, and the mean seconds. Raises `UserError`.

    That is for a fault of the plug-in; no message quotes what was read.
    """
    begin = time.perf_counter()
    rows = {case.case_id: extractor.read(case.report) for case in cases}
    table = pd.DataFrame(rows).T.rename_axis("case_id").astype(np.float64)
    if not np.isfinite(table.to_numpy()).all():
        raise UserError(
            f"extractor {name}: its features of reports are not the same finite numbers: mend the plug-in"
        )
    return table, (time.perf_counter() - begin) / len(table)


def stated_in_reports(study: Study, cases: Sequence[Case]) -> Mapping[str, dict[str, bool]]:
    """Return by extractor and case what a sentence says outright: calcium or none; others are not there."""
    found = {
        name: {case.case_id: said for case in cases if (said := extractor.stated(case.report)) is not None}
        for name, extractor in report_extractors(study).items()
        if not (extractor.leaves_out_statements or study.extractors[name].permuted)
    }
    return {name: stated for name, stated in found.items() if stated}
