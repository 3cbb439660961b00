"""The plug-in `finetune_i3resnet`: Merlin's or Astra's encoder, its last stage, or all of it, left to be trained."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from benchmark.networks.inference import once_per_process
from benchmark.networks.weights import Weights
from feature_extractors.i3resnet import network as i3resnet
from feature_extractors.i3resnet.extractor import I3ResNetExtractor
from feature_extractors.trainable_volumes import TrainableVolumes

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


class FinetuneI3ResNetExtractor(TrainableVolumes, I3ResNetExtractor):
    """Merlin's or Astra's 3-D ResNet-152, of which `depth` is trained by the classifier `finetuned`."""

    def embed_and_cut(self, volume: NDArray[np.float32]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the 2048 features, and what the last of four stages takes, (1024, z/8, x/16, y/16)."""
        network = i3resnet.load(self.weights, self.device, self.precision)
        taken: list[torch.Tensor] = []
        hook = network.layer3.register_forward_hook(lambda _module, _given, result: taken.append(result))
        try:
            return i3resnet.embed(network, volume), taken[0][0]
        finally:
            hook.remove()

    def encoder_layers(self) -> torch.nn.Module:
        """Return the last stage or the encoder, with its pooling."""
        return _layers(copy.deepcopy(_trainable(self.weights)), self.depth == "full").to(self.device)


@once_per_process
def _trainable(weights: Weights) -> Any:
    return i3resnet.built(weights).eval()


def _layers(encoder: Any, full: bool) -> torch.nn.Module:
    import torch

    class Layers(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder if full else encoder.layer4

        def forward(self, cases: torch.Tensor) -> torch.Tensor:
            if full:
                features: torch.Tensor = self.encoder(i3resnet.channels(cases))
                return features
            level: torch.Tensor = self.encoder(cases)
            return level.mean((2, 3, 4))

    return Layers()
