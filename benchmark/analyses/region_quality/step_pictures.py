"""A segmenter's steps in one scan: what each left, outlined, and what it took off what the one before had left."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.analyses.region_quality.tiles import Steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TAKEN_OFF = (1.0, 0.2, 0.2, 0.45)


def draw_steps(steps: Steps, title: str) -> bytes:
    """Return a PNG with a row per slice and a column per step: the region's outline, in red what was taken off."""
    from matplotlib.figure import Figure

    rows, columns = len(steps.slices), len(steps.regions)
    height, width = steps.grey[0].shape
    figure = Figure(figsize=(2.4 * columns, (2.4 * height / width + 0.2) * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    before = next(iter(steps.regions.values()))
    for column, (name, regions) in enumerate(steps.regions.items()):
        axes[0, column].set_title(name, fontsize=8)
        for row, region in enumerate(regions):
            _draw(axes[row, column], steps.grey[row], region, before[row] & ~region)
            axes[row, column].set_xlabel(f"slice {steps.slices[row]}", fontsize=6)
        before = regions
    for axis in axes.ravel():
        axis.set(xticks=[], yticks=[])
    figure.suptitle(title, fontsize=9)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    return content.getvalue()


def _draw(axis: Axes, grey: NDArray[np.uint8], region: NDArray[np.bool_], taken: NDArray[np.bool_]) -> None:
    axis.imshow(grey, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    tint = np.zeros((*region.shape, 4))
    tint[taken] = TAKEN_OFF
    axis.imshow(tint, interpolation="nearest")
    if region.any() and not region.all():
        axis.contour(region, levels=[0.5], colors="C1", linewidths=0.8)
