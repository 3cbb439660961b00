"""The encoders of MedicalNet and VISTA3D as MONAI builds them, loaded strictly.

Chen et al., *Med3D*, arXiv 1904.00625; He et al., *VISTA3D*, arXiv 2406.05285. MedicalNet's own ResNet strides the
first convolution and dilates the last two levels where MONAI's strides them; the tensors are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from benchmark.networks.checkpoint import load_strictly
from benchmark.networks.inference import Device, Precision, once_per_process, prepare, to_device
from benchmark.networks.weights import UntrainedWeights, Weights

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

Encoder = Literal["medicalnet_18", "medicalnet_50", "vista3d"]

_VISTA3D = "image_encoder.encoder."
_BESIDE = ("image_encoder.up_layers", "class_head.", "point_head.")
"""What else VISTA3D's file holds: the decoder and the heads."""


@once_per_process
def load(encoder: Encoder, weights: Weights, device: Device, precision: Precision) -> Any:
    """Return the network ready for `embed`; loaded once per process. Raises `UserError` for other weights."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.untrained if isinstance(weights, UntrainedWeights) else 0)
        network = _vista3d() if encoder == "vista3d" else _medicalnet(encoder)
    if not isinstance(weights, UntrainedWeights):
        load_strictly(network, weights.path(), _renamed, _BESIDE)
    return prepare(network, device, precision)


def _renamed(name: str) -> str:
    return name.removeprefix("module.").removeprefix(_VISTA3D)


def _medicalnet(encoder: Encoder) -> torch.nn.Module:
    from monai.networks.nets.resnet import ResNet

    deep = encoder == "medicalnet_50"
    network: torch.nn.Module = ResNet(
        block="bottleneck" if deep else "basic",
        layers=[3, 4, 6, 3] if deep else [2, 2, 2, 2],
        block_inplanes=[64, 128, 256, 512],
        spatial_dims=3,
        n_input_channels=1,
        shortcut_type="B" if deep else "A",
        bias_downsample=not deep,
        feed_forward=False,
    )
    return network


def _vista3d() -> torch.nn.Module:
    from monai.networks.nets.segresnet_ds import SegResEncoder

    network: torch.nn.Module = SegResEncoder(
        spatial_dims=3, init_filters=48, in_channels=1, blocks_down=(1, 2, 2, 4, 4), norm="instance"
    )
    return network


def embed(network: Any, volume: NDArray[Any]) -> NDArray[Any]:
    """Return the features of a volume, its axes as the network was trained: its last level, averaged."""
    import torch

    with torch.inference_mode():
        last = network(to_device(torch.from_numpy(volume)[None, None], network))
        level = last[-1].mean((2, 3, 4)) if isinstance(last, (list, tuple)) else last
    features: NDArray[Any] = level[0].double().cpu().numpy()
    return features
