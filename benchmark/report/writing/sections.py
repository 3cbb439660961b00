"""The part of a study's report that goes into a paper: sections of the page, and files beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmark.pipeline.results import StudyResult
from benchmark.report.report import Section
from benchmark.report.writing.checklist import NOT_ANSWERED, filled
from benchmark.report.writing.clear import CLEAR
from benchmark.report.writing.evidence import METHODS, evidence_of
from benchmark.report.writing.methods_paragraph import methods_paragraph
from benchmark.report.writing.metrics_score import METRICS
from benchmark.report.writing.table_text import as_latex, as_markdown

_CHECKLISTS = {
    "CLEAR": ("checklist of reporting, Kocak et al., Insights Imaging 2023;14:75", CLEAR),
    "METRICS": ("score of methods, Kocak et al., Insights Imaging 2024;15:8; no score is computed", METRICS),
}


def for_the_paper(
    result: StudyResult, facts: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], overview: pd.DataFrame
) -> tuple[list[Section], dict[str, str], dict[str, pd.DataFrame]]:
    """Return the sections, the texts by file name, and the checklists as tables by name.

    `overview` is the table of methods as the page shows it.
    """
    texts = {
        METHODS: methods_paragraph(result, facts),
        "table.md": as_markdown(overview),
        "table.tex": as_latex(overview),
    }
    sections = [
        Section("Methods paragraph", text=texts[METHODS], note="To be pasted; its numbers are this study's."),
        Section(
            "Table for a paper", text=texts["table.md"], note="As Markdown; table.tex is the same as LaTeX."
        ),
    ]
    evidence, checklists = evidence_of(result, facts, tables), {}
    for name, (about, items) in _CHECKLISTS.items():
        table = checklists[f"checklist_{name.lower()}"] = filled(items, evidence)
        open_items = int(table["evidence"].str.startswith(NOT_ANSWERED).sum())
        note = f"A {about}. Items in our words, evidence of this run; left to people: {open_items} of {len(items)}."
        sections.append(Section(f"{name} checklist", table, note))
    return sections, texts, checklists
