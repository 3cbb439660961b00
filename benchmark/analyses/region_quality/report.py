"""The report of how good a study's regions are: tables and, for each segmenter, a montage."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd

from benchmark.analyses.region_quality.measure import Quality
from benchmark.analyses.region_quality.step_pictures import draw_steps
from benchmark.analyses.region_quality.tiles import Steps, Tile
from benchmark.report.report import Report, Section, with_interval
from benchmark.study.study import Study

MOST_TILES = 48
COLUMNS = 8


def report_of(quality: Quality, study: Study) -> Report:
    """Return the report: exclusions, agreement, outliers, for each segmenter a montage of up to 48 cases, steps."""
    tables = {
        "exclusion_rates": quality.exclusions,
        "exclusions": quality.reasons,
        "agreement": quality.agreement,
        "agreement_summary": summarise(quality.agreement),
        "regions": quality.statistics,
    }
    montages = {
        f"montage_{name}": montage(tiles, name)
        for name in quality.exclusions["segmenter"]
        if (tiles := _in_order(quality, name))
    }
    stepwise = {
        f"steps/{name}_{place}": draw_steps(steps, f"{name}, {case_id}")
        for name in quality.exclusions["segmenter"]
        for place, (case_id, steps) in enumerate(_steps_of(quality, name).items(), start=1)
    }
    printed = ("exclusion_rates", "exclusions", "agreement_summary", "regions")
    return Report(
        study=study.name,
        name="quality",
        folder=Path(study.name) / "quality",
        question="How well do the segmenters agree, and how often do they find nothing?",
        lead=f"Segmenters: {', '.join(quality.exclusions['segmenter'])}.",
        sections=[
            _rates(quality.exclusions),
            _agreement(tables["agreement_summary"]),
            Section("Regions", figures=list(montages), where="page"),
            Section("Step by step", figures=list(stepwise), where="page"),
        ],
        tables=tables,
        facts={name: json.loads(tables[name].to_json(orient="records")) for name in printed},
        pictures={**montages, **stepwise},
        warnings=[*_outliers(quality.statistics), *_unavailable(study)],
        parameters={
            "cohort": study.cohort.parameters(),
            "segmenters": {name: plugin.parameters() for name, plugin in study.segmenters.items()},
        },
        metrics={
            f"excluded.{row['segmenter']}": float(row["rate"])
            for row in quality.exclusions.dropna(subset="rate").to_dict("records")
        },
    )


def _rates(exclusions: pd.DataFrame) -> Section:
    records = exclusions.to_dict("records")
    rows = [
        {
            "segmenter": row["segmenter"],
            "cases": row["cases"],
            "excluded": row["excluded"],
            "rate, 95 % interval": with_interval(row["rate"], row["low"], row["high"], ends=3)
            + (" too many" if row["too_many"] else ""),
        }
        for row in records
    ]
    styles = ["yellow" if row["too_many"] else "" for row in records]
    return Section("exclusions", pd.DataFrame(rows), styles=styles)


def _agreement(summary: pd.DataFrame) -> Section:
    measures = {
        "dice": "Dice",
        "surface_distance_95_mm": "95 % distance, mm",
        "volume_difference_mm3": "difference, mm³",
    }
    rows = [
        {"first": row["first"], "second": row["second"], "cases": row["cases"]}
        | {shown: f"{row[name]:.3g}" for name, shown in measures.items()}
        for row in summary.to_dict("records")
    ]
    return Section("agreement, median", pd.DataFrame(rows))


def _outliers(statistics: pd.DataFrame) -> list[str]:
    return [
        f"outlier: {row['case_id']}, {row['segmenter']}: {row['outlier_in']}"
        for row in statistics.to_dict("records")
        if row["outlier_in"]
    ]


def _unavailable(study: Study) -> list[str]:
    states = {name: segmenter.availability() for name, segmenter in study.segmenters.items()}
    return [f"{name} is unavailable: {state.reason}" for name, state in states.items() if not state.ready]


def summarise(agreement: pd.DataFrame) -> pd.DataFrame:
    """Return one row per pair: cases, and median and quartiles of every measure."""
    if agreement.empty:
        return pd.DataFrame(columns=["first", "second", "cases"])
    rows = []
    for (first, second), cases in agreement.groupby(["first", "second"], sort=False):
        row = {"first": first, "second": second, "cases": len(cases)}
        for name in ("dice", "surface_distance_95_mm", "volume_difference_mm3"):
            quartiles = cases[name].quantile([0.25, 0.5, 0.75]).to_numpy()
            row |= dict(zip((f"{name}_q1", name, f"{name}_q3"), quartiles, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def montage(tiles: dict[str, tuple[Tile, bool]], title: str) -> bytes:
    """Return a PNG with a tile per case, the region's outline in it; outliers have a red title."""
    from matplotlib.figure import Figure

    rows = -(-len(tiles) // COLUMNS)
    figure = Figure(figsize=(1.6 * COLUMNS, 1.8 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, (case_id, (tile, outlying)) in zip(axes, tiles.items(), strict=False):
        axis.imshow(tile.grey, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        if tile.region.any() and not tile.region.all():
            axis.contour(tile.region, levels=[0.5], colors="C1", linewidths=0.8)
        axis.set_title(case_id, fontsize=6, color="red" if outlying else "black")
    figure.suptitle(f"{title}: the slice that holds most of the region", fontsize=9)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    return content.getvalue()


def _steps_of(quality: Quality, name: str) -> dict[str, Steps]:
    return {case_id: steps for (segmenter, case_id), steps in quality.steps.items() if segmenter == name}


def _in_order(quality: Quality, name: str) -> dict[str, tuple[Tile, bool]]:
    """Return a segmenter's tiles, outliers first, then in the cohort's order."""
    statistics = (
        quality.statistics.query("segmenter == @name") if len(quality.statistics) else quality.statistics
    )
    outliers = list(statistics.loc[statistics["outlier_in"] != "", "case_id"]) if len(statistics) else []
    tiles = {case_id: tile for (segmenter, case_id), tile in quality.tiles.items() if segmenter == name}
    order = [*outliers, *(case_id for case_id in tiles if case_id not in outliers)][:MOST_TILES]
    return {case_id: (tiles[case_id], case_id in outliers) for case_id in order}
