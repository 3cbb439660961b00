"""RadImageNet's backbones: timm's architectures under the names of the published files."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from benchmark.networks.checkpoint import load_strictly
from benchmark.networks.inference import Device, Precision, once_per_process, prepare, to_device
from benchmark.networks.torchvision_repair import import_timm
from benchmark.networks.weights import UntrainedWeights, Weights
from benchmark.plugins.base import Provenance
from feature_extractors.grey_planes import in_batches

if TYPE_CHECKING:
    import torch

REPOSITORY = "Lab-Rasool/RadImageNet"
PROVENANCE = Provenance(
    "MIT, as re-uploaded",
    trained_on="1.35 million CT, MR and ultrasound images with 165 labels",
    may_hold="the outpatient facility that its images are from",
)
Backbone = Literal["resnet50", "densenet121", "inception_v3"]


@dataclass(frozen=True)
class Published:
    """What is published of one backbone: its file, and the order in which that numbers its layers.

    The files hold ``nn.Sequential(*torchvision_model.children())`` under ``backbone.``; `layers` names those
    children, parameterless ones included. Only what starts with one of `head` may be left over.
    """

    filename: str
    layers: tuple[str, ...]
    head: tuple[str, ...]


_INCEPTION = (
    "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 maxpool1 Conv2d_3b_1x1 Conv2d_4a_3x3 maxpool2 "
    "Mixed_5b Mixed_5c Mixed_5d "
    "Mixed_6a Mixed_6b Mixed_6c Mixed_6d Mixed_6e Mixed_7a Mixed_7b Mixed_7c avgpool dropout fc"
)

BACKBONES: dict[Backbone, Published] = {
    "resnet50": Published(
        "ResNet50.pt",
        ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc"),
        ("fc.", "backbone.9."),
    ),
    "densenet121": Published("DenseNet121.pt", ("features", "classifier"), ("classifier.", "backbone.1.")),
    "inception_v3": Published(
        "InceptionV3.pt", tuple(_INCEPTION.split()), ("fc.", "AuxLogits.", "backbone.20.")
    ),
}


def renamer(backbone: Backbone) -> Callable[[str], str]:
    """Return a map from published names, ``backbone.4.0.bn1.bias``, to timm's, ``layer1.0.bn1.bias``."""
    layers = BACKBONES[backbone].layers

    def rename(name: str) -> str:
        match = re.match(r"backbone\.(\d+)\.", name)
        if match is None or int(match[1]) >= len(layers):
            return name.removeprefix("backbone.")
        return f"{layers[int(match[1])]}.{name[match.end() :]}"

    return rename


@once_per_process
def load(backbone: Backbone, weights: Weights, device: Device, precision: Precision) -> Any:
    """Return the backbone, without classifier, ready for `embed`; loaded once per process."""
    import torch

    timm = import_timm()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.untrained if isinstance(weights, UntrainedWeights) else 0)
        network = timm.create_model(backbone, pretrained=False, num_classes=0)
    if not isinstance(weights, UntrainedWeights):
        load_strictly(network, weights.path(), renamer(backbone), BACKBONES[backbone].head)
    return prepare(network, device, precision)


def embed(network: Any, slices: torch.Tensor, batch: int | None = None) -> torch.Tensor:
    """Return (n, features) of `slices` (n, 1, y, x), grey values in −1…1, `batch` of them at a time."""
    return in_batches(lambda part: network(_three_channels(to_device(part, network))), slices, network, batch)


def _three_channels(grey: torch.Tensor) -> torch.Tensor:
    import torch

    return grey.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
