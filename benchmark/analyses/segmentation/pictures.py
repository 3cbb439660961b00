"""Overlays: the best, the median and the worst scan of each cohort, on the slices that say most."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.analyses.segmentation.study import SegmentationStudy
from benchmark.calcium.truth import reference_calcium

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SLICES = 3
MARGIN_PIXELS = 40


def overlays(scans: pd.DataFrame, study: SegmentationStudy) -> dict[str, bytes]:
    """Draw, per cohort, the first segmenter's best, median and worst scan with calcium; return PNGs by name.

    Scans with a score alone have no mask to draw, and are left out.
    """
    pictures = {}
    scans = scans[scans["reference"] == "mask"]
    for cohort, declared in study.cohorts.items():
        rows_of_main = scans[(scans["cohort"] == cohort) & (scans["segmenter"] == study.main)]
        chosen = choose(rows_of_main)
        sources = {case.case_id: case.source for case in declared.cases()}
        for rank, case_id in chosen.items():
            title = f"{cohort}, {rank} scan: {case_id}"
            pictures[f"overlays/{cohort}_{rank}"] = _draw(sources[case_id], study, title)
    return pictures


def choose(scans: pd.DataFrame) -> dict[str, str]:
    """Return the case ids of the best, the median and the worst scan by Dice, ties by more calcium, then id."""
    size = 2 * scans["voxel_tp"] + scans["voxel_fp"] + scans["voxel_fn"]
    ranked = scans.assign(dice=2 * scans["voxel_tp"] / size.where(size > 0))
    ranked = ranked[scans["reference_agatston"] > 0]
    ranked = ranked.sort_values(["dice", "reference_agatston", "case_id"], ascending=[False, False, True])
    ids = [str(name) for name in ranked["case_id"]]
    return {"best": ids[0], "median": ids[len(ids) // 2], "worst": ids[-1]} if ids else {}


def _draw(source: Any, study: SegmentationStudy, title: str) -> bytes:
    import SimpleITK as sitk
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scan = source.load()
    hu = sitk.GetArrayViewFromImage(scan.image)
    truth = sitk.GetArrayFromImage(reference_calcium(scan, study.reference)) > 0
    predicted = sitk.GetArrayFromImage(study.segmenters[study.main].segment(scan)) > 0
    box, slices = _where(truth | predicted), _telling(truth, predicted)
    figure = Figure(figsize=(4 * len(slices), 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{title}\ngreen: found, red: false, yellow: missed", fontsize=9)
    for axes, z in zip(np.atleast_1d(figure.subplots(1, len(slices))), slices, strict=True):
        _overlay(axes, hu[z][box], truth[z][box], predicted[z][box])
        axes.set_title(f"slice {z}", fontsize=8)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100, metadata={"Software": None})
    return content.getvalue()


def _overlay(axes: Axes, hu: NDArray[Any], truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> None:
    axes.imshow(hu, cmap="gray", vmin=-160, vmax=400, interpolation="nearest")
    colours = np.zeros((*truth.shape, 4))
    colours[truth & predicted], colours[predicted & ~truth] = (0, 1, 0, 0.6), (1, 0, 0, 0.6)
    colours[truth & ~predicted] = (1, 1, 0, 0.6)
    axes.imshow(colours, interpolation="nearest")
    axes.set_axis_off()


def _telling(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> list[int]:
    """Return the slices with the most wrong voxels, then those with the most calcium, in order."""
    wrong, any_voxel = (truth ^ predicted).sum(axis=(1, 2)), (truth | predicted).sum(axis=(1, 2))
    return sorted(int(z) for z in np.lexsort((any_voxel, wrong))[::-1][:SLICES])


def _where(voxels: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.nonzero(voxels.any(axis=0))
    if not rows.size:
        return slice(None), slice(None)
    return tuple(  # type: ignore[return-value]
        slice(max(int(axis.min()) - MARGIN_PIXELS, 0), int(axis.max()) + MARGIN_PIXELS)
        for axis in (rows, columns)
    )
