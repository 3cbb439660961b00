"""Names and shapes of the published weights files, written down by hand, and files of random tensors in them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

Shapes = dict[str, tuple[int, ...]]

LITE0 = [(1, 32, 16, 3), (6, 16, 24, 3), (6, 24, 24, 3), (6, 24, 40, 5), (6, 40, 40, 5)]
LITE0 += [(6, 40, 80, 3), (6, 80, 80, 3), (6, 80, 80, 3), (6, 80, 112, 5), (6, 112, 112, 5), (6, 112, 112, 5)]
LITE0 += [(6, 112, 192, 5), (6, 192, 192, 5), (6, 192, 192, 5), (6, 192, 192, 5), (6, 192, 320, 3)]
"""Expansion, inputs, outputs and kernel of each block: EfficientNet's table, without squeeze and excitation."""


def efficientnet_lite0() -> Shapes:
    """As the package's file has them, in its order."""
    shapes = {"_conv_stem.weight": (32, 3, 3, 3), **_norm("_bn0", 32)}
    for number, (expansion, inputs, outputs, kernel) in enumerate(LITE0):
        name, wide = f"_blocks.{number}.", inputs * expansion
        if expansion > 1:
            shapes |= {f"{name}_expand_conv.weight": (wide, inputs, 1, 1), **_norm(f"{name}_bn0", wide)}
        shapes |= {f"{name}_depthwise_conv.weight": (wide, 1, kernel, kernel), **_norm(f"{name}_bn1", wide)}
        shapes |= {f"{name}_project_conv.weight": (outputs, wide, 1, 1), **_norm(f"{name}_bn2", outputs)}
    shapes |= {"_conv_head.weight": (1280, 320, 1, 1), **_norm("_bn1", 1280)}
    return {**shapes, "_fc.weight": (1000, 1280), "_fc.bias": (1000,)}


def _norm(name: str, width: int) -> Shapes:
    per_channel = {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}
    return {**per_channel, f"{name}.num_batches_tracked": ()}


def vision_transformer(width: int, blocks: int, patch: int, tokens: int, channels: int = 3) -> Shapes:
    """As DINOv2 and all that is built like it."""
    shapes: Shapes = {"cls_token": (1, 1, width), "pos_embed": (1, tokens + 1, width)}
    shapes |= {"patch_embed.proj.weight": (width, channels, patch, patch), "patch_embed.proj.bias": (width,)}
    for number in range(blocks):
        name = f"blocks.{number}."
        for layer, outputs, inputs in (
            ("attn.qkv", 3 * width, width),
            ("attn.proj", width, width),
            ("mlp.fc1", 4 * width, width),
            ("mlp.fc2", width, 4 * width),
        ):
            shapes |= {f"{name}{layer}.weight": (outputs, inputs), f"{name}{layer}.bias": (outputs,)}
        for layer in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "ls1.gamma", "ls2.gamma"):
            shapes[name + layer] = (width,)
    return {**shapes, "norm.weight": (width,), "norm.bias": (width,)}


def dinov3_small() -> Shapes:
    """As timm converts it: rotary positions, no bias for queries, keys and values, four registers."""
    shapes = vision_transformer(384, 12, 16, 0)
    del shapes["pos_embed"]
    shapes["reg_token"] = (1, 4, 384)
    for number in range(12):
        del shapes[f"blocks.{number}.attn.qkv.bias"]
        for branch in "12":
            shapes[f"blocks.{number}.gamma_{branch}"] = shapes.pop(f"blocks.{number}.ls{branch}.gamma")
    return shapes


LAYOUTS: dict[str, Shapes] = {
    "imagenet": efficientnet_lite0(),
    "dinov2_small": vision_transformer(384, 12, 14, 37 * 37),
    "dinov2_base": vision_transformer(768, 12, 14, 37 * 37),
    "dinov3_small": dinov3_small(),
    "rad_dino": {**vision_transformer(768, 12, 14, 37 * 37), "mask_token": (1, 768)},
    "dale_ct": vision_transformer(1024, 24, 16, 32 * 32, channels=1),
}


def random_tensors(shapes: Shapes, seed: int = 0) -> dict[str, torch.Tensor]:
    """Small values that keep activations finite; variances are positive. The large files are of bfloat16, as halves."""
    generator = torch.Generator().manual_seed(seed)
    kind = torch.float32 if sum(map(_size, shapes.values())) < 3e7 else torch.bfloat16
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            tensors[name] = torch.tensor(7)
        elif name.endswith(("running_var", "norm.weight", "bn1.weight", "bn2.weight", "norm1.weight")):
            tensors[name] = (torch.rand(shape, generator=generator) + 0.5).to(kind)
        else:
            spread = (_size(shape) / shape[0]) ** -0.5 if len(shape) > 1 else 0.1
            tensors[name] = (torch.randn(shape, generator=generator, dtype=torch.float32) * spread).to(kind)
    return tensors


def _size(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())


def write(tensors: dict[str, torch.Tensor], path: Path) -> Path:
    """Write tensors the way the name's ending says."""
    (save_file if path.suffix == ".safetensors" else torch.save)(tensors, path)
    return path
