"""Grey-level run lengths of a ROI, counted from where runs begin (Galloway, CGIP 1975;4:172)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def run_lengths(
    levels: NDArray[np.int_], roi: NDArray[np.bool_], angles: NDArray[np.intc]
) -> NDArray[np.float64]:
    """Return how many runs there are, an array (grey level from 1 on, length from 1 on, angle).

    `levels` from 1 on and `roi` are (z, y, x), an angle is a step along them. An angle along which no line holds two
    voxels of the ROI has no runs, as PyRadiomics has it: there the ROI is flat.
    """
    padded = np.pad(np.where(roi, levels, 0).astype(np.int32), 1)
    voxels = np.flatnonzero(padded)
    strides = np.array(padded.strides) // padded.itemsize
    highest = int(levels[roi].max())
    found = []
    for angle in angles:
        runs = _runs(padded.ravel(), voxels, int(angle @ strides), highest)
        found.append(runs if len(runs) > 1 or _shares_a_line(roi, angle) else runs * 0)
    matrix = np.zeros((highest, max(roi.shape), len(angles)))
    for place, runs in enumerate(found):
        matrix[:, : len(runs), place] = runs.T
    return matrix


def _runs(levels: NDArray[np.int32], voxels: NDArray[np.intp], step: int, highest: int) -> NDArray[np.int_]:
    """Return the runs by (length, grey level): those at least so long, less those longer."""
    at_least = []
    here = voxels[levels[voxels - step] != levels[voxels]]
    while here.size:
        level = levels[here]
        at_least.append(np.bincount(level, minlength=highest + 1)[1:])
        here = here + step
        here = here[levels[here] == level]
    longer = [*at_least[1:], np.zeros_like(at_least[0])]
    return np.stack(at_least) - np.stack(longer)


def _shares_a_line(roi: NDArray[np.bool_], angle: NDArray[np.intc]) -> bool:
    """Return whether two voxels of a ROI lie on one line along an angle."""
    voxels = np.argwhere(roi)
    axis = int(np.flatnonzero(angle)[0])
    lines = voxels - voxels[:, [axis]] * angle[axis] * angle
    return len(np.unique(lines, axis=0)) < len(voxels)
