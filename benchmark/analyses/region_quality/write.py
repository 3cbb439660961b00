"""Writes what was judged of a study's segmenters: tables and, for each segmenter, a montage."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from benchmark.analyses.region_quality.measure import Quality, Tile
from benchmark.execution.store import write_atomically
from benchmark.report.tables import write_tables

MOST_TILES = 48
COLUMNS = 8


def write_quality(quality: Quality, folder: Path) -> list[Path]:
    """Write the tables as CSV and ``montage_<segmenter>.png`` with up to 48 cases, outliers first."""
    tables = {
        "exclusion_rates": quality.exclusions,
        "exclusions": quality.reasons,
        "agreement": quality.agreement,
        "agreement_summary": summarise(quality.agreement),
        "regions": quality.statistics,
    }
    files = write_tables(tables, folder)
    for name in quality.exclusions["segmenter"]:
        tiles = _in_order(quality, name)
        if tiles:
            files.append(folder / f"montage_{name}.png")
            write_atomically(files[-1], montage(tiles, name))
    return files


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


def _in_order(quality: Quality, name: str) -> dict[str, tuple[Tile, bool]]:
    """Return a segmenter's tiles, outliers first, then in the cohort's order."""
    mine = quality.statistics.query("segmenter == @name") if len(quality.statistics) else quality.statistics
    outliers = list(mine.loc[mine["outlier_in"] != "", "case_id"]) if len(mine) else []
    tiles = {case_id: tile for (segmenter, case_id), tile in quality.tiles.items() if segmenter == name}
    order = [*outliers, *(case_id for case_id in tiles if case_id not in outliers)][:MOST_TILES]
    return {case_id: (tiles[case_id], case_id in outliers) for case_id in order}
