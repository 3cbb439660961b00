"""From a volume to what the network sees, slices of 512 × 512 in HU, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.networks.inference import to_device

if TYPE_CHECKING:
    import torch

SIDE = 512
"""Pixels of a side that the network was trained on."""
PADDING_HU = 0.0

Placement = Literal["corner", "centre"]


def calcium_of(
    network: torch.nn.Module, volume: NDArray[Any], placement: Placement, batch: int
) -> NDArray[np.uint8]:
    """Return where the logit is above 0 (1) in a volume (z, y, x) in HU; nothing is called outside the frame."""
    import torch

    result = np.zeros(volume.shape, np.uint8)
    (rows, framed_rows), (columns, framed_columns) = (place(size, placement) for size in volume.shape[1:])
    with torch.inference_mode():
        for start in range(0, len(volume), batch):
            slices = volume[start : start + batch, rows, columns]
            frame = np.full((len(slices), 1, SIDE, SIDE), PADDING_HU, np.float32)
            frame[:, 0, framed_rows, framed_columns] = slices
            logits = network(to_device(torch.from_numpy(frame), network))[:, 0]
            found = (logits > 0).cpu().numpy()
            result[start : start + batch, rows, columns] = found[:, framed_rows, framed_columns]
    return result


def place(size: int, placement: Placement) -> tuple[slice, slice]:
    """Return which of `size` rows or columns are seen, and which of the frame's they become."""
    shift = (SIDE - size) // 2 if size < SIDE else -((size - SIDE) // 2)
    shift = 0 if placement == "corner" else shift
    seen = min(size, SIDE)
    return slice(max(-shift, 0), max(-shift, 0) + seen), slice(max(shift, 0), max(shift, 0) + seen)
