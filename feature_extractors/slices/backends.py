"""What computes a frozen encoder: torch with batch norms folded, or ONNX Runtime; the same numbers but for rounding."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from benchmark.errors import UserError
from benchmark.networks.inference import once_per_process, to_device
from feature_extractors.grey_planes import in_batches
from feature_extractors.slices.network import Loaded, Pixels, normalised, pooled

if TYPE_CHECKING:
    import torch

Backend = Literal["torch", "onnxruntime"]
SAME = 1e-4
"""How far a folded network's features may lie from those of the one as built, of the largest."""


def embed_by(
    backend: Backend, loaded: Loaded, planes: torch.Tensor, pixels: Pixels, batch: int | None = None
) -> torch.Tensor:
    """Return what `embed` returns but for rounding.

    For ONNX Runtime `loaded` must be on a processor in float32. Raises `UserError` for an encoder it does not take.
    """
    embedding = (_by_torch if backend == "torch" else _by_onnx_runtime)(loaded, pixels)
    return in_batches(lambda grey: embedding(normalised(loaded.encoder, grey)), planes, loaded.network, batch)


@once_per_process
def _by_torch(loaded: Loaded, pixels: Pixels) -> Callable[[torch.Tensor], torch.Tensor]:
    embedding = _embedding(_folded(loaded), pixels)
    return lambda shown: embedding(to_device(shown, loaded.network))


@once_per_process
def _by_onnx_runtime(loaded: Loaded, pixels: Pixels) -> Callable[[torch.Tensor], torch.Tensor]:
    from benchmark.networks.onnx_runtime import run_by_onnx_runtime

    try:
        return run_by_onnx_runtime(_embedding(loaded.network, pixels), _two_planes(loaded))
    except Exception as error:  # torch and ONNX Runtime raise many kinds where a layer has no counterpart
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"encoder {loaded.encoder.architecture!r} cannot be had of ONNX Runtime ({reason:.120}): "
            "leave out `backend: onnxruntime`"
        ) from None


def _embedding(network: Any, pixels: Pixels) -> torch.nn.Module:
    """Return the network with its pooling: (n, channels, side, side) to (n, features)."""
    import torch

    class Embedding(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, shown: torch.Tensor) -> torch.Tensor:
            return pooled(self.network, self.network.forward_features(shown), pixels)

    return Embedding().eval()  # a graph's writer would put the network back into whatever mode this is in


def _folded(loaded: Loaded) -> Any:
    """Return a copy of the network without batch norms where that leaves its features what they are, else itself.

    In float32 alone: folded in fewer bits, weights would be rounded once more.
    """
    import torch

    from benchmark.networks.folding import fold_met_batch_norms

    network = loaded.network
    normed = any(isinstance(layer, torch.nn.BatchNorm2d) for layer in network.modules())
    if not normed or next(network.parameters()).dtype != torch.float32:
        return network
    folded, shown = copy.deepcopy(network), to_device(_two_planes(loaded), network)
    with torch.inference_mode():
        fold_met_batch_norms(folded, shown)
        expected, found = (each.forward_features(shown) for each in (network, folded))
    return folded if (found - expected).abs().max() <= SAME * expected.abs().max() else network


def _two_planes(loaded: Loaded) -> torch.Tensor:
    """Return two planes as the encoder takes them, neither of one grey."""
    import torch

    grey = torch.linspace(0, 1, 2 * loaded.side**2).reshape(2, 1, loaded.side, loaded.side)
    return normalised(loaded.encoder, grey)
