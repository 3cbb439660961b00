"""One self-contained HTML page of a finished study: it opens from a folder or an MLflow artifact, without a network."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.execution.store import write_atomically

SHOWN = ["metric", "run", "reference", "test", "difference", "low", "high", "p", "p_holm", "p_bh", "note"]


def write_page(
    file: Path, *, facts: dict[str, Any], tables: dict[str, pd.DataFrame], figures: dict[str, Path]
) -> Path:
    """Write the page from the study's facts (see `headline.facts_of`), its tables and its SVG figures by name."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("benchmark.report"), autoescape=True, trim_blocks=True)
    page = environment.get_template("page.html.jinja").render(
        facts=facts,
        headline=headline_table(tables["summary"]),
        comparisons=_blank(tables["comparisons"][SHOWN].round(4)),
        exclusions=tables["exclusions"],
        without_result=tables["runs_without_result"],
        classes=_blank(_classes(tables["classes"])),
        groups=tables["groups"].round(3) if tables["groups"]["group"].nunique() > 1 else None,
        brier=_brier(tables["intervals"]),
        figures={name: _data_uri(figure) for name, figure in figures.items()},
    )
    write_atomically(file, re.sub(r"\n\s*\n+", "\n", page).encode())
    return file


def headline_table(summary: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run with ``value [low, high]`` for each metric, best accuracy first."""
    text = summary.assign(
        text=[f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in summary.itertuples()]
    )
    wide = text.pivot(index="run", columns="metric", values="text")[list(dict.fromkeys(summary["metric"]))]
    accuracy = summary[summary["metric"] == "accuracy"].set_index("run")["value"]
    return wide.loc[accuracy.sort_values(ascending=False, kind="stable").index].reset_index()


def _classes(classes: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run and class: how many cases, how many called so, the share found with its interval."""
    found = [
        row["note"] or f"{row['sensitivity']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        for row in classes.to_dict("records")
    ]
    return classes[["run", "class", "cases", "predicted"]].assign(sensitivity=found)


def _brier(intervals: pd.DataFrame) -> pd.DataFrame | None:
    """Return one row per run with its Brier score, best first; None where the target has none."""
    mine = intervals[intervals["metric"] == "brier"].sort_values("value", kind="stable")
    text = [f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in mine.itertuples()]
    return mine[["run"]].assign(**{"Brier score": text}) if len(mine) else None


def _blank(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with None, which the page leaves blank, for every missing value."""
    return table.astype(object).where(table.notna(), None)


def _data_uri(figure: Path) -> str:
    kind = "svg+xml" if figure.suffix == ".svg" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(figure.read_bytes()).decode()}"
