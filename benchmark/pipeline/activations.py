"""A network's activations as a record holds them: an array as text, compressed."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Packed(TypedDict):
    """An array of numbers."""

    dtype: str
    shape: list[int]
    zlib: str
    """Its bytes in C order and little-endian, compressed, in base 64."""


def pack(array: NDArray[np.generic]) -> Packed:
    """Return an array as a record holds it."""
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    content = base64.b64encode(zlib.compress(little.tobytes(), 1)).decode()
    return {"dtype": little.dtype.str, "shape": list(array.shape), "zlib": content}


def unpack(packed: Packed) -> NDArray[np.generic]:
    """Return the array that was packed, read-only."""
    import numpy as np

    content = zlib.decompress(base64.b64decode(packed["zlib"]))
    return np.frombuffer(content, packed["dtype"]).reshape(packed["shape"])
