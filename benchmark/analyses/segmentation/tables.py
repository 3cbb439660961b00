"""Every table of a study of segmentation, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from benchmark.analyses.segmentation.by_structure import by_vessel, false_calls
from benchmark.analyses.segmentation.evaluation import (
    across_protocols,
    against_others,
    counts,
    missed,
    resampling,
    summary,
)
from benchmark.analyses.segmentation.rules import rules
from benchmark.analyses.segmentation.run import Measured
from benchmark.analyses.segmentation.study import SegmentationStudy
from benchmark.calcium.risk import RISK_BANDS
from benchmark.statistics.agreement.scores import score_agreement


def all_tables(measured: Measured, study: SegmentationStudy) -> Mapping[str, pd.DataFrame]:
    """Return every table by name."""
    columns = ["case_id", "cohort", "stage", "reason"]
    return {
        "summary": summary(measured.scans, study),
        "scores": scores(measured.scans, study),
        "counts": counts(measured.scans),
        "against_others": against_others(measured.scans, study),
        "across_protocols": across_protocols(measured.scans, study),
        "missed": missed(measured.lesions),
        "rules": rules(measured.scans, resampling(study)),
        "vessels": by_vessel(measured.lesions, resampling(study)),
        "false_calls": false_calls(measured.calls, resampling(study)),
        "scans": measured.scans,
        "lesions": measured.lesions,
        "calls": measured.calls,
        "exclusions": pd.DataFrame([item.row("cohort") for item in measured.exclusions], columns=columns),
    }


def scores(scans: pd.DataFrame, study: SegmentationStudy) -> pd.DataFrame:
    """Return how well each segmenter's Agatston scores agree, per cohort, with the cases' scores and those of masks.

    `against` says which: ``score``, the case's own, known from a spreadsheet or the true one of a phantom, or
    ``mask``, that of the reference mask on the same scan. For the metrics and their intervals see `score_agreement`.
    """
    parts = []
    for (cohort, segmenter), rows in scans.groupby(["cohort", "segmenter"], sort=False):
        for against, found, true in _pairs(rows):
            table = score_agreement(found, true, [*RISK_BANDS.values()][:-1], resampling(study))
            parts.append(table.assign(cohort=str(cohort), segmenter=str(segmenter), against=against))
    columns = ["cohort", "segmenter", "against", "cases", "metric", "value", "low", "high", "method"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _pairs(rows: pd.DataFrame) -> Iterator[tuple[str, pd.Series, pd.Series]]:
    # The same seed then resamples the same patients, whatever the order of the rows.
    rows = rows.sort_values("case_id")
    scored = rows[rows["cac_score"].notna()]
    masked = rows[rows["reference"] == "mask"]
    for against, part, true in (("score", scored, "cac_score"), ("mask", masked, "reference_agatston")):
        if len(part):
            yield against, part["agatston"].astype(np.float64), part[true].astype(np.float64)
