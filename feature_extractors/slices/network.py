"""An encoder as timm builds it: loaded strictly, on the side asked for, its activations pooled over the plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from benchmark.errors import UserError
from benchmark.networks.checkpoint import load_strictly
from benchmark.networks.inference import Device, Precision, once_per_process, prepare_as_built, to_device
from benchmark.networks.torchvision_repair import import_timm
from benchmark.networks.weights import UntrainedWeights, Weights
from feature_extractors.grey_planes import in_batches
from feature_extractors.slices.encoders import find
from feature_extractors.slices.presets import Encoder

if TYPE_CHECKING:
    import torch

Pixels = Literal["own", "cls", "mean", "max"]


@dataclass(frozen=True)
class Loaded:
    """An encoder ready for `embed`."""

    encoder: Encoder
    network: Any
    side: int


@once_per_process
def load(
    name: str, weights: Weights, side: int | None, pixels: Pixels, device: Device, precision: Precision
) -> Loaded:
    """Return an encoder of that name, tried on one black plane; loaded once per process.

    `side` none: the encoder's own. Raises `UserError` where weights, side or pooling do not fit the encoder.
    """
    import torch

    encoder = find(name, weights)
    network = _built(name, encoder, weights)
    if not isinstance(weights, UntrainedWeights):
        load_strictly(network, weights.path(), encoder.rename, encoder.head)
    side = side or encoder.side
    try:
        _take(network, side, encoder)
        loaded = Loaded(encoder, prepare_as_built(network, device, precision), side)
        embed(loaded, torch.zeros(1, 1, side, side), pixels)
    except (AssertionError, RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"encoder {name!r} does not take planes of {side} × {side} pixels with `pixels: {pixels}` ({reason:.120}): "
            f"leave `input_size` out, which is {encoder.side} then, or `pixels`"
        ) from None
    return loaded


def _take(network: Any, side: int, encoder: Encoder) -> None:
    """Make a network take planes of another side than its own, where it must be told. Raises `ValueError`."""
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", (1,))[0]
    if side % patch:
        raise ValueError(f"its patches are {patch} pixels wide")
    if side != encoder.side and hasattr(network, "set_input_size"):
        network.set_input_size(img_size=(side, side))


def _built(name: str, encoder: Encoder, weights: Weights) -> Any:
    import torch

    timm = import_timm()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.untrained if isinstance(weights, UntrainedWeights) else 0)
        try:
            return timm.create_model(
                encoder.architecture, pretrained=False, num_classes=0, **dict(encoder.arguments)
            )
        except (TypeError, ValueError, RuntimeError, AssertionError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(
                f"encoder {name!r}: timm does not build it ({reason:.120}): name another"
            ) from None


def embed(
    loaded: Loaded, planes: torch.Tensor, pixels: Pixels = "own", batch: int | None = None
) -> torch.Tensor:
    """Return (n, features) of `planes` (n, 1, side, side), grey values 0…1, `batch` of them at a time."""
    network = loaded.network

    def embedded(grey: torch.Tensor) -> torch.Tensor:
        return _pooled(network, to_device(normalised(loaded.encoder, grey), network), pixels)

    return in_batches(embedded, planes, network, batch)


def normalised(encoder: Encoder, grey: torch.Tensor) -> torch.Tensor:
    """Return planes (n, 1, side, side) of grey values 0…1 as the encoder's channels, channels last."""
    import torch

    mean, deviation = (
        torch.tensor(values, device=grey.device)[:, None, None]
        for values in (encoder.mean, encoder.deviation)
    )
    return ((grey - mean) / deviation).contiguous(memory_format=torch.channels_last)


def _pooled(network: Any, planes: torch.Tensor, pixels: Pixels) -> torch.Tensor:
    return pooled(network, network.forward_features(planes), pixels)


def pooled(network: Any, features: torch.Tensor, pixels: Pixels) -> torch.Tensor:
    """Return the activations pooled over the plane's positions; `own` is how the encoder was trained to pool."""
    if pixels == "own":
        own: torch.Tensor = network.forward_head(features, pre_logits=True)
        return own
    if features.ndim == 3:
        prefix = network.num_prefix_tokens
    else:
        prefix = 0
        last = getattr(network, "output_fmt", "NCHW") == "NHWC"
        features = features.flatten(1, 2) if last else features.flatten(2).transpose(1, 2)
    if pixels == "cls":
        if not prefix:
            raise ValueError("it has no class token")
        return features[:, 0]
    positions = features[:, prefix:]
    return positions.mean(1) if pixels == "mean" else positions.amax(1)
