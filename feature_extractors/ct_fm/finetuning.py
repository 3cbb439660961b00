"""The plug-in `finetune_ct_fm`: CT-FM on a cube of one size, its last level, or all of it, left to be trained."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from benchmark.networks.inference import once_per_process, to_device
from benchmark.networks.weights import Weights
from feature_extractors.ct_fm import network as ct_fm_network
from feature_extractors.ct_fm.extractor import CTFMExtractor
from feature_extractors.trainable_volumes import TrainableVolumes

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


class FinetuneCTFMExtractor(TrainableVolumes, CTFMExtractor):
    """A cube about the ROI through CT-FM, of which `depth` is trained by the classifier `finetuned`."""

    decide_layers: ClassVar[tuple[str, ...]] = ("pooling",)

    cube_voxels: int = Field(
        96, ge=16, le=512, description="a cube of so many voxels a side about the middle of the region"
    )
    region: Literal["whole", "roi"] = Field("roi", description="about whose middle: the scan's, or the ROI's")

    def embed_and_cut(self, volume: NDArray[np.float32]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the 512 features, and what the last of five levels takes, (512, z/16, y/16, x/16)."""
        import torch

        network = ct_fm_network.load(self.weights, self.device, self.precision)
        taken = ct_fm_network.lower_levels(network, to_device(torch.from_numpy(volume)[None, None], network))
        last = ct_fm_network.last_level(network, taken)
        return _pooled(last.float(), self.pooling)[0], taken[0]

    def encoder_layers(self) -> torch.nn.Module:
        """Return the last level's blocks or the encoder, with the pooling."""
        return _with_pooling(copy.deepcopy(_trainable(self.weights)), self.depth == "full", self.pooling).to(
            self.device
        )


@once_per_process
def _trainable(weights: Weights) -> Any:
    return ct_fm_network.built(weights).eval()


def _with_pooling(encoder: Any, full: bool, pooling: str) -> torch.nn.Module:
    import torch

    class Layers(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder if full else encoder.layers[-1]["blocks"]

        def forward(self, cases: torch.Tensor) -> torch.Tensor:
            level = self.encoder(cases[:, None])[-1] if full else self.encoder(cases)
            return _pooled(level, pooling)

    return Layers()


def _pooled(level: torch.Tensor, pooling: str) -> torch.Tensor:
    return level.mean((2, 3, 4)) if pooling == "average" else level.amax((2, 3, 4))
