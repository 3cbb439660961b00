"""A network over a whole volume: batches of slices, each slice in one window or, if large, in overlapping ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from segmenters.denseraunet.plan import Input
from segmenters.denseraunet.slices import channels, windowed

if TYPE_CHECKING:
    import torch

    from segmenters.denseraunet.network import DenseRAUnetModule

OVERLAP = 0.25
ON_A_GPU, BYTES_ON_A_PROCESSOR = 64, 8
"""Slices in a batch; on a processor times the bytes of a number: of float32 two take a tenth less time than four."""


def batch_for(network: torch.nn.Module, batch: int | None) -> int:
    """Return how many slices are looked at together; none: as device and precision like it."""
    like = next(network.parameters())
    return batch or (ON_A_GPU if like.device.type == "cuda" else BYTES_ON_A_PROCESSOR // like.element_size())


def seen(
    network: torch.nn.Module, volume: NDArray[Any], network_input: Input, batch: int
) -> Iterator[torch.Tensor]:
    """Yield what the network sees of a volume in HU, (slices, channels, y, x) a batch, where and as its weights are.

    The scan goes to a GPU once, as it is: made by the processor, its windows and channels kept the GPU waiting most of
    the time (docs/denseraunet.md, Speed).
    """
    import torch

    like = next(network.parameters())
    hu = torch.from_numpy(volume).to(like.device)
    windows = windowed(hu, network_input).to(like.dtype)
    for start in range(0, len(hu), batch):
        centres = range(start, min(start + batch, len(hu)))
        yield channels(hu, windows, network_input, centres).contiguous(memory_format=torch.channels_last)


def padded(sides: Sequence[int], divisor: int) -> list[int]:
    """Return the next multiples of `divisor`."""
    return [-(-side // divisor) * divisor for side in sides]


def predict(
    network: torch.nn.Module,
    volume: NDArray[Any],
    network_input: Input,
    *,
    divisor: int,
    batch: int | None = None,
    window: int = 256,
    narrowest: list[torch.Tensor] | None = None,
) -> NDArray[np.float32]:
    """Return the probability of coronary calcium, (z, y, x), of a volume in HU on the network's pixel.

    Slices larger than `window` are covered by windows that overlap by a quarter, blended by MONAI's inferer with
    Gaussian weights; smaller ones are padded to the next multiple of `divisor`. To `narrowest` is added what the
    narrowest level of DenseRAUnet makes of each window.
    """
    import torch

    def passed(x: torch.Tensor) -> torch.Tensor:
        if narrowest is None:
            logits: torch.Tensor = network(x)
            return logits
        dense_rau_net = cast("DenseRAUnetModule", network)
        deepest, skips = dense_rau_net.encode(x)
        narrowest.append(deepest)
        return dense_rau_net.decode(x, deepest, skips)

    batch = batch_for(network, batch)
    look = _over_whole_slices(passed, padded(volume.shape[1:], divisor), window, batch)
    with torch.inference_mode():
        logits = [look(x)[:, 0] for x in seen(network, volume, network_input, batch)]
        probability: NDArray[np.float32] = torch.cat(logits).float().sigmoid().cpu().numpy()
    return probability


def _over_whole_slices(
    network: Callable[[torch.Tensor], torch.Tensor], sides: list[int], window: int, batch: int
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what passes slices, at most `sides` large, through a network that sees `window` at once."""
    from torch.nn.functional import pad

    if max(sides) > window:
        from monai.inferers import SlidingWindowInferer

        infer = SlidingWindowInferer(
            [min(window, side) for side in sides], sw_batch_size=batch, overlap=OVERLAP, mode="gaussian"
        )
        return lambda slices: cast("torch.Tensor", infer(slices, network))

    # The inferer would take a sixth longer, for it weighs the only window there is.
    def in_one_window(slices: torch.Tensor) -> torch.Tensor:
        rows, columns = slices.shape[2:]
        above, before = (sides[0] - rows) // 2, (sides[1] - columns) // 2
        framed = pad(slices, (before, sides[1] - columns - before, above, sides[0] - rows - above))
        return network(framed)[..., above : above + rows, before : before + columns]

    return in_one_window
