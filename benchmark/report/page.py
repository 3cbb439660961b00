"""One self-contained HTML page of a report: it opens from a folder or an MLflow artifact, without a network."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmark.execution.environment import versions
from benchmark.execution.store import write_atomically

if TYPE_CHECKING:
    from benchmark.report.report import Report, Section


def write_page(file: Path, report: Report, figures: Mapping[str, Path]) -> Path:
    """Write the page of a report with its figures, SVG or PNG files by name."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("benchmark.report"), autoescape=True, trim_blocks=True)
    environment.filters["anchor"] = _anchor
    page = environment.get_template("page.html.jinja").render(
        report=report,
        sections=[
            (section, _blank(section.table)) for section in report.sections if section.where != "console"
        ],
        figures={name: _data_uri(figure) for name, figure in figures.items()},
        versions=versions(),
        shown=_shown,
    )
    write_atomically(file, re.sub(r"\n\s*\n+", "\n", page).encode())
    return file


def _blank(table: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the table with None, which the page leaves blank, for every missing value."""
    return None if table is None else table.astype(object).where(table.notna(), None)


def _anchor(title: str) -> str:
    """Return what a link within the page calls a section."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _shown(section: Section, table: pd.DataFrame | None) -> bool:
    """Say whether a section has a table, a text, a sentence or figures to show."""
    return bool(section.otherwise or section.text or (section.figures if table is None else len(table)))


def _data_uri(figure: Path) -> str:
    kind = "svg+xml" if figure.suffix == ".svg" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(figure.read_bytes()).decode()}"
