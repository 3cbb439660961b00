"""Net benefit of each method and the bands of its curves, over all thresholds."""

from __future__ import annotations

import pandas as pd

from benchmark.execution.seeds import derive_seed
from benchmark.pipeline.results import StudyResult
from benchmark.report.verdict.methods import Methods
from benchmark.statistics.curves.bands import curve_bands
from benchmark.statistics.intervals.bootstrap import Resampling
from benchmark.statistics.intervals.decision_curve import decision_curve

COLUMNS = ("method", "threshold", "net_benefit", "low", "high", "treat_all")


def decision_table(result: StudyResult, methods: Methods) -> pd.DataFrame:
    """Return the net benefit of each method at each threshold, columns as of `decision_curve`; of repeats the first."""
    resampling = Resampling(replicates=2000, seed=derive_seed(result.study.seed, "decision"))
    parts = []
    for name, rows in first_repeat(methods):
        whose = rows["case_id"].map(result.features.cases["patient"])
        curve = decision_curve(rows["label"], rows["score"], resampling=resampling, patient=whose)
        parts.append(curve.assign(method=name))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def table_of_bands(result: StudyResult, methods: Methods) -> pd.DataFrame:
    """Return the bands of each method's curves, columns as of `curve_bands` after method; of repeats the first."""
    resampling = Resampling(replicates=2000, seed=derive_seed(result.study.seed, "bands"))
    parts = []
    for name, rows in first_repeat(methods):
        whose = rows["case_id"].map(result.features.cases["patient"])
        bands = curve_bands(rows["label"], rows["score"], resampling=resampling, patient=whose)
        bands.insert(0, "method", name)
        parts.append(bands)
    return pd.concat(parts, ignore_index=True)


def first_repeat(methods: Methods) -> list[tuple[str, pd.DataFrame]]:
    """Return each method's predictions, of repeats the first."""
    first = methods.predictions[methods.predictions["repeat"] == methods.predictions["repeat"].min()]
    return [(name, first[first["run"] == name]) for name in methods.names]
