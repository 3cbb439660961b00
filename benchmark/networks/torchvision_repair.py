"""Lets `timm` and nnU-Net import torchvision beside a CPU-only torch.

The published torchvision wheel registers its operators from a library built against CUDA torch. Beside a
CPU-only torch that library does not load, and `import torchvision` stops at ``operator torchvision::nms does
not exist`` because it declares a meta kernel for an operator nobody defined. Defining the two schemas it asks
for is enough: no network of this project calls them. Beside a CUDA torch nothing is done.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def import_timm() -> Any:
    """Import and return `timm`, declaring torchvision's missing operators first where they are missing."""
    import_torchvision()
    import timm

    return timm


@cache
def import_torchvision() -> None:
    """Import torchvision, declaring its missing operators where they are missing."""
    try:
        import torchvision  # type: ignore[import-untyped]  # noqa: F401
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        _declare_operators()


def _declare_operators() -> None:
    import torch

    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    _kept.append(library)


_kept: list[Any] = []
"""The library undefines its operators when it is collected."""
