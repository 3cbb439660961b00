"""Shortens a vessel tree at its far ends, as a segmenter does that loses the thin distal branches.

Distance is geodesic: along the vessel, from voxel centre to voxel centre (26 neighbours). The tree is cut
into rings, the connected pieces of equal steps of the distance from the proximal end, and every ring knows
how far the vessel goes on beyond it (its reach). Removed is what lies less than the given length before its
reach: that length off the end of every branch, while the vessel before a fork stays as long as one branch
goes on.

A mask does not say which end is the proximal one. Coronary arteries taper from the ostium (Dodge et al.,
Circulation 1992;86:232), so it is the thickest end, unless all ends are much thinner than the thickest place:
then it is that place. Every separate piece of the mask has its own.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

THICK_END = 0.75
"""Radius of an end, relative to the thickest place, from which it can be the proximal one."""


def truncate_distally(
    vessel: NDArray[np.bool_], spacing: tuple[float, ...], length_mm: float
) -> NDArray[np.bool_]:
    """Return the vessel (z, y, x) without the last `length_mm` of each branch; `spacing` is (z, y, x) in mm.

    A separate piece shorter than that vanishes.
    """
    from scipy import ndimage
    from scipy.sparse import csgraph

    graph = _graph(vessel, spacing)
    radius = ndimage.distance_transform_edt(np.pad(vessel, 1), spacing)[1:-1, 1:-1, 1:-1][vessel]
    pieces, piece = csgraph.connected_components(graph, directed=False)
    remaining = np.zeros(len(radius))
    for voxels in (np.flatnonzero(piece == number) for number in range(pieces)):
        remaining[voxels] = _remaining(graph[voxels][:, voxels], radius[voxels])
    kept = np.zeros_like(vessel)
    kept[vessel] = remaining >= length_mm
    return kept


def _graph(vessel: NDArray[np.bool_], spacing: tuple[float, ...]) -> Any:
    """Return the sparse matrix of distances in mm between neighbouring voxels, numbered in array order."""
    from scipy.sparse import coo_array

    n = int(vessel.sum())
    number = np.full(np.array(vessel.shape) + 2, -1)
    number[1:-1, 1:-1, 1:-1][vessel] = np.arange(n)
    rows, columns, lengths = [], [], []
    for step in product((-1, 0, 1), repeat=3):
        neighbour = np.roll(number, step, (0, 1, 2))
        both = (number >= 0) & (neighbour >= 0) & (neighbour != number)
        rows.append(number[both])
        columns.append(neighbour[both])
        lengths.append(np.full(int(both.sum()), np.linalg.norm(np.array(step) * spacing)))
    places = (np.concatenate(rows), np.concatenate(columns))
    return coo_array((np.concatenate(lengths), places), shape=(n, n)).tocsr()


def _remaining(graph: Any, radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for every voxel of one piece how far in mm the vessel still goes on towards its farthest end."""
    # Rings as long as the vessel is thick: thinner ones fall apart where the vessel bends.
    width = max(2 * float(radius.max()), float(graph.data.max(initial=0)))
    thickest = int(radius.argmax())
    distance = _distances(graph, [thickest])[0]
    _, tips = _reach(graph, distance, width)
    near = np.isfinite(_distances(graph, tips, limit=width))
    thickness = np.where(near, radius, 0).max(axis=1)
    if thickness.max() >= THICK_END * radius.max():
        thickest_tip = np.lexsort((distance[tips], thickness))[-1]
        distance = _distances(graph, [tips[thickest_tip]])[0]
    reach, _ = _reach(graph, distance, width)
    return np.asarray(reach - distance, np.float64)


def _distances(graph: Any, sources: Any, limit: float = np.inf) -> NDArray[np.float64]:
    """Return the distances in mm from each source, shape (sources, voxels); infinite beyond the limit."""
    from scipy.sparse import csgraph

    return np.asarray(csgraph.dijkstra(graph, indices=sources, limit=limit), np.float64)


def _reach(
    graph: Any, distance: NDArray[np.float64], width: float
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return for every voxel how far its ring leads, and the farthest voxel of each ring with none beyond.

    `width` is the rings' length in mm, no less than the longest edge, so that an edge joins a ring to itself
    or to the next one.
    """
    from scipy.sparse import coo_array, csgraph

    level = (distance / width).astype(int)
    edges = graph.tocoo()
    first, second = edges.row, edges.col
    same = level[first] == level[second]
    links = coo_array((np.ones(same.sum()), (first[same], second[same])), shape=graph.shape)
    count, ring = csgraph.connected_components(links, directed=False)
    reach = np.zeros(count)
    np.maximum.at(reach, ring, distance)
    onward = level[first] < level[second]
    first, second = first[onward], second[onward]
    last = np.setdiff1d(ring, ring[first])
    for here in range(int(level.max()) - 1, -1, -1):
        edge = level[first] == here
        np.maximum.at(reach, ring[first[edge]], reach[ring[second[edge]]])
    farthest_last = np.lexsort((distance, ring))
    tip = farthest_last[np.append(np.diff(ring[farthest_last]) > 0, True)]
    return reach[ring], tip[last]
