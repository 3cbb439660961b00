"""The activations of the network's narrowest level, where it sees the most of a slice around each place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.networks.inference import Device, Precision, prepare
from segmenters.denseraunet.embedding.kept import keep, kept, key_of
from segmenters.denseraunet.plan import DenseRAUnet, Input
from segmenters.denseraunet.prediction import batch_for, seen
from segmenters.denseraunet.weights_file import LESION_CHECK, read_header

if TYPE_CHECKING:
    import torch

    from segmenters.denseraunet.network import DenseRAUnetModule


@dataclass(frozen=True)
class Encoder:
    """The network, what it sees, and how many pixels side by side become one place of its narrowest level."""

    module: DenseRAUnetModule
    input: Input
    stride: int
    made_by: tuple[object, ...]
    """What of file, device and precision decides its numbers."""


@cache
def load(path: Path, digest: str, device: Device, precision: Precision) -> Encoder:
    """Return the encoder of a weights file, built as the file says; once per process and content.

    Raises `UserError` for a file that does not hold DenseRAUnet whole.
    """
    from benchmark.networks.checkpoint import load_strictly
    from segmenters.denseraunet.network import build_network

    header = read_header(path)
    if not isinstance(header.network, DenseRAUnet):
        raise UserError(
            f"{path}: holds `{header.network.use}`, not `denseraunet`: name weights of that network"
        )
    module = build_network(header.network, header.input)
    load_strictly(module, path, classifier_head=(LESION_CHECK,))
    prepared = cast("DenseRAUnetModule", prepare(module, device, precision))
    return Encoder(prepared, header.input, header.network.divisor, (digest, device, precision))


def activations(
    encoder: Encoder, volume: NDArray[Any], where: NDArray[np.bool_], batch: int | None
) -> NDArray[np.float32]:
    """Return the activations (places, features) at all places that hold a pixel of `where`.

    `volume` in HU and `where`, which must hold a pixel, are (z, y, x) on the network's pixel. What the segmenter passed
    on its way through the same volume is taken from there.
    """
    import torch

    key = key_of(volume, *encoder.made_by, batch)
    if (deepest := kept(key)) is None:
        deepest = keep(key, _encoded(encoder, volume, batch))
    held = _padded(torch.from_numpy(where[:, None].astype(np.float32)), encoder.stride)
    places = torch.nn.functional.max_pool2d(held, encoder.stride)[:, 0] > 0
    return deepest.float().cpu().permute(0, 2, 3, 1)[places].numpy()


def _encoded(encoder: Encoder, volume: NDArray[Any], batch: int | None) -> list[torch.Tensor]:
    """Return what the narrowest level makes of each batch of slices, (slices, features, y / stride, x / stride)."""
    import torch

    module, batch = encoder.module, batch_for(encoder.module, batch)
    with torch.inference_mode():
        slices = seen(module, volume, encoder.input, batch)
        return [module.encode(_padded(x, encoder.stride))[0] for x in slices]


def _padded(slices: torch.Tensor, stride: int) -> torch.Tensor:
    """Return (batch, channels, y, x) with zeros on all sides, which it makes divisible by the stride, as MONAI does."""
    import torch

    more = [-side % stride for side in slices.shape[:1:-1]]
    return torch.nn.functional.pad(slices, [part for each in more for part in (each // 2, each - each // 2)])
