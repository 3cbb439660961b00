"""Products of a few numbers without BLAS, whose kernels sum in an order and with a rounding of their own.

A phantom's bytes must not depend on the processor or on the number of threads, and one differently rounded sum
decides which way a voxel is rounded. What is rendered therefore multiplies and adds through these functions and
never through ``@``, ``np.dot``, ``np.tensordot`` or the norm of a vector.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def dot(a: NDArray[np.floating], b: NDArray[np.floating]) -> Any:
    """Return Σ aᵢ bᵢ over the last axis, of at most a handful of elements: (..., k) and (..., k) to (...)."""
    return (a * b).sum(axis=-1)


def unit(vector: NDArray[np.floating]) -> NDArray[Any]:
    """Return vectors (..., k) at length 1."""
    return np.asarray(vector / np.sqrt(dot(vector, vector))[..., None])


def combine(coefficients: NDArray[np.floating], vectors: NDArray[np.floating]) -> NDArray[Any]:
    """Return Σ cᵢ vᵢ for coefficients (..., k) and vectors (k, 3): (..., 3)."""
    return np.asarray((coefficients[..., None] * vectors).sum(axis=-2))


def weigh(weights: NDArray[np.floating], field: NDArray[np.floating], axis: int) -> NDArray[Any]:
    """Return `field` with `axis`, of length k, replaced by the n sums that weights (n, k) make of it."""
    moved = np.moveaxis(field, axis, 0)
    # `optimize` would hand the product to BLAS.
    return np.moveaxis(np.einsum("nk,k...->n...", weights, moved, optimize=False), 0, axis)
