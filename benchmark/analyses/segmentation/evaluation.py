"""From measures of scans to tables: metrics against masks with intervals, paired differences, and what was missed.

Patients are resampled within those without and with calcium; all segmenters and protocols share the replicates, so
that their differences are paired.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.analyses.segmentation.agreement import COUNTS, METRICS, agreement
from benchmark.analyses.segmentation.study import SegmentationStudy
from benchmark.execution.seeds import derive_seed
from benchmark.statistics.comparison.multiplicity import holm
from benchmark.statistics.intervals.bootstrap import (
    Resampling,
    percentile_interval,
    percentile_p,
    resampled_counts,
)
from benchmark.statistics.intervals.degenerate import NOT_ESTIMABLE, Interval

TESTED = ("voxel_f1", "lesion_f1", "band_accuracy", "kappa")
OF_MASKS = ("voxel_f1", "lesion_f1")
VOLUME_MM3 = (0, 5, 15, 50, np.inf)
MAXIMUM_HU = (130, 200, 300, 400, np.inf)
MOTION_MM = (-np.inf, 0.001, 2, 3.5, np.inf)

Floats = NDArray[np.float64]


def summary(scans: pd.DataFrame, study: SegmentationStudy) -> pd.DataFrame:
    """Return one row per cohort, segmenter and metric against masks: value with its 95 % interval.

    An interval without width, such as of a single scan, is not estimable.
    """
    rows = []
    for (cohort, segmenter, _), part in _parts(scans[scans["reference"] == "mask"]):
        value = agreement(part, np.ones((1, len(part))))[0]
        replicates = _replicates(part, study)
        for place, metric in enumerate(METRICS):
            interval = Interval(*percentile_interval(replicates[:, place]), "bootstrap")
            interval = NOT_ESTIMABLE if interval.degenerate else interval
            rows.append((cohort, segmenter, len(part), metric, value[place], interval.low, interval.high))
    return pd.DataFrame(rows, columns=["cohort", "segmenter", "scans", "metric", "value", "low", "high"])


def counts(scans: pd.DataFrame) -> pd.DataFrame:
    """Return voxels and lesions found, false and missed, per cohort, scanner and segmenter, with F1 and bands."""
    rows = []
    for keys, part in scans[scans["reference"] == "mask"].groupby(
        ["cohort", "group", "segmenter"], sort=False
    ):
        values = dict(zip(METRICS, agreement(part, np.ones((1, len(part))))[0], strict=True))
        row = dict(zip(("cohort", "scanner", "segmenter"), keys, strict=True)) | {"scans": len(part)}
        row |= {name: int(part[name].sum()) for name in COUNTS}
        rows.append(row | {name: values[name] for name in ("voxel_f1", "lesion_f1", "band_accuracy")})
    return pd.DataFrame(rows)


def against_others(scans: pd.DataFrame, study: SegmentationStudy) -> pd.DataFrame:
    """Return the first segmenter minus each other, on the same scans, per cohort and tested metric.

    Scans that have a score and no mask are compared apart, in bands and kappa; `reference` tells them.
    """
    rows = []
    tables = {keys: part.set_index("case_id").sort_index() for keys, part in _parts(scans)}
    for (cohort, segmenter, reference), first in tables.items():
        for other in study.segmenters if segmenter == study.main else ():
            second = tables.get((cohort, other, reference))
            if other != study.main and second is not None:
                differences = _differences(first, second, study)
                rows += [(cohort, study.main, other, reference, *row) for row in differences]
    columns = ["cohort", "segmenter", "other", "reference"]
    columns += ["scans", "metric", "difference", "low", "high", "p"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(p_holm=holm(table["p"]))


def across_protocols(scans: pd.DataFrame, study: SegmentationStudy) -> pd.DataFrame:
    """Return the first of the paired cohorts minus the second, patient by patient, per segmenter."""
    rows = []
    tables = {keys: part.set_index("case_id").sort_index() for keys, part in _parts(scans)}
    first, second = study.paired or ("", "")
    for (cohort, segmenter, reference), one in tables.items():
        other = tables.get((second, segmenter, reference))
        if cohort == first and other is not None:
            differences = _differences(one, other, study)
            rows += [(segmenter, first, second, reference, *row) for row in differences]
    columns = ["segmenter", "cohort", "other", "reference"]
    columns += ["patients", "metric", "difference", "low", "high", "p"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(p_holm=holm(table["p"]))


def missed(lesions: pd.DataFrame) -> pd.DataFrame:
    """Return how many reference lesions each segmenter found, by size, by density and by motion.

    `lesions` has one row per cohort, segmenter and reference lesion: volume_mm3, maximum_hu, motion_mm, found.
    """
    parts = []
    for trait, edges in (("volume_mm3", VOLUME_MM3), ("maximum_hu", MAXIMUM_HU), ("motion_mm", MOTION_MM)):
        ranges = pd.cut(lesions[trait], list(edges), right=False).astype(str)
        grouped = lesions.assign(range=ranges).groupby(
            ["cohort", "segmenter", "range"], sort=False, observed=True
        )
        table = grouped.agg(
            lesions=("found", "size"), found=("found", "sum"), lowest=(trait, "min")
        ).reset_index()
        table.insert(2, "trait", trait)
        parts.append(
            table.sort_values(["cohort", "segmenter", "lowest"], kind="stable").drop(columns="lowest")
        )
    table = pd.concat(parts, ignore_index=True)
    return table.assign(missed=table["lesions"] - table["found"], recall=table["found"] / table["lesions"])


def _parts(scans: pd.DataFrame) -> Iterator[tuple[tuple[str, str, str], pd.DataFrame]]:
    for keys, part in scans.groupby(["cohort", "segmenter", "reference"], sort=False):
        cohort, segmenter, reference = map(str, keys)
        yield (cohort, segmenter, reference), part


def _replicates(scans: pd.DataFrame, study: SegmentationStudy) -> Floats:
    """Return the replicates of every metric, (replicates, metrics); `scans` in any order of cases."""
    scans = scans.reset_index().sort_values("case_id")
    label = (scans["reference_agatston"] > 0).to_numpy().astype(np.intp)
    blocks = resampled_counts(label, resampling(study), scans.get("patient"))
    return np.concatenate([agreement(scans, counts) for counts in blocks])


def resampling(study: SegmentationStudy) -> Resampling:
    """Return how a study resamples patients."""
    return Resampling(study.replicates, seed=derive_seed(study.seed, "bootstrap"))


def _differences(
    first: pd.DataFrame, second: pd.DataFrame, study: SegmentationStudy
) -> Iterator[tuple[int, str, float, float, float, float]]:
    """Yield (scans, metric, difference, low, high, p) over the cases that both have, resampled together."""
    shared = first.index.intersection(second.index)
    tables = [table.loc[shared] for table in (first, second)]
    label = (tables[0]["reference_agatston"] > 0).to_numpy().astype(np.intp)
    blocks = list(resampled_counts(label, resampling(study), tables[0].get("patient")))
    replicates = [np.concatenate([agreement(table, block) for block in blocks]) for table in tables]
    value = [agreement(table, np.ones((1, len(shared))))[0] for table in tables]
    for metric in TESTED:
        place = METRICS.index(metric)
        if shared.empty or (first["reference"].iloc[0] == "score" and metric in OF_MASKS):
            continue
        difference = replicates[0][:, place] - replicates[1][:, place]
        low, high = percentile_interval(difference)
        yield (
            len(shared),
            metric,
            float(value[0][place] - value[1][place]),
            low,
            high,
            percentile_p(difference),
        )
