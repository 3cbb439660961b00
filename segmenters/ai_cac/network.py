"""The published network: MONAI's SwinUNETR in two dimensions, as `torch.nn.DataParallel` saved it.

SwinUNETR: Hatamizadeh et al., arXiv 2201.01266. AI-CAC was made with MONAI 1.4, whose constructor still asked for
`img_size`; tensors, shapes and output are the same without it (tests/segmenters/ai_cac/test_network.py).
"""

from __future__ import annotations

from pathlib import Path

import torch
from monai.networks.nets import SwinUNETR
from torch import nn

from benchmark.networks.checkpoint import load_strictly
from benchmark.networks.inference import Device, Precision, once_per_process, prepare

ENTRY = "model_state_dict"
"""Under what the checkpoint holds the tensors, beside those of the optimiser."""


class AICAC(nn.Module):
    """SwinUNETR under the name ``module``, so that its tensors are called as they are in the file."""

    def __init__(self, feature_size: int) -> None:
        super().__init__()
        self.module = SwinUNETR(
            spatial_dims=2, in_channels=1, out_channels=1, feature_size=feature_size, drop_rate=0.2
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (slices, 1, y, x) of slices in HU (slices, 1, y, x), sides divisible by 32."""
        logits: torch.Tensor = self.module(x)
        return logits


@once_per_process
def load(path: Path, digest: str, feature_size: int, device: Device, precision: Precision) -> AICAC:
    """Return the network with the file's weights, once per process and content. Raises `UserError`."""
    network = AICAC(feature_size)
    load_strictly(network, path, entry=ENTRY)
    prepare(network, device, precision)
    return network
