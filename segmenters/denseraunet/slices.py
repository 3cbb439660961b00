"""From a scan to what the network sees: axial slices on the network's pixel, k of them, in windows of HU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.errors import CaseError
from segmenters.denseraunet.plan import Input

if TYPE_CHECKING:
    import SimpleITK as sitk
    import torch


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


def windowed(volume: torch.Tensor, network_input: Input, shift_hu: float = 0.0) -> torch.Tensor:
    """Return a volume (z, y, x) in HU in each window, (windows, z, y, x), each 0…1; `shift_hu` is added first."""
    import torch

    hu = volume.float()
    scaled = [hu.add(shift_hu - low).div_(high - low).clamp_(0, 1) for low, high in network_input.windows_hu]
    return torch.stack(scaled)


def channels(
    volume: torch.Tensor, windows: torch.Tensor, network_input: Input, centres: Sequence[int]
) -> torch.Tensor:
    """Return what the network sees around some slices of a volume, (centres, channels, y, x), as `windows` is.

    `windows` is `windowed(volume)`, of any type. Beyond the scan's ends its last slice is repeated. The candidate
    channel, of the middle slice alone, knows no shift.
    """
    import torch

    half = network_input.slices // 2
    middle = torch.as_tensor(centres, device=volume.device)
    around = (middle[:, None] + torch.arange(-half, half + 1, device=volume.device)).clamp(0, len(volume) - 1)
    stacks = windows[:, around].swapaxes(0, 1).flatten(1, 2)
    if network_input.candidate_hu is None:
        return stacks
    candidates = (volume[middle] >= network_input.candidate_hu).to(windows.dtype)
    return torch.cat([stacks, candidates[:, None]], dim=1)
