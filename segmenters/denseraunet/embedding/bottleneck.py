"""The activations of the network's narrowest level, where it sees the most of a slice around each place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.networks.inference import Device, Precision, prepare, to_device
from segmenters.denseraunet.plan import DenseRAUnet, Input
from segmenters.denseraunet.slices import channels, windowed
from segmenters.denseraunet.weights_file import LESION_CHECK, read_header

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Encoder:
    """The network up to its narrowest level, what it sees, and how many pixels side by side become one place."""

    module: Any
    input: Input
    stride: int

    def __call__(self, slices: torch.Tensor) -> torch.Tensor:
        """Return (batch, features, y / stride, x / stride) of (batch, channels, y, x)."""
        import torch

        module = self.module
        x: torch.Tensor = module.encoder[0](module.stem(module.unshuffle(slices)))
        for down, block in zip(module.down, module.encoder[1:], strict=True):
            x = block(down(torch.nn.functional.max_pool2d(x, 2)))
        deepest: torch.Tensor = module.atrous(x)
        return deepest


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
    return Encoder(prepare(module, device, precision), header.input, header.network.divisor)


def activations(
    encoder: Encoder, volume: NDArray[Any], where: NDArray[np.bool_], batch: int
) -> NDArray[np.float32]:
    """Return the activations (places, features) at all places that hold a pixel of `where`.

    `volume` in HU and `where`, which must hold a pixel, are (z, y, x) on the network's pixel.
    """
    import torch

    windows = windowed(volume, encoder.input)
    touched = np.flatnonzero(where.any(axis=(1, 2)))
    found = []
    with torch.inference_mode():
        for centres in np.split(touched, range(batch, len(touched), batch)):
            seen = _padded(channels(volume, windows, encoder.input, centres), encoder.stride)
            x = to_device(seen.contiguous(memory_format=torch.channels_last), encoder.module)
            held = _padded(where[centres, None].astype(np.float32), encoder.stride)
            places = torch.nn.functional.max_pool2d(held, encoder.stride)[:, 0] > 0
            found.append(encoder(x).float().cpu().permute(0, 2, 3, 1)[places].numpy())
    return np.concatenate(found)


def _padded(slices: NDArray[np.float32], stride: int) -> torch.Tensor:
    """Return (batch, channels, y, x) with black below and to the right, its sides divisible by the stride."""
    import torch

    below, right = (-side % stride for side in slices.shape[2:])
    return torch.nn.functional.pad(torch.from_numpy(slices), (0, right, 0, below))
