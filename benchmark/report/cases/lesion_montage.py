"""The picture of one scan: each lesion where it is largest, the regions that were searched outlined."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import SimpleITK as sitk
    from matplotlib.axes import Axes

OUTLINES = ("cyan", "orange", "magenta", "lime")
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Look:
    """How a picture shows what is red, and how much of it."""

    lesions: str = "Lesions called"
    red: str = "called"
    most: int = 23
    """Lesions shown, by volume."""
    field_mm: float = 80.0
    """Side of a tile; the first one shows the whole slice with most of what is red."""
    filled: bool = True
    """Whether red covers what it marks; outlined it hides nothing."""
    columns: int = 6


CALLED = Look()


def lesion_montage(
    image: sitk.Image,
    calcium: sitk.Image,
    regions: Mapping[str, sitk.Image],
    title: str,
    note: str = "",
    look: Look = CALLED,
) -> bytes:
    """Return a PNG: a whole slice, then the largest lesions (26 neighbours).

    Calcium is red, up to four `regions` are outlined, each in a colour that the title names; masks on the image's grid.
    One that is the whole image is not drawn. `note` stands below in red.
    """
    import SimpleITK as sitk
    from matplotlib.figure import Figure

    upright, called = sitk.DICOMOrient(image, "LPS"), sitk.DICOMOrient(calcium, "LPS")
    hu, mask = sitk.GetArrayViewFromImage(upright), sitk.GetArrayFromImage(called) > 0
    outlined = {
        name: sitk.GetArrayFromImage(sitk.DICOMOrient(region, "LPS")) > 0
        for name, region in list(regions.items())[: len(OUTLINES)]
    }
    x, y, z = upright.GetSpacing()
    lesions = _lesions(called)
    rows = -(-(min(len(lesions), look.most) + 1) // look.columns)
    figure = Figure(figsize=(2.0 * look.columns, 2.2 * rows + 0.8), layout="constrained")
    axes = figure.subplots(rows, look.columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    whole = _fullest(mask if mask.any() else next(iter(outlined.values()), mask))
    _draw(axes[0], hu, mask, outlined, (whole,), y / x, look)
    axes[0].set_title(f"slice {whole}, whole", fontsize=7)
    for axis, (centre, voxels) in zip(axes[1:], lesions[: look.most], strict=False):
        box = centre[0], *_window(centre[1:], (y, x), hu.shape[1:], look.field_mm)
        _draw(axis, hu, mask, outlined, box, y / x, look)
        axis.set_title(f"slice {centre[0]}: {voxels * x * y * z:.0f} mm³", fontsize=7)
    figure.suptitle(f"{title}\n{_legend(len(lesions), list(outlined), look)}", fontsize=9)
    if note:
        figure.supxlabel(note, fontsize=8, color="red", wrap=True)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    return content.getvalue()


def _legend(lesions: int, outlined: list[str], look: Look) -> str:
    left_out = f", {lesions - look.most} smaller ones not shown" if lesions > look.most else ""
    colours = [f"{colour.capitalize()}: {name}." for colour, name in zip(OUTLINES, outlined, strict=False)]
    said = " ".join([f"{look.lesions}: {lesions}{left_out}. Red: {look.red}.", *colours])
    return textwrap.fill(said, 20 * look.columns)


def _lesions(called: sitk.Image) -> list[tuple[tuple[int, int, int], int]]:
    """Return for each lesion, largest first, the centre (z, y, x) of its largest slice and its voxels."""
    import SimpleITK as sitk
    from scipy import ndimage

    labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(called > 0, True))
    found = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels[box] == number
        z = _fullest(inside)
        y, x = (round(float(places.mean())) for places in np.nonzero(inside[z]))
        corner = [part.start for part in box]
        found.append(((corner[0] + z, corner[1] + y, corner[2] + x), int(inside.sum())))
    return sorted(found, key=lambda item: (-item[1], item[0]))


def _fullest(mask: Mask) -> int:
    """Return the slice that holds most of a mask, the middle one of an empty mask."""
    return int(mask.sum(axis=(1, 2)).argmax()) if mask.any() else len(mask) // 2


def _window(
    centre: tuple[int, ...], pixel_mm: tuple[float, float], shape: tuple[int, ...], field_mm: float
) -> tuple[slice, slice]:
    """Return the square of `field_mm` around a place, moved or cut to lie in the slice."""
    parts = []
    for place, mm, size in zip(centre, pixel_mm, shape, strict=True):
        side = min(size, round(field_mm / mm))
        start = min(max(0, place - side // 2), size - side)
        parts.append(slice(start, start + side))
    return parts[0], parts[1]


def _draw(
    axes: Axes,
    hu: NDArray[np.number],
    mask: Mask,
    outlined: Mapping[str, Mask],
    place: tuple[int | slice, ...],
    aspect: float,
    look: Look,
) -> None:
    """Draw what lies in a place of the scan, a slice or a part of one."""
    axes.imshow(hu[place], cmap="gray", vmin=-160, vmax=400, interpolation="nearest", aspect=aspect)
    marked = mask[place]
    if marked.any() and look.filled:
        colours = np.zeros((*marked.shape, 4))
        colours[marked] = (1, 0, 0, 0.6)
        axes.imshow(colours, interpolation="nearest", aspect=aspect)
    elif marked.any():
        axes.contour(marked, levels=[0.5], colors="red", linewidths=0.8)
    for colour, region in zip(OUTLINES, outlined.values(), strict=False):
        if region[place].any() and not region[place].all():
            axes.contour(region[place], levels=[0.5], colors=colour, linewidths=0.6)
