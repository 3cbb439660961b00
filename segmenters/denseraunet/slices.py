"""From a scan to what the network sees: axial slices on the network's pixel, k of them, in windows of HU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import CaseError
from segmenters.denseraunet.plan import Input

if TYPE_CHECKING:
    import SimpleITK as sitk


def axial(image: sitk.Image) -> sitk.Image:
    """Return `image` with x, y, z to left, posterior, superior."""
    import SimpleITK as sitk

    return sitk.DICOMOrient(image, "LPS")


def on_network_pixels(image: sitk.Image, network_input: Input, *, label: bool = False) -> sitk.Image:
    """Return an axial image or label image on the network's pixel in the plane, the slices as they are."""
    from benchmark.images.geometry import resample

    x, y, z = image.GetSpacing()
    if (
        abs(x - network_input.pixel_mm) < 1e-3 * network_input.pixel_mm
        and abs(y - network_input.pixel_mm) < 1e-3 * network_input.pixel_mm
    ):
        return image
    return resample(image, (network_input.pixel_mm, network_input.pixel_mm, z), linear=not label)


def refuse_too_few(slices: int, network_input: Input) -> None:
    """Raise `CaseError` if a scan has fewer slices than the network looks at."""
    if slices < network_input.slices:
        raise CaseError(
            f"the scan has {slices} slices, but the network looks at {network_input.slices} at once: "
            f"leave the scan out, or train with `input: {{slices: {max(1, slices - 1 + slices % 2)}}}`"
        )


def windowed(volume: NDArray[Any], network_input: Input, shift_hu: float = 0.0) -> NDArray[np.float32]:
    """Return a volume (z, y, x) in HU in each window, (windows, z, y, x), each 0…1; `shift_hu` is added first."""
    hu = volume.astype(np.float32)
    scaled = [
        (hu + np.float32(shift_hu - low)) / np.float32(high - low) for low, high in network_input.windows_hu
    ]
    return np.clip(np.stack(scaled), 0, 1)


def channels(
    volume: NDArray[Any], windows: NDArray[np.float32], network_input: Input, centres: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return what the network sees around some slices of a volume, (centres, channels, y, x).

    `windows` is `windowed(volume)`. Beyond the scan's ends its last slice is repeated. The candidate channel, of
    the middle slice alone, knows no shift.
    """
    half = network_input.slices // 2
    around = np.clip(centres[:, None] + np.arange(-half, half + 1), 0, len(volume) - 1)
    stacks = windows[:, around].swapaxes(0, 1).reshape(len(centres), -1, *volume.shape[1:])
    if network_input.candidate_hu is None:
        return np.ascontiguousarray(stacks)
    candidates = (volume[centres] >= network_input.candidate_hu).astype(np.float32)
    return np.concatenate([stacks, candidates[:, None]], axis=1)
