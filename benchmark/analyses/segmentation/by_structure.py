"""What was found of each vessel's lesions, and in which structures the false calls lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from benchmark.statistics.intervals.bootstrap import Resampling, percentile_interval, resampled_counts
from benchmark.statistics.intervals.degenerate import NOT_ESTIMABLE, Interval
from benchmark.statistics.intervals.proportions import wilson


def by_vessel(lesions: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    """Return how many reference lesions of each vessel every segmenter found, per cohort, and the share of them.

    `lesions` has one row per cohort, segmenter and reference lesion: case_id, vessel, found; those of masks whose
    labels have no names are left aside. Intervals resample patients; where all lesions were found or none they are
    Wilson's.
    """
    columns = ["cohort", "segmenter", "vessel", "scans", "lesions", "found", "missed"]
    columns += ["recall", "low", "high", "method"]
    rows = []
    for keys, part in lesions.groupby(["cohort", "segmenter", "vessel"], sort=False):
        of_scans = part.groupby("case_id")["found"].agg(["sum", "size"])
        found, count = int(of_scans["sum"].sum()), int(of_scans["size"].sum())
        interval = _share(of_scans["sum"], of_scans["size"], resampling)
        if interval.degenerate and len(of_scans) > 1:
            interval = Interval(*wilson(found, count, resampling.level), "wilson")
        ends = (interval.low, interval.high, interval.method)
        rows.append((*keys, len(of_scans), count, found, count - found, found / count, *ends))
    return pd.DataFrame(rows, columns=columns)


def false_calls(calls: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    """Return where every segmenter's false calls lie, per cohort: all of each structure, and its share of the voxels.

    `calls` has one row per cohort, segmenter, case_id and structure, see `DrawnAnatomy.false_calls`; a structure that
    a scan has no row of was not drawn on it. Intervals resample patients.
    """
    columns = ["cohort", "segmenter", "structure", "scans", "calcium_voxels", "voxels", "lesions", "agatston"]
    columns += ["share", "low", "high", "method"]
    rows = []
    for (cohort, segmenter), part in calls.groupby(["cohort", "segmenter"], sort=False):
        voxels = part.pivot_table(index="case_id", columns="structure", values="voxels", aggfunc="sum")
        every = voxels.sum(axis=1)
        whose = part.groupby("case_id")["patient"].first() if "patient" in part else None
        for structure, own in part.groupby("structure", sort=False):
            interval = _share(voxels[structure].fillna(0), every, resampling, whose)
            interval = NOT_ESTIMABLE if interval.degenerate else interval
            calcium = own["calcium_voxels"].sum(min_count=1)
            sums = (int(own["voxels"].sum()), int(own["lesions"].sum()), float(own["agatston"].sum()))
            share = sums[0] / every.sum() if every.sum() else float("nan")
            ends = (interval.low, interval.high, interval.method)
            rows.append((cohort, segmenter, structure, len(own), calcium, *sums, share, *ends))
    table = pd.DataFrame(rows, columns=columns).astype({"calcium_voxels": "Int64"})
    return table.sort_values(["cohort", "segmenter", "voxels"], ascending=[True, True, False], kind="stable")


def _share(
    part: ArrayLike, whole: ArrayLike, resampling: Resampling, patient: pd.Series | None = None
) -> Interval:
    """Return the interval of Σ part / Σ whole over resampled scans, both (scans,); not estimable of a single scan."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    if len(whole) < 2:
        return NOT_ESTIMABLE
    blocks = list(resampled_counts(np.zeros(len(whole), np.intp), resampling, patient))
    with np.errstate(invalid="ignore", divide="ignore"):
        replicates = np.concatenate([block @ part / (block @ whole) for block in blocks])
    return Interval(*percentile_interval(replicates, resampling.level), "bootstrap")
