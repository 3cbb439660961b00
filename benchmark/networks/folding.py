"""Batch norms folded into the convolutions before them: evaluated, they are an affine map per channel."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeGuard

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(network: nn.Module) -> None:
    """Fold, in place, every batch norm into the convolution that its parent registers directly before it.

    That holds for networks which register their layers in the order they apply them, as ResNet and MONAI's
    SegResBlock do. The weights are folded in the precision they are in: do this before narrowing them.
    """
    for parent in list(network.modules()):
        for (name, conv), (norm_name, norm) in pairwise(list(parent.named_children())):
            if isinstance(conv, (nn.Conv2d, nn.Conv3d)) and _is_plain_batch_norm(norm):
                setattr(parent, name, fuse_conv_bn_eval(conv, norm))
                setattr(parent, norm_name, nn.Identity())


def _is_plain_batch_norm(layer: nn.Module) -> TypeGuard[nn.BatchNorm2d | nn.BatchNorm3d]:
    """Say whether `layer` is a batch norm and nothing more; timm's subclass also applies a ReLU."""
    return type(layer) in (nn.BatchNorm2d, nn.BatchNorm3d)


def fold_met_batch_norms(network: nn.Module, example: torch.Tensor) -> None:
    """Fold, in place, every batch norm into the convolution whose output it is given when `network` takes `example`.

    For networks whose order is not known. Whether something else is given that output, too, is not seen: compare.
    timm's batch norms keep the activation that is part of them.
    """
    for norm, conv in _met(network, example).items():
        fused = fuse_conv_bn_eval(conv, norm)
        _replace(network, conv, fused)
        _replace(network, norm, nn.Sequential(*norm.children()))


def _met(network: nn.Module, example: torch.Tensor) -> dict[Any, Any]:
    """Return the convolution before each batch norm that comes after one."""
    last: list[Any] = [None, None]
    before: dict[Any, Any] = {}

    def remember(conv: nn.Module, _: Any, output: torch.Tensor) -> None:
        last[:] = conv, output

    def look(norm: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if given[0] is last[1]:
            before[norm] = last[0]

    layers = list(network.modules())
    hooks = [each.register_forward_hook(remember) for each in layers if isinstance(each, nn.Conv2d)]
    hooks += [each.register_forward_pre_hook(look) for each in layers if isinstance(each, nn.BatchNorm2d)]
    network(example)
    for hook in hooks:
        hook.remove()
    return before


def _replace(network: nn.Module, old: nn.Module, new: nn.Module) -> None:
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if child is old:
                setattr(parent, name, new)
