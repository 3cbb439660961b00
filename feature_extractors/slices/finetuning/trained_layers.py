"""The layers that are trained, with the pooling above them: from a case's activations at the cut to its features."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Literal

from feature_extractors.slices.finetuning.parting import last_stage
from feature_extractors.slices.network import Loaded, Pixels, normalised, pooled

if TYPE_CHECKING:
    import torch

Depth = Literal["head", "last_stage", "full"]
Pooling = Literal["mean", "max", "top_k"]


def encoder_layers(depth: Depth, loaded: Loaded, pixels: Pixels) -> torch.nn.Module:
    """Return the layers above the cut, (n, …) to (n, features), ready to be trained. Raises `UserError`.

    ``head``: none, ``last_stage``: what `embed_and_cut` cuts off, ``full``: all, from grey values 0…255.
    """
    import torch

    class Layers(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = copy.deepcopy(last_stage(loaded) if depth == "last_stage" else loaded.network)

        def forward(self, planes: torch.Tensor) -> torch.Tensor:
            shown = normalised(loaded.encoder, planes / 255) if depth == "full" else planes
            return pooled(self.network, self.network.forward_features(shown), pixels)

    return torch.nn.Identity() if depth == "head" else Layers().requires_grad_(True)


def pooled_over_planes(layers: torch.nn.Module, pooling: Pooling, top_k: int) -> torch.nn.Module:
    """Return `layers` for whole cases: from (cases, planes, …) to (cases, features)."""
    import torch

    class Cases(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, cases: torch.Tensor) -> torch.Tensor:
            features: torch.Tensor = self.layers(cases.flatten(0, 1)).unflatten(0, cases.shape[:2])
            if pooling == "top_k":
                features = features.topk(min(top_k, features.shape[1]), dim=1).values
            return features.amax(1) if pooling == "max" else features.mean(1)

    return Cases()
