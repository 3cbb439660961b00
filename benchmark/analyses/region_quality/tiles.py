"""What a picture of a region needs of its scan, small enough to be kept of every case: slices thinned out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.images.geometry import bounding_box
from benchmark.plugins import Segmenter

if TYPE_CHECKING:
    import SimpleITK as sitk

    from benchmark.case import Scan

TILE_PIXELS, STEP_PIXELS = 160, 256
DRAWN_AT = (0.15, 0.5, 0.85)
"""Where the slices lie at which steps are drawn, as shares of the slices that the first step has voxels in."""


@dataclass(frozen=True)
class Tile:
    """A slice for a montage: grey values (rows, columns) of -160 to 340 HU as 0 to 255, and the region in it."""

    grey: NDArray[np.uint8]
    region: NDArray[np.bool_]


@dataclass(frozen=True)
class Steps:
    """Some slices, ascending, and in each what every step of a segmenter left, in order."""

    slices: tuple[int, ...]
    grey: tuple[NDArray[np.uint8], ...]
    regions: Mapping[str, tuple[NDArray[np.bool_], ...]]


def tile(image: sitk.Image, mask: NDArray[np.bool_]) -> Tile:
    """Return the slice that holds most of the region, thinned out to at most 160 pixels a side."""
    import SimpleITK as sitk

    z = int(mask.sum(axis=(1, 2)).argmax())
    grey = _grey(_thinned(sitk.GetArrayViewFromImage(image)[z], TILE_PIXELS))
    return Tile(grey, _thinned(mask[z], TILE_PIXELS))


def steps_of(segmenters: Mapping[str, Segmenter], scan: Scan) -> dict[str, Steps]:
    """Return the steps of those segmenters that work in steps, at most 256 pixels a side. Raises `CaseError`."""
    import SimpleITK as sitk

    found = {}
    for name, segmenter in segmenters.items():
        masks = {step: sitk.GetArrayViewFromImage(mask) != 0 for step, mask in segmenter.steps(scan).items()}
        if masks and (box := bounding_box(next(iter(masks.values())))) is not None:
            found[name] = _steps(sitk.GetArrayViewFromImage(scan.image), masks, box)
    return found


def _steps(hu: NDArray[Any], masks: Mapping[str, NDArray[np.bool_]], box: tuple[slice, ...]) -> Steps:
    """Return the steps on a few slices of a box, and a tenth more around it."""
    z, *sides = box
    slices = tuple(dict.fromkeys(z.start + round(share * (z.stop - 1 - z.start)) for share in DRAWN_AT))
    margins = [(side.stop - side.start) // 10 for side in sides]
    rows, columns = (
        slice(max(side.start - margin, 0), side.stop + margin)
        for side, margin in zip(sides, margins, strict=True)
    )

    def cut(volume: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        return tuple(_thinned(volume[at, rows, columns], STEP_PIXELS) for at in slices)

    return Steps(slices, tuple(map(_grey, cut(hu))), {step: cut(mask) for step, mask in masks.items()})


def _grey(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.clip((values.astype(np.float64) + 160) / 500 * 255, 0, 255).astype(np.uint8)


def _thinned(plane: NDArray[Any], pixels: int) -> NDArray[Any]:
    step = -(-max(plane.shape) // pixels)
    return plane[::step, ::step].copy()
