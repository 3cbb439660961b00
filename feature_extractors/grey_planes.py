"""Planes through a 2-D network, a few at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def in_batches(
    embed: Callable[[torch.Tensor], torch.Tensor], planes: torch.Tensor, network: Any, batch: int | None
) -> torch.Tensor:
    """Return what `embed` makes of `planes` (n, 1, y, x), `batch` of them at a time: (n, features).

    `batch` none: 8 where `network` is on a processor, 64 on a GPU.
    """
    import torch

    on_gpu = next(network.parameters()).device.type == "cuda"
    with torch.inference_mode():
        return torch.cat([embed(part) for part in torch.split(planes, batch or (64 if on_gpu else 8))])
