"""The picture of a scored scan: every called lesion where it is largest, the region that was searched outlined."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import SimpleITK as sitk
    from matplotlib.axes import Axes

MOST = 23
COLUMNS = 6
FIELD_MM = 80.0
"""Side of a tile; the first one shows the whole slice with most calcium."""
Mask = NDArray[np.bool_]


def lesion_montage(
    image: sitk.Image, calcium: sitk.Image, gate: sitk.Image | None, title: str, note: str = ""
) -> bytes:
    """Return a PNG: a whole slice, then up to 23 lesions (26 neighbours) by volume.

    Calcium is filled in red, the gate outlined in cyan; masks on the image's grid. `note` stands below in red.
    """
    import SimpleITK as sitk
    from matplotlib.figure import Figure

    upright, called = sitk.DICOMOrient(image, "LPS"), sitk.DICOMOrient(calcium, "LPS")
    hu, mask = sitk.GetArrayViewFromImage(upright), sitk.GetArrayFromImage(called) > 0
    region = None if gate is None else sitk.GetArrayFromImage(sitk.DICOMOrient(gate, "LPS")) > 0
    x, y, z = upright.GetSpacing()
    lesions = _lesions(called)
    rows = -(-(min(len(lesions), MOST) + 1) // COLUMNS)
    figure = Figure(figsize=(2.0 * COLUMNS, 2.2 * rows + 0.8), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    whole = _fullest(mask if mask.any() or region is None else region)
    _draw(axes[0], hu[whole], mask[whole], None if region is None else region[whole], y / x)
    axes[0].set_title(f"slice {whole}, whole", fontsize=7)
    for axis, (centre, voxels) in zip(axes[1:], lesions, strict=False):
        box = centre[0], *_window(centre[1:], (y, x), hu.shape[1:])
        _draw(axis, hu[box], mask[box], None if region is None else region[box], y / x)
        axis.set_title(f"slice {centre[0]}: {voxels * x * y * z:.0f} mm³", fontsize=7)
    left_out = f"; {len(lesions) - MOST} smaller ones not shown" if len(lesions) > MOST else ""
    figure.suptitle(
        f"{title}\n{len(lesions)} lesions called{left_out}. Red: called. Cyan: searched.", fontsize=9
    )
    if note:
        figure.supxlabel(note, fontsize=8, color="red", wrap=True)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    return content.getvalue()


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
    centre: tuple[int, ...], pixel_mm: tuple[float, float], shape: tuple[int, ...]
) -> tuple[slice, slice]:
    """Return the square of `FIELD_MM` around a place, moved or cut to lie in the slice."""
    parts = []
    for place, mm, size in zip(centre, pixel_mm, shape, strict=True):
        side = min(size, round(FIELD_MM / mm))
        start = min(max(0, place - side // 2), size - side)
        parts.append(slice(start, start + side))
    return parts[0], parts[1]


def _draw(axes: Axes, hu: NDArray[np.number], called: Mask, region: Mask | None, aspect: float) -> None:
    axes.imshow(hu, cmap="gray", vmin=-160, vmax=400, interpolation="nearest", aspect=aspect)
    if called.any():
        colours = np.zeros((*called.shape, 4))
        colours[called] = (1, 0, 0, 0.6)
        axes.imshow(colours, interpolation="nearest", aspect=aspect)
    if region is not None and region.any() and not region.all():
        axes.contour(region, levels=[0.5], colors="cyan", linewidths=0.6)
