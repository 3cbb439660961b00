"""Plaques in a scan: their partial volumes through its slice profile and point spread, mixed into what is there.

A voxel becomes ``hu + f · (h − tissue)``, where f is the blurred share of the plaque in it, h the HU of its calcium
and `tissue` what it displaces, the mean of the scan under it weighted by f. So the scan keeps its own noise, and the
sum of what is added over all voxels, times their volume, is the plaque's volume times h − tissue, exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmark.phantom.geometry.grid import Box, Floats, Grid
from benchmark.phantom.geometry.supersampling import PartialVolume
from benchmark.phantom.heart.plaque import calcium_hu
from benchmark.phantom.implant.host import PROFILE_SIGMA_MM, Host
from benchmark.phantom.implant.placement import Implant
from benchmark.phantom.masks import LESION_OCCUPANCY

REACH_SIGMA = 4.0
HIGHEST_HU = 3071


@dataclass(frozen=True)
class Implanted:
    """A scan with plaques: HU and lesion labels, (z, y, x), and of each plaque the HU of the tissue it displaces."""

    hu: NDArray[Any]
    lesions: NDArray[np.uint16]
    tissue_hu: tuple[float, ...]


def implanted(host: Host, implants: Sequence[Implant]) -> Implanted:
    """Return the host with the plaques. Labels are where calcium fills a voxel enough, or a plaque's fullest voxel."""
    hu, lesions = host.hu.copy(), np.zeros(host.grid.shape, np.uint16)
    parts = [_shares(one, host) for one in implants]
    if not parts:
        return Implanted(hu, lesions, ())
    whole = _around([box for box, _, _ in parts])
    extra = np.zeros(hu[whole].shape, np.float32)
    filled = {one.label: np.zeros_like(extra) for one in implants}
    tissues = []
    for one, (box, sharp, blurred) in zip(implants, parts, strict=True):
        tissue = float((blurred * host.hu[box]).sum() / blurred.sum())
        h = calcium_hu(one.lesion.density_mg_cm3, host.water_diameter_cm, host.tube_kv)
        inner = _within(box, whole)
        extra[inner] += blurred * np.float32(h - tissue)
        filled[one.label][inner] += sharp
        lesions[box][np.unravel_index(np.argmax(sharp), sharp.shape)] = one.label
        tissues.append(tissue)
    for label, fraction in sorted(filled.items()):
        lesions[whole][fraction >= LESION_OCCUPANCY] = label
    hu[whole] = _stored(hu[whole] + extra, hu[whole])
    return Implanted(hu, lesions, tuple(tissues))


def _around(boxes: Sequence[Box]) -> Box:
    """Return the smallest box around boxes."""
    z, y, x = (
        slice(min(p.start for p in parts), max(p.stop for p in parts)) for parts in zip(*boxes, strict=True)
    )
    return z, y, x


def _within(box: Box, whole: Box) -> Box:
    """Return a box as seen from another that holds it."""
    z, y, x = (slice(p.start - w.start, p.stop - w.start) for p, w in zip(box, whole, strict=True))
    return z, y, x


def _shares(one: Implant, host: Host) -> tuple[Box, Floats, Floats]:
    """Return the box a plaque reaches, and how far it fills the voxels there: as it is, and blurred in the plane."""
    grid = host.grid
    reach = [
        grid.thickness + 3 * PROFILE_SIGMA_MM,
        *[REACH_SIGMA * host.psf_sigma_mm + 2 * max(grid.spacing[1:])] * 2,
    ]
    box = grid.box(np.asarray(one.shape.centre), one.shape.half_extent + np.array(reach))
    assert box is not None  # noqa: S101  a plaque's centre is in the mask
    local = Grid(
        tuple(part.stop - part.start for part in box),
        grid.spacing,
        tuple(o + part.start * s for o, part, s in zip(grid.origin, box, grid.spacing, strict=True)),
        grid.thickness,
    )
    sharp = np.zeros(local.shape, np.float32)
    if (covered := PartialVolume(local, PROFILE_SIGMA_MM).share(one.shape)) is not None:
        sharp[covered[0]] = covered[1]
    if _whole(box, grid):
        # The lattice of sub-voxels misses the volume by up to a percent, and the mass is to be exact.
        sharp *= np.float32(one.shape.volume_mm3 / (sharp.sum() * math.prod(grid.spacing)))
    blurred = sharp
    for axis in (1, 2):
        variance = host.psf_sigma_mm**2 - grid.spacing[axis] ** 2 / 12
        if variance > 0:
            sigma = math.sqrt(variance) / grid.spacing[axis]
            blurred = ndimage.gaussian_filter1d(
                blurred, sigma, axis=axis, mode="constant", truncate=REACH_SIGMA
            )
    return box, sharp, blurred


def _whole(box: Box, grid: Grid) -> bool:
    """Say whether all of what a box holds is seen: it lies inside the scan, whose slices neither overlap nor gape."""
    seamless = abs(grid.thickness / grid.spacing[0] - 1) < 0.01
    return seamless and all(part.start > 0 and part.stop < n for part, n in zip(box, grid.shape, strict=True))


def _stored(hu: Floats, before: NDArray[Any]) -> NDArray[Any]:
    """Return HU in the scan's own type, none above its scale; what was above already, as metal, stays."""
    capped = np.minimum(hu, np.maximum(before, HIGHEST_HU))
    whole = np.issubdtype(before.dtype, np.integer)
    return np.asarray((np.rint(capped) if whole else capped).astype(before.dtype))
