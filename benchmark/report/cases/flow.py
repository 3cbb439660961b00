"""How many cases the study has, which dropped out and why, and how many were tested: as a table."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from benchmark.pipeline.results import StudyResult

_FILTERED = "left out by the protocol's filters"


def flow_table(result: StudyResult) -> pd.DataFrame:
    """Return one row per step and reason: columns step (cohort, excluded, compared, tested), cases, reason.

    A case counts once, by what dropped it first; it is excluded where any method lacks it.
    """
    first: dict[str, str] = {}
    for item in result.features.exclusions:
        first.setdefault(item.case_id, f"{item.stage}: {item.reason}")
    compared = set(result.case_ids)
    everyone = dict.fromkeys([*map(str, result.features.cases.index), *first, *result.case_ids])
    reasons = Counter(first.get(name, _FILTERED) for name in everyone if name not in compared)
    rows = [
        ("cohort", len(everyone), ""),
        *(("excluded", count, reason) for reason, count in reasons.most_common()),
        ("compared", len(compared), ""),
        ("tested", result.tested, ""),
    ]
    return pd.DataFrame(rows, columns=["step", "cases", "reason"])
