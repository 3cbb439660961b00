"""Long bones and cartilages: curved rods of oval section, a cortex around marrow, cartilage with a calcified rim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.geometry.grid import Canvas, Floats
from benchmark.phantom.geometry.tubes import Tube, nearby
from benchmark.phantom.geometry.vectors import dot, unit


@dataclass(frozen=True)
class Rod:
    """A rod: its course (the tube's radius is half the section's height), and how flat it is across `outwards`.

    `outwards` (n, 3) points away from the body at each node; `flatness` is thickness over height.
    """

    tube: Tube
    outwards: Floats
    flatness: float = 1.0


def rod(
    points: NDArray[np.float64],
    radii: tuple[float, float],
    outwards: NDArray[np.float64] | None = None,
    flatness: float = 1.0,
) -> Rod:
    """Return a rod through points (n, 3), flat across `outwards` (n, 3) at the points; none: round."""
    tube = Tube.along(points, 2.5, radii)
    if outwards is None:
        outwards = np.broadcast_to([0.3, 1.0, 0.2], points.shape)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    share = np.linspace(0, 1, len(tube.nodes))
    away = np.stack([np.interp(share, at, column) for column in outwards.T], axis=-1)
    away -= dot(away, tube.tangents)[:, None] * tube.tangents
    return Rod(tube, unit(away + 1e-9).astype(np.float32), flatness)


@dataclass(frozen=True)
class Section:
    """The voxels near a rod (flat indices), the nearest node of each, and how deep each lies, mm (negative inside).

    `edge` is how much the depth changes across a voxel, and `angle` the place around the rod, radians.
    """

    voxels: NDArray[np.intp]
    node: NDArray[np.intp]
    depth: Floats
    edge: Floats
    angle: NDArray[np.float64]


def section_of(canvas: Canvas, bone: Rod) -> Section | None:
    """Return where a rod lies on the canvas; None where it misses it."""
    grid, tube = canvas.grid, bone.tube
    near = nearby(tube, grid, float(tube.radius.max()) + 2.0 + grid.thickness / 2)
    if not len(near.voxels):
        return None
    node = near.node
    along = dot(near.offset, tube.tangents[node])
    # Beyond either end the rod is rounded off.
    past = ((node == 0) & (along < 0)) | ((node == len(tube.nodes) - 1) & (along > 0))
    across = dot(near.offset, bone.outwards[node])
    squared = dot(near.offset, near.offset) - np.where(past, 0, along**2)
    rest = np.sqrt(np.maximum(squared - across**2, 0))
    scaled = np.hypot(across / np.float32(bone.flatness), rest)
    # Along the gradient a step in the flat direction counts more.
    stretch = np.sqrt((across / np.float32(bone.flatness**2)) ** 2 + rest**2) / np.maximum(scaled, 1e-3)
    depth = (scaled - tube.radius[node]) / np.maximum(stretch, 1e-3)
    spacing = np.array([max(grid.thickness, grid.spacing[0]), *grid.spacing[1:]], np.float32)
    length = np.sqrt(dot(near.offset, near.offset)) + np.float32(1e-6)
    edge = dot(np.abs(near.offset), spacing) / length
    angle = np.arctan2(rest.astype(np.float64), across.astype(np.float64))
    return Section(near.voxels, node, depth.astype(np.float32), edge.astype(np.float32), angle)


def paint_bone(canvas: Canvas, bone: Rod, cortex_hu: float, marrow_hu: float, cortex_mm: float) -> None:
    """Paint a cortex of that thickness around marrow."""
    if (section := section_of(canvas, bone)) is not None:
        flat = canvas.hu.reshape(-1)
        for inset, value in ((0.0, cortex_hu), (cortex_mm, marrow_hu)):
            filled = np.clip(0.5 - (section.depth + np.float32(inset)) / section.edge, 0, 1)
            flat[section.voxels] += filled * (np.float32(value) - flat[section.voxels])


def paint_cartilage(canvas: Canvas, bone: Rod, hu: float, calcified: float, rng: np.random.Generator) -> None:
    """Paint cartilage; of its rim a share is calcified in plaques, and grains lie in its middle."""
    if (section := section_of(canvas, bone)) is None:
        return
    flat, voxels = canvas.hu.reshape(-1), section.voxels
    filled = np.clip(0.5 - section.depth / section.edge, 0, 1)
    flat[voxels] += filled * (np.float32(hu) - flat[voxels])
    if calcified <= 0.02:
        return
    rim = np.clip(1.2 - np.abs(section.depth + np.float32(1.2)) / 1.2, 0, 1)
    core = np.clip(1.5 - np.abs(section.depth + np.float32(4.5)) / 1.5, 0, 1)
    step = section.node.astype(np.float64)
    for layer, share, value in (
        (rim, calcified, rng.uniform(350, 900)),
        (core, 0.4 * calcified, rng.uniform(250, 600)),
    ):
        pattern = _patches(step, section.angle, rng)
        patch = np.clip((share - 0.62 + 0.5 * pattern) * 4, 0, 1)
        flat[voxels] += (layer * patch * filled).astype(np.float32) * (np.float32(value) - flat[voxels])


def _patches(
    node: NDArray[np.float64], angle: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return a field over a rod's surface with values about −1 to 1."""
    total = np.zeros(len(node))
    for wave in (7.0, 3.5, 2.2):
        phase, turn = rng.uniform(0, 2 * np.pi, 2)
        total += np.sin(2 * np.pi * node / wave / rng.uniform(0.7, 1.4) + phase) * np.cos(
            angle * rng.integers(1, 3) + turn
        )
    return total / 1.6
