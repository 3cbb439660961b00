"""CT-FM's encoder, fast and in bounded memory.

Architecture: MONAI's SegResEncoder (Myronenko, arXiv 1810.11654) in the configuration of CT-FM (arXiv 2501.09001).
In evaluation every layer is local: batch norms are fixed affine maps, so a voxel of level 2 depends on the scan only
within `HALO` voxels. The two highest resolutions, which need by far the most memory, can therefore be computed box by
box, each with its halo and true borders, without changing a value; the rest is one hundredth of a scan's activations.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any

from feature_extractors.checkpoint import load_strictly
from feature_extractors.inference import Device, Precision, prepare, rectify_
from feature_extractors.weights import UntrainedWeights, Weights

if TYPE_CHECKING:
    import torch

FILTERS = 32
BLOCKS_DOWN = (1, 2, 2, 4, 4)
FEATURES = FILTERS * 2 ** (len(BLOCKS_DOWN) - 1)

TILED_LEVELS = 2
STRIDE = 2**TILED_LEVELS
"""Voxels of the scan per voxel of the first level that is computed in one piece."""
HALO = 16
"""Voxels: 3 for the first convolution and block, 1 downsampling, 4 convolutions × 2, 2 downsampling = 14, in strides."""
TILE_BYTES = 2.2e9
"""What the activations of a tile may need: three of them live at once, of `FILTERS` channels each."""


@lru_cache(maxsize=4)
def load(weights: Weights, device: Device, precision: Precision) -> Any:
    """Return the encoder with `weights`, ready for `embed`; loaded once per process. Raises `UserError`."""
    import torch
    from monai.networks.nets.segresnet_ds import SegResEncoder

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.untrained if isinstance(weights, UntrainedWeights) else 0)
        network = SegResEncoder(spatial_dims=3, init_filters=FILTERS, in_channels=1, blocks_down=BLOCKS_DOWN)
    if not isinstance(weights, UntrainedWeights):
        load_strictly(network, weights.path())
    return prepare(network, device, precision)


def embed(network: Any, volume: torch.Tensor, tile_bytes: float = TILE_BYTES) -> torch.Tensor:
    """Return the last level of the encoder for `volume` (1, 1, z, y, x): (1, 512, z/16, y/16, x/16), rounded up."""
    import torch

    with torch.inference_mode():
        x = _high_resolution(network, volume.contiguous(memory_format=torch.channels_last_3d), tile_bytes)
        return _levels(network, x, range(TILED_LEVELS, len(BLOCKS_DOWN)))


def _levels(network: Any, x: torch.Tensor, levels: range) -> torch.Tensor:
    for level in levels:
        for block in network.layers[level]["blocks"]:
            x = _block(block, x)
        x = network.layers[level]["downsample"](x)
    return x


def _block(block: Any, x: torch.Tensor) -> torch.Tensor:
    """Apply a SegResBlock; its second batch norm is folded into its first convolution."""
    y = rectify_(block.conv1(rectify_(block.norm1(x))))
    return block.conv2(y).add_(x)


def _high_resolution(network: Any, volume: torch.Tensor, tile_bytes: float) -> torch.Tensor:
    """Return the input of level `TILED_LEVELS`, in one piece or box by box."""
    import torch

    def compute(box: torch.Tensor) -> torch.Tensor:
        return _levels(network, network.conv_init(box), range(TILED_LEVELS))

    edge = int((tile_bytes / (3 * FILTERS * volume.element_size())) ** (1 / 3))
    if volume.numel() <= edge**3:
        return compute(volume)
    step = max((edge - 2 * HALO) // STRIDE, 1)
    shape = [-(-side // STRIDE) for side in volume.shape[2:]]
    whole = torch.empty(
        (1, FILTERS * STRIDE, *shape),
        dtype=volume.dtype,
        device=volume.device,
        memory_format=torch.channels_last_3d,
    )
    for start in product(*(range(0, side, step) for side in shape)):
        outer = [slice(max(s * STRIDE - HALO, 0), (s + step) * STRIDE + HALO) for s in start]
        inner = [slice((s * STRIDE - o.start) // STRIDE, None) for s, o in zip(start, outer, strict=True)]
        target = whole[(..., *(slice(s, s + step) for s in start))]
        target.copy_(
            compute(volume[(..., *outer)])[(..., *inner)][tuple(slice(side) for side in target.shape)]
        )
    return whole
