"""What a scan looks like in numbers: to set phantoms beside real scans, yours among them (docs/phantom.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmark.phantom.geometry.grid import Floats

if TYPE_CHECKING:
    import SimpleITK as sitk

DENSE_HU, LARGE_MM3, SMALL_MM3 = 130.0, 2000.0, 10.0
"""Bone is what is dense in large pieces; pieces below the smaller size are the noise's."""
LUNG_HU = (-950.0, -500.0)
SOFT_HU, PATCH_HU = (0.0, 100.0), (-60.0, 130.0)
PATCH_MM = 24.0
PATCHES_A_SLICE = 3
SMOOTH_MM = 2.0
BODY_ABOVE_HU = -300.0

Mask = NDArray[np.bool_]


def measures(image: sitk.Image) -> dict[str, float]:
    """Return HU of bone, lung and soft tissue, the noise, the chest's depth, and the pieces of 130 HU and above.

    What a scan does not show (no lung, no patch even enough for its noise) has no entry. Distances are mm.
    """
    import SimpleITK as sitk

    hu = sitk.GetArrayFromImage(image).astype(np.float32)
    spacing = np.array(image.GetSpacing()[::-1])
    smooth = ndimage.gaussian_filter(hu, SMOOTH_MM / spacing, truncate=2.0)
    aerated = (smooth > LUNG_HU[0]) & (smooth < LUNG_HU[1]) & _within_body(smooth)
    lung = ndimage.binary_erosion(aerated, iterations=2)
    return (
        _quantiles("lung", hu[lung], {"p5": 5, "p50": 50, "p95": 95})
        | _quantiles("soft tissue", hu[(hu > SOFT_HU[0]) & (hu < SOFT_HU[1])], {"p50": 50})
        | _dense(hu, lung, spacing)
        | _noise(hu, spacing)
        | _depth(smooth, spacing)
    )


def _body(smooth: Floats) -> Mask:
    """Return the largest piece that is denser than fat and lung: the patient, without table and arms."""
    labels, count = ndimage.label(smooth > BODY_ABOVE_HU)
    sizes = np.bincount(labels.reshape(-1), minlength=count + 1)
    sizes[0] = 0
    return np.asarray((labels == sizes.argmax()) & (labels > 0))


def _within_body(smooth: Floats) -> Mask:
    """Return what has the body on both sides, front and back or left and right, also where the scan is a crop."""
    body = _body(smooth)
    between = np.zeros(body.shape, dtype=np.bool_)
    for axis in (1, 2):
        before = np.logical_or.accumulate(body, axis=axis)
        behind = np.flip(np.logical_or.accumulate(np.flip(body, axis), axis=axis), axis)
        between |= before & behind
    return between


def _quantiles(name: str, values: Floats, of: dict[str, float]) -> dict[str, float]:
    if not values.size:
        return {}
    return {f"{name} {key}": float(np.percentile(values, q)) for key, q in of.items()}


def _dense(hu: Floats, lung: Mask, spacing: NDArray[np.float64]) -> dict[str, float]:
    """Return HU of bone; of the smaller dense pieces the number a litre, the size and the distance to lung."""
    labels, count = ndimage.label(hu >= DENSE_HU, np.ones((3, 3, 3)))
    sizes = np.bincount(labels.reshape(-1), minlength=count + 1) * float(spacing.prod())
    sizes[0] = 0
    found = _quantiles("bone", hu[(sizes > LARGE_MM3)[labels]], {"p50": 50, "p95": 95, "max": 100})
    small = np.flatnonzero((sizes >= SMALL_MM3) & (sizes <= LARGE_MM3))
    litres = float((hu > LUNG_HU[0]).sum() * spacing.prod()) / 1e6
    if litres > 0:
        found["pieces a litre"] = len(small) / litres
    if len(small) and lung.any():
        # Every other pixel will do, and takes a quarter of the time.
        away = ndimage.distance_transform_edt(~lung[:, ::2, ::2], sampling=spacing * [1, 2, 2])
        middles = (np.array(ndimage.center_of_mass(labels > 0, labels, small)) / [1, 2, 2]).astype(int)
        found["pieces mm³ p50"] = float(np.median(sizes[small]))
        found["pieces from lung p50"] = float(np.median(away[tuple(middles.T)]))
    return found


def _noise(hu: Floats, spacing: NDArray[np.float64]) -> dict[str, float]:
    """Return the noise in patches of soft tissue: its SD and how that varies, correlation of slices, mean frequency."""
    side = max(int(PATCH_MM / spacing[1]), 8)
    pairs = [tuple(_flattened(patch) for patch in pair) for pair in _patches(hu, side)]
    if not pairs:
        return {}
    sds = [float(first.std()) for first, _ in pairs]
    axis = np.fft.fftfreq(side, spacing[1])
    frequency = np.hypot(axis[:, None], axis)
    power = sum(np.abs(np.fft.fft2(first)) ** 2 for first, _ in pairs)
    together = [float(np.corrcoef(first.ravel(), second.ravel())[0, 1]) for first, second in pairs]
    return {
        "noise SD p50": float(np.median(sds)),
        "noise SD p5": float(np.percentile(sds, 5)),
        "noise SD p95": float(np.percentile(sds, 95)),
        "slice correlation": float(np.median(together)),
        "mean frequency": float((power * frequency).sum() / np.sum(power)),
    }


def _patches(hu: Floats, side: int) -> Iterator[tuple[Floats, Floats]]:
    """Yield squares that hold soft tissue alone, each with the one in the next slice."""
    even = (hu > PATCH_HU[0]) & (hu < PATCH_HU[1])
    share = ndimage.uniform_filter(even.astype(np.float32), (0, side, side))
    rng = np.random.default_rng(0)
    half = side // 2
    for z in range(2, len(hu) - 2, 3):
        both = np.minimum(share[z], share[z + 1])[half:-half, half:-half] > 0.999
        rows, columns = np.nonzero(both)
        for index in rng.permutation(len(rows))[:PATCHES_A_SLICE]:
            part = (slice(rows[index], rows[index] + side), slice(columns[index], columns[index] + side))
            yield hu[z][part], hu[z + 1][part]


def _flattened(patch: Floats) -> NDArray[np.float64]:
    """Return a patch less the quadratic surface that fits it best: what is left is noise."""
    y, x = (axis.ravel() for axis in np.mgrid[: patch.shape[0], : patch.shape[1]])
    terms = np.stack([np.ones(len(x)), y, x, y * y, x * x, x * y], axis=1).astype(np.float64)
    fit = np.linalg.lstsq(terms, patch.astype(np.float64).ravel(), rcond=None)[0]
    return np.asarray(patch - (terms @ fit).reshape(patch.shape))


def _depth(smooth: Floats, spacing: NDArray[np.float64]) -> dict[str, float]:
    """Return the body's size front to back in the middle slice, where the field of view holds all of it."""
    middle = len(smooth) // 2
    body = _body(smooth[middle : middle + 1])[0]
    if body[[0, -1]].any() or body[:, [0, -1]].any():
        return {}
    rows = np.flatnonzero(body.any(axis=1))
    if not len(rows):
        return {}
    return {"chest depth": float(rows[-1] - rows[0] + 1) * float(spacing[1])}
