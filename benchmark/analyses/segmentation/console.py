"""What `cacbench segmentation` prints."""

from __future__ import annotations

import pandas as pd
from rich.table import Table

from benchmark.analyses.segmentation.run import Measured
from benchmark.analyses.segmentation.write import Written
from benchmark.report.console import console

SHOWN = ("voxel_f1", "lesion_f1", "icc", "band_accuracy", "kappa")


def print_segmentation(written: Written, measured: Measured) -> None:
    """Print the metrics of every segmenter per cohort, what was left out, and the paths of what was written."""
    table = Table(
        "cohort", "segmenter", *SHOWN, title="95 % intervals: patients resampled", title_justify="left"
    )
    for (cohort, segmenter), rows in written.tables["summary"].groupby(["cohort", "segmenter"], sort=False):
        values = rows.set_index("metric").loc[list(SHOWN)]
        table.add_row(str(cohort), str(segmenter), *(_cell(row) for _, row in values.iterrows()))
    console.print(table)
    for name, reason in measured.unavailable.items():
        console.print(f"no result for {name}: {reason}", style="yellow", markup=False, soft_wrap=True)
    if measured.exclusions:
        console.print(f"{len(measured.exclusions)} scans excluded, see tables/exclusions.csv", style="yellow")
    for path in written.paths:
        console.print(str(path), markup=False, soft_wrap=True, highlight=False)


def _cell(row: pd.Series) -> str:
    return f"{row['value']:.3f} [{row['low']:.2f}, {row['high']:.2f}]"
