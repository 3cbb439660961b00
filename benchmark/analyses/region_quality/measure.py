"""How good the regions are that a study's features come from: exclusions, agreement, and what is in them.

Agreement is measured by MONAI: Dice, and the 95th percentile of the surface distance in mm (Hausdorff distance,
both directions). Outliers are judged by the modified z-score, 0.6745 (x - median) / MAD, beyond 3.5 (Iglewicz and
Hoaglin, How to Detect and Handle Outliers, 1993).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.analyses.region_quality.tiles import Steps, Tile, steps_of, tile
from benchmark.case import Case, Exclusion
from benchmark.errors import CaseError, UserError
from benchmark.execution.execution import Execution, Failure
from benchmark.images.geometry import bounding_box
from benchmark.pipeline.cases import IdentifiedCases, identify_cases
from benchmark.pipeline.regions import Regions
from benchmark.plugins import Segmenter

if TYPE_CHECKING:
    import SimpleITK as sitk

OUTLYING = 3.5
JUDGED = ("volume_mm3", "components", "mean_hu", "sd_hu")
"""Statistics in which a case may be an outlier among those of its segmenter."""
CALCIUM_HU = 130
MOST_STEPS = 12
"""Cases whose steps are drawn: each costs another run of the segmenter."""


@dataclass(frozen=True)
class QualityTask:
    """A case and the named segmenters to judge in it; `reference` names a mask of the scan to compare with."""

    case: Case
    segmenters: Mapping[str, Segmenter]
    reference: str | None = None
    regions: Regions = field(default_factory=Regions)
    with_steps: bool = False
    """Whether to keep what shows the steps of segmenters that work in steps."""


@dataclass(frozen=True)
class Judged:
    """What came of a task."""

    case_id: str
    statistics: list[dict[str, Any]]
    agreement: list[dict[str, Any]]
    exclusions: list[Exclusion]
    tiles: dict[str, Tile]
    regions: Regions
    steps: dict[str, Steps] = field(default_factory=dict)


@dataclass(frozen=True)
class Quality:
    """The tables of a cohort, and a tile per segmenter and case."""

    exclusions: pd.DataFrame
    """One row per segmenter: cases, excluded, rate and its 95 % Wilson interval, too_many."""
    reasons: pd.DataFrame
    """One row per excluded case and segmenter: stage, reason."""
    agreement: pd.DataFrame
    """One row per case and pair: dice, surface_distance_95_mm, volume_difference_mm3 (first minus second)."""
    statistics: pd.DataFrame
    """One row per case and segmenter: what is in the region, and in which statistics it is an outlier."""
    tiles: dict[tuple[str, str], Tile]
    steps: dict[tuple[str, str], Steps] = field(default_factory=dict)
    """For the first cases, by segmenter and case."""


def judge(
    cases: list[Case],
    segmenters: Mapping[str, Segmenter],
    execution: Execution,
    *,
    reference: str | None = None,
    too_many: float = 0.05,
) -> Quality:
    """Run the segmenters on all cases and judge what they find; `too_many` is the rate of exclusions that warns.

    Raises `UserError` when none of the segmenters can run.
    """
    ready = {name: segmenter for name, segmenter in segmenters.items() if segmenter.availability().ready}
    if not ready:
        reasons = "; ".join(segmenter.availability().reason for segmenter in segmenters.values())
        raise UserError(f"no segmenter can run: {reasons}")
    identified = identify_cases(cases, execution)
    tasks = {
        case.case_id: _task(case, ready, reference, identified, execution, with_steps=place < MOST_STEPS)
        for place, case in enumerate(identified.readable)
    }
    judged: dict[str, Judged] = {}
    lost = {case_id: Failure(reason, "read") for case_id, reason in identified.unread.items()}
    for case_id, result in execution.do("regions", judge_case, tasks):
        if isinstance(result, Failure):
            lost[case_id] = result
        else:
            result.regions.save(execution.store, identified.scans[case_id])
            judged[case_id] = result
    ordered = [judged[case.case_id] for case in cases if case.case_id in judged]
    exclusions = [
        Exclusion(case_id, name, failure.stage or "segment", failure.reason)
        for case_id, failure in lost.items()
        for name in ready
    ]
    return _quality(ordered, exclusions, list(ready), len(cases), too_many)


def _task(
    case: Case,
    segmenters: Mapping[str, Segmenter],
    reference: str | None,
    identified: IdentifiedCases,
    execution: Execution,
    with_steps: bool,
) -> QualityTask:
    regions = Regions.load(execution.store, identified.scans[case.case_id], segmenters.values())
    return QualityTask(case, segmenters, reference, regions, with_steps)


def _quality(
    judged: list[Judged], exclusions: list[Exclusion], names: list[str], cases: int, too_many: float
) -> Quality:
    exclusions = exclusions + [item for one in judged for item in one.exclusions]
    return Quality(
        exclusions=_rates(exclusions, names, cases, too_many),
        reasons=pd.DataFrame(
            [item.row("segmenter") for item in exclusions],
            columns=["case_id", "segmenter", "stage", "reason"],
        ),
        agreement=pd.DataFrame([row for one in judged for row in one.agreement]),
        statistics=_with_outliers(pd.DataFrame([row for one in judged for row in one.statistics])),
        tiles={(name, one.case_id): tile for one in judged for name, tile in one.tiles.items()},
        steps={(name, one.case_id): steps for one in judged for name, steps in one.steps.items()},
    )


def judge_case(task: QualityTask) -> Judged:
    """Segment one case by every segmenter and measure; a segmenter that fails is an Exclusion of its own."""
    case_id = task.case.case_id
    masks: dict[str, NDArray[np.bool_]] = {}
    exclusions = []
    try:
        scan = task.case.source.load()
    except CaseError as error:
        lost = [Exclusion(case_id, name, "read", str(error)) for name in task.segmenters]
        return Judged(case_id, [], [], lost, {}, Regions())
    task.regions.lend_to(scan)
    for name, segmenter in task.segmenters.items():
        try:
            masks[name] = _nonzero(segmenter.segment(scan))
        except CaseError as error:
            exclusions.append(Exclusion(case_id, name, "segment", str(error)))
    statistics = [
        {"case_id": case_id, "segmenter": name, **region_statistics(scan.image, mask)}
        for name, mask in masks.items()
    ]
    tiles = {name: tile(scan.image, mask) for name, mask in masks.items()}
    steps = steps_of({name: task.segmenters[name] for name in masks}, scan) if task.with_steps else {}
    if task.reference is not None and task.reference in scan.masks:
        masks[f"mask {task.reference}"] = _nonzero(scan.masks[task.reference])
    spacing = scan.image.GetSpacing()[::-1]
    pairs = [
        {"case_id": case_id, "first": a, "second": b, **agreement(masks[a], masks[b], spacing)}
        for a, b in combinations(masks, 2)
    ]
    return Judged(case_id, statistics, pairs, exclusions, tiles, task.regions.found_in(scan), steps)


def agreement(
    first: NDArray[np.bool_], second: NDArray[np.bool_], spacing: tuple[float, ...]
) -> dict[str, float]:
    """Compare two masks (z, y, x); `spacing` is (z, y, x) in mm. Distances to an empty mask are not numbers."""
    import torch
    from monai.metrics import compute_dice, compute_hausdorff_distance

    voxel = float(np.prod(spacing))
    difference = (int(first.sum()) - int(second.sum())) * voxel
    measures = {"dice": np.nan, "surface_distance_95_mm": np.nan, "volume_difference_mm3": difference}
    if (box := bounding_box(first | second)) is not None:
        a, b = (
            torch.from_numpy(np.ascontiguousarray(np.pad(mask[box], 1)))[None, None]
            for mask in (first, second)
        )
        measures["dice"] = float(compute_dice(a.float(), b.float(), ignore_empty=False))
        if first.any() and second.any():
            warnings.filterwarnings("ignore", "monai.metrics.utils get_mask_edges", FutureWarning)
            distance = compute_hausdorff_distance(
                a, b, include_background=True, percentile=95, spacing=list(spacing)
            )
            measures["surface_distance_95_mm"] = float(distance)
    return measures


def region_statistics(image: sitk.Image, mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Return what is in a region: volume, pieces (26 neighbours), HU, share of calcium, whether it meets the border."""
    import SimpleITK as sitk
    from scipy import ndimage

    if (box := bounding_box(mask)) is None:
        return {"voxels": 0, "volume_mm3": 0.0, "components": 0}
    inside = sitk.GetArrayViewFromImage(image)[mask].astype(np.float64)
    _, components = ndimage.label(mask[box], np.ones((3, 3, 3)))
    ends = zip(box, mask.shape, strict=True)
    return {
        "voxels": inside.size,
        "volume_mm3": inside.size * float(np.prod(image.GetSpacing())),
        "components": int(components),
        "mean_hu": inside.mean(),
        "sd_hu": inside.std(),
        "min_hu": inside.min(),
        "max_hu": inside.max(),
        "share_above_130_hu": float((inside >= CALCIUM_HU).mean()),
        "meets_border": any(part.start == 0 or part.stop == size for part, size in ends),
    }


def _rates(exclusions: list[Exclusion], names: list[str], cases: int, too_many: float) -> pd.DataFrame:
    """Count what a segmenter did not find; a scan that cannot be read is not its fault."""
    from benchmark.statistics.intervals.proportions import wilson

    rows = []
    for name in names:
        excluded = [item for item in exclusions if item.excluded_from == name]
        unread = sum(item.stage == "read" for item in excluded)
        lost, seen = len(excluded) - unread, cases - unread
        low, high = wilson(lost, seen) if seen else (np.nan, np.nan)
        rate = lost / seen if seen else np.nan
        rows.append((name, cases, unread, lost, rate, low, high, rate > too_many))
    columns = ["segmenter", "cases", "unreadable", "excluded", "rate", "low", "high", "too_many"]
    return pd.DataFrame(rows, columns=columns)


def _with_outliers(statistics: pd.DataFrame) -> pd.DataFrame:
    """Add the column ``outlier_in``: the statistics in which a case lies far from others of its segmenter."""
    if statistics.empty:
        return statistics
    flags = pd.Series("", index=statistics.index)
    for _, rows in statistics.groupby("segmenter"):
        for name in (name for name in JUDGED if name in rows):
            far = _outlying(rows[name].to_numpy(float))
            flags[rows.index[far]] += f"{name} "
    return statistics.assign(outlier_in=flags.str.strip())


def _outlying(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which values have a modified z-score beyond 3.5; none where half of the values are equal."""
    away = np.abs(values - np.nanmedian(values)) if np.isfinite(values).any() else values
    spread = np.nanmedian(away) if np.isfinite(away).any() else 0.0
    return np.nan_to_num(0.6745 * away) > OUTLYING * spread if spread > 0 else np.zeros(len(values), bool)


def _nonzero(mask: sitk.Image) -> NDArray[np.bool_]:
    import SimpleITK as sitk

    return np.asarray(sitk.GetArrayViewFromImage(mask) != 0)
