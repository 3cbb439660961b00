"""What the network's narrowest level made of the scan seen last: the segmenter passes it, the features are made of it.

A study that has both, the segmenter first, shows each scan to the network once. What a scan is, is said by its voxels,
so that whoever asks with the same ones gets the same numbers, kept or made anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_LAST: dict[str, torch.Tensor] = {}
"""One scan's at most, (slices, channels, y / divisor, x / divisor): some 10 MB."""


def key_of(volume: NDArray[Any], *made_by: object) -> str:
    """Return what stands for a volume (z, y, x) as seen by a network: file, device, precision, batch."""
    said = repr((made_by, volume.shape, volume.dtype.str))
    return hashlib.sha256(said.encode() + np.ascontiguousarray(volume).tobytes()).hexdigest()


def keep(key: str, batches: Sequence[torch.Tensor]) -> torch.Tensor:
    """Keep what was made of a volume, batch by batch, in the place of what was kept before; return it whole."""
    import torch

    whole = torch.cat(list(batches))
    _LAST.clear()
    _LAST[key] = whole
    return whole


def kept(key: str) -> torch.Tensor | None:
    """Return what was kept of it, None if nothing was."""
    return _LAST.get(key)
