"""A ResNet-152 inflated to three dimensions, as Merlin's image encoder is built, loaded strictly.

Carreira and Zisserman, *Quo Vadis, Action Recognition?*, arXiv 1705.07750, inflated a 2-D network first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark.networks.checkpoint import load_strictly
from benchmark.networks.inference import Device, Precision, once_per_process, prepare, to_device
from benchmark.networks.weights import UntrainedWeights, Weights

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

BLOCKS = (3, 8, 36, 3)
WIDTHS = (64, 128, 256, 512)
"""Of each stage: its blocks, and the channels inside them."""
MERLIN = "encode_image.i3_resnet."
"""What the names in Merlin's own file begin with; Astra's are without."""
_LEFT_OVER = tuple(MERLIN + head for head in ("classifier.", "contrastive_head."))
_BESIDE = ("encode_text.", "logit_scale")
"""Merlin's file also holds the encoder of reports."""


@once_per_process
def load(weights: Weights, device: Device, precision: Precision) -> Any:
    """Return the network ready for `embed`; loaded once per process. Raises `UserError` for other weights."""
    return prepare(built(weights), device, precision)


def built(weights: Weights) -> Any:
    """Return the network with `weights` as MONAI builds it, in float32. Raises `UserError` for other weights."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.untrained if isinstance(weights, UntrainedWeights) else 0)
        network = _inflated()
    if not isinstance(weights, UntrainedWeights):
        load_strictly(
            network, weights.path(), lambda name: name.removeprefix(MERLIN), (*_LEFT_OVER, *_BESIDE)
        )
    return network


def _inflated() -> torch.nn.Module:
    """Return MONAI's ResNet with the first convolution flat along z, as an inflated one has it."""
    from monai.networks.nets.resnet import ResNet

    network: torch.nn.Module = ResNet(
        block="bottleneck",
        layers=list(BLOCKS),
        block_inplanes=list(WIDTHS),
        spatial_dims=3,
        n_input_channels=3,
        conv1_t_size=(3, 7, 7),
        conv1_t_stride=(1, 2, 2),
        shortcut_type="B",
        feed_forward=False,
        bias_downsample=False,
    )
    return network


def embed(network: Any, volume: NDArray[np.float32]) -> torch.Tensor:
    """Return the 2048 features of a volume (z, y, x), 0…1, whose axes run to superior, anterior, right.

    The network was trained on (z, x, y): there x comes before y.
    """
    import torch

    seen = channels(torch.from_numpy(volume)[None]).contiguous(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        features: torch.Tensor = network(to_device(seen, network))[0]
    return features


def channels(volumes: torch.Tensor) -> torch.Tensor:
    """Return volumes (n, z, y, x) as the network takes them, (n, 3, z, x, y)."""
    return volumes.transpose(2, 3)[:, None].expand(-1, 3, -1, -1, -1)
