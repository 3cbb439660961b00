"""From a scan to what an encoder sees: axial planes of grey values, each a square of its side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from benchmark.errors import CaseError
from benchmark.images.geometry import bounding_box
from feature_extractors.embedding import oriented
from feature_extractors.volumes import cube_about

if TYPE_CHECKING:
    import numpy as np
    import SimpleITK as sitk
    import torch
    from numpy.typing import NDArray

Region = Literal["box", "slices"]
_AT_A_TIME = 32
"""Planes that are resized together: all of a chest CT at once would take a gigabyte."""


@dataclass(frozen=True)
class Shown:
    """How HU become the grey values of a square plane."""

    side: int
    """In pixels."""
    window_hu: tuple[float, float]
    """Shown as 0 and as 1."""
    interpolation: str
    smooth: bool
    """Whether a plane that gets smaller is low-pass filtered first, as PIL does and OpenCV does not."""


def square_planes(
    image: sitk.Image,
    roi: sitk.Image,
    region: Region,
    margin_mm: float,
    shown: Shown,
    slabs: int | None = None,
    cube: tuple[int, float] | None = None,
) -> torch.Tensor:
    """Return the axial planes, from inferior to superior, as (n, 1, side, side) grey values 0…1.

    `box` looks at the box around the ROI and a margin: the slices it touches, of each the smallest square (in mm)
    around the box, with what the image holds there; beyond the image it is black. `slices` looks at the whole of the
    slices that the ROI touches. `cube` (voxels, mm) shows the cube about the middle of either, see `cube_about`.
    With `slabs` the slices are dealt into that many slabs, each shown by its maximum. Raises `CaseError` for an empty
    ROI.
    """
    import numpy as np
    import SimpleITK as sitk
    import torch

    image = oriented(image)
    volume = sitk.GetArrayViewFromImage(image)
    box = bounding_box(np.asarray(sitk.GetArrayFromImage(oriented(roi)) != 0))
    if box is None:
        raise CaseError("the ROI is empty")
    touched, *inside = box
    if region == "slices":
        inside, margin_mm = [slice(0, length) for length in volume.shape[1:]], 0.0
    square = _square(inside, image.GetSpacing()[1::-1], margin_mm)
    if cube is not None:
        volume = cube_about(volume, image.GetSpacing()[::-1], (touched, *inside), *cube)
        touched, square = slice(None), [slice(0, cube[0])] * 2
    planes = volume[touched] if slabs is None else _slab_maxima(volume[touched], slabs)
    parts = range(0, len(planes), _AT_A_TIME)
    return torch.cat([_resized(_cut(planes[z : z + _AT_A_TIME], square, shown), shown) for z in parts])


def _slab_maxima(planes: NDArray[Any], count: int) -> NDArray[Any]:
    """Return the maxima of `count` slabs of planes (n, y, x); where they do not come out even, neighbours share one."""
    import numpy as np

    starts = [place * len(planes) // count for place in range(count)]
    stops = [-(-(place + 1) * len(planes) // count) for place in range(count)]
    return np.stack([planes[start:stop].max(axis=0) for start, stop in zip(starts, stops, strict=True)])


def _square(inside: list[slice], spacing: tuple[float, ...], margin_mm: float) -> list[slice]:
    """Return rows and columns of the smallest square that shares the centre of `inside` and its margin.

    It may begin before 0 and end beyond the image.
    """
    lengths = [part.stop - part.start for part in inside]
    side_mm = max(length * mm for length, mm in zip(lengths, spacing, strict=True)) + 2 * margin_mm
    pixels = [max(1, round(side_mm / mm)) for mm in spacing]
    starts = [
        part.start - (whole - length) // 2
        for part, whole, length in zip(inside, pixels, lengths, strict=True)
    ]
    return [slice(start, start + whole) for start, whole in zip(starts, pixels, strict=True)]


def _cut(planes: NDArray[Any], square: list[slice], shown: Shown) -> NDArray[np.float32]:
    """Return the square of some planes (n, y, x), in HU, as grey values 0…1; black beyond the image."""
    import numpy as np

    grey = np.zeros((len(planes), *(part.stop - part.start for part in square)), np.float32)
    held = [
        slice(max(part.start, 0), min(part.stop, n)) for part, n in zip(square, planes.shape[1:], strict=True)
    ]
    target = [
        slice(there.start - part.start, there.stop - part.start)
        for there, part in zip(held, square, strict=True)
    ]
    low, high = map(np.float32, shown.window_hu)
    hu = planes[:, held[0], held[1]].astype(np.float32)
    grey[:, target[0], target[1]] = np.clip((hu - low) / (high - low), 0, 1)
    return grey


def _resized(grey: NDArray[np.float32], shown: Shown) -> torch.Tensor:
    """Resize planes (n, y, x); bicubic interpolation overshoots at edges, which an image cannot hold."""
    import torch

    mode = shown.interpolation if shown.interpolation in ("bilinear", "bicubic") else "bicubic"
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(grey)[:, None],
        (shown.side, shown.side),
        mode=mode,
        align_corners=False,
        antialias=shown.smooth,
    )
    return resized.clamp_(0, 1)
