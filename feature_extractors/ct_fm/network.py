"""CT-FM's encoder, fast and in bounded memory.

Architecture: MONAI's SegResEncoder (Myronenko, arXiv 1810.11654) in the configuration of CT-FM (arXiv
2501.09001). In evaluation every layer is local: batch norms are fixed affine maps, so a voxel of level 2
depends on the scan only within `HALO` voxels. The two highest resolutions, which need by far the most memory,
can therefore be computed box by box, each with its halo and the scan's own borders, without changing a value;
what follows needs a sixteenth of that.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from benchmark.networks.checkpoint import load_strictly
from benchmark.networks.inference import Device, Precision, once_per_process, prepare, rectify_
from benchmark.networks.weights import UntrainedWeights, Weights

if TYPE_CHECKING:
    import torch

FILTERS = 32
BLOCKS_DOWN = (1, 2, 2, 4, 4)
FEATURES = FILTERS * 2 ** (len(BLOCKS_DOWN) - 1)
LAST_LEVEL = len(BLOCKS_DOWN) - 1

TILED_LEVELS = 2
STRIDE = 2**TILED_LEVELS
"""Voxels of the scan per voxel of the first level that is computed in one piece."""
HALO = 16
"""Voxels: first convolution and block 3, downsampling 1, four convolutions 4 × 2, downsampling 2: 14."""
TILE_BYTES = 2.2e9
"""What the activations of a tile may need: three of them live at once, of `FILTERS` channels each."""


@once_per_process
def load(weights: Weights, device: Device, precision: Precision) -> Any:
    """Return the encoder with `weights`, ready for `embed`; loaded once per process. Raises `UserError`."""
    return prepare(built(weights), device, precision)


def built(weights: Weights) -> Any:
    """Return the encoder with `weights` as MONAI builds it, in float32. Raises `UserError` for other weights."""
    import torch
    from monai.networks.nets.segresnet_ds import SegResEncoder

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.untrained if isinstance(weights, UntrainedWeights) else 0)
        network = SegResEncoder(spatial_dims=3, init_filters=FILTERS, in_channels=1, blocks_down=BLOCKS_DOWN)
    if not isinstance(weights, UntrainedWeights):
        load_strictly(network, weights.path())
    return network


def embed(network: Any, volume: torch.Tensor, tile_bytes: float = TILE_BYTES) -> torch.Tensor:
    """Return the encoder's last level for `volume` (1, 1, z, y, x), as (1, 512, z/16, y/16, x/16).

    The sides may be any number of voxels; divided, they are rounded up.
    """
    return last_level(network, lower_levels(network, volume, tile_bytes))


def lower_levels(network: Any, volume: torch.Tensor, tile_bytes: float = TILE_BYTES) -> torch.Tensor:
    """Return what the last level takes, of the shape that it returns."""
    import torch

    edge = int((tile_bytes / (3 * FILTERS * volume.element_size())) ** (1 / 3))
    with torch.inference_mode():
        volume = volume.to(memory_format=torch.channels_last_3d)
        fits = volume.numel() <= edge**3
        x = _high_resolution(network, volume) if fits else _high_resolution_tiled(network, volume, edge)
        return _levels(network, x, range(TILED_LEVELS, LAST_LEVEL))


def last_level(network: Any, x: torch.Tensor) -> torch.Tensor:
    """Return what the last level makes of what `lower_levels` returned; that is left as it is."""
    import torch

    with torch.inference_mode():
        return _levels(network, x, range(LAST_LEVEL, LAST_LEVEL + 1))


def _levels(network: Any, x: torch.Tensor, levels: range) -> torch.Tensor:
    for level in levels:
        for block in network.layers[level]["blocks"]:
            x = _block(block, x)
        x = network.layers[level]["downsample"](x)
    return x


def _block(block: Any, x: torch.Tensor) -> torch.Tensor:
    """Apply a SegResBlock; its second batch norm is folded into its first convolution."""
    y = rectify_(block.conv1(rectify_(block.norm1(x))))
    summed: torch.Tensor = block.conv2(y).add_(x)
    return summed


def _high_resolution(network: Any, volume: torch.Tensor) -> torch.Tensor:
    return _levels(network, network.conv_init(volume), range(TILED_LEVELS))


def _high_resolution_tiled(network: Any, volume: torch.Tensor, edge: int) -> torch.Tensor:
    """Compute `_high_resolution` in boxes of `edge` voxels a side, halo included."""
    import torch

    sides = [-(-side // STRIDE) for side in volume.shape[2:]]
    whole = volume.new_empty((1, FILTERS * STRIDE, *sides)).to(memory_format=torch.channels_last_3d)
    step = max((edge - 2 * HALO) // STRIDE, 1)
    for corner in product(*(range(0, side, step) for side in sides)):
        first = [max(at * STRIDE - HALO, 0) for at in corner]
        z, y, x = (slice(f, (at + step) * STRIDE + HALO) for f, at in zip(first, corner, strict=True))
        box = _high_resolution(network, volume[:, :, z, y, x])
        z, y, x = (
            slice(at - f // STRIDE, at - f // STRIDE + step) for f, at in zip(first, corner, strict=True)
        )
        core = box[:, :, z, y, x]
        z, y, x = (slice(at, at + side) for at, side in zip(corner, core.shape[2:], strict=True))
        whole[:, :, z, y, x] = core
    return whole
