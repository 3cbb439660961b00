"""From measures of scans to tables: metrics with intervals, paired differences, and what was missed.

Patients are resampled within those without and with calcium; all segmenters and protocols share the replicates, so
that their differences are paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.analyses.segmentation.agreement import METRICS, agreement
from benchmark.analyses.segmentation.rules import rules
from benchmark.analyses.segmentation.study import SegmentationStudy
from benchmark.execution.seeds import derive_seed
from benchmark.statistics.comparison.multiplicity import holm
from benchmark.statistics.intervals.bootstrap import (
    Resampling,
    percentile_interval,
    percentile_p,
    resampled_counts,
)

TESTED = ("voxel_f1", "lesion_f1", "band_accuracy", "kappa")
VOLUME_MM3 = (0, 5, 15, 50, np.inf)
MAXIMUM_HU = (130, 200, 300, 400, np.inf)
MOTION_MM = (-np.inf, 0.001, 2, 3.5, np.inf)
COUNTS = ("voxel_tp", "voxel_fp", "voxel_fn", "lesion_tp", "lesion_fp", "lesion_fn", "unseen_lesions")

Floats = NDArray[np.float64]


def summary(scans: pd.DataFrame, study: SegmentationStudy) -> pd.DataFrame:
    """Return one row per cohort, segmenter and metric: value with its 95 % interval."""
    rows = []
    for (cohort, segmenter), part in _parts(scans):
        value = agreement(part, np.ones((1, len(part))))[0]
        replicates = _replicates(part, study)
        for place, metric in enumerate(METRICS):
            low, high = percentile_interval(replicates[:, place])
            rows.append((cohort, segmenter, len(part), metric, value[place], low, high))
    return pd.DataFrame(rows, columns=["cohort", "segmenter", "scans", "metric", "value", "low", "high"])


def counts(scans: pd.DataFrame) -> pd.DataFrame:
    """Return voxels and lesions found, false and missed, per cohort, scanner and segmenter, with F1 and bands."""
    rows = []
    for keys, part in scans.groupby(["cohort", "group", "segmenter"], sort=False):
        values = dict(zip(METRICS, agreement(part, np.ones((1, len(part))))[0], strict=True))
        row = dict(zip(("cohort", "scanner", "segmenter"), keys, strict=True)) | {"scans": len(part)}
        row |= {name: int(part[name].sum()) for name in COUNTS}
        rows.append(row | {name: values[name] for name in ("voxel_f1", "lesion_f1", "band_accuracy")})
    return pd.DataFrame(rows)


def against_others(scans: pd.DataFrame, study: SegmentationStudy) -> pd.DataFrame:
    """Return the first segmenter minus each other, on the same scans, per cohort and tested metric."""
    rows = []
    tables = {keys: part.set_index("case_id").sort_index() for keys, part in _parts(scans)}
    for cohort in study.cohorts:
        for other in study.segmenters:
            if other == study.main or not {(cohort, other), (cohort, study.main)} <= set(tables):
                continue
            pair = tables[cohort, study.main], tables[cohort, other]
            rows += [(cohort, study.main, other, *row) for row in _differences(*pair, study)]
    columns = ["cohort", "segmenter", "other", "scans", "metric", "difference", "low", "high", "p"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(p_holm=holm(table["p"]))


def across_protocols(scans: pd.DataFrame, study: SegmentationStudy) -> pd.DataFrame:
    """Return the first of the paired cohorts minus the second, patient by patient, per segmenter."""
    rows = []
    tables = {keys: part.set_index("case_id").sort_index() for keys, part in _parts(scans)}
    first, second = study.paired or ("", "")
    for segmenter in study.segmenters if study.paired else ():
        if not {(first, segmenter), (second, segmenter)} <= set(tables):
            continue
        pair = tables[first, segmenter], tables[second, segmenter]
        rows += [(segmenter, first, second, *row) for row in _differences(*pair, study)]
    columns = ["segmenter", "cohort", "other", "patients", "metric", "difference", "low", "high", "p"]
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


def _parts(scans: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    for (cohort, segmenter), part in scans.groupby(["cohort", "segmenter"], sort=False):
        yield (str(cohort), str(segmenter)), part


def _replicates(scans: pd.DataFrame, study: SegmentationStudy) -> Floats:
    """Return the replicates of every metric, (replicates, metrics); `scans` in any order of cases."""
    scans = scans.reset_index().sort_values("case_id")
    label = (scans["reference_agatston"] > 0).to_numpy().astype(np.intp)
    return np.concatenate(
        [agreement(scans, counts) for counts in resampled_counts(label, _resampling(study))]
    )


def _resampling(study: SegmentationStudy) -> Resampling:
    return Resampling(study.replicates, seed=derive_seed(study.seed, "bootstrap"))


def _differences(
    first: pd.DataFrame, second: pd.DataFrame, study: SegmentationStudy
) -> Iterator[tuple[int, str, float, float, float, float]]:
    """Yield (scans, metric, difference, low, high, p) over the cases that both have, resampled together."""
    shared = first.index.intersection(second.index)
    tables = [table.loc[shared] for table in (first, second)]
    label = (tables[0]["reference_agatston"] > 0).to_numpy().astype(np.intp)
    blocks = list(resampled_counts(label, _resampling(study)))
    replicates = [np.concatenate([agreement(table, block) for block in blocks]) for table in tables]
    value = [agreement(table, np.ones((1, len(shared))))[0] for table in tables]
    for metric in TESTED:
        place = METRICS.index(metric)
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


def all_tables(
    scans: pd.DataFrame, lesions: pd.DataFrame, exclusions: pd.DataFrame, study: SegmentationStudy
) -> Mapping[str, pd.DataFrame]:
    """Return every table by name."""
    return {
        "summary": summary(scans, study),
        "counts": counts(scans),
        "against_others": against_others(scans, study),
        "across_protocols": across_protocols(scans, study),
        "missed": missed(lesions),
        "rules": rules(scans, _resampling(study)),
        "scans": scans,
        "lesions": lesions,
        "exclusions": exclusions,
    }
