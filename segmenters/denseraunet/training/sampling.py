"""Batches of patches: around calcium, around what resembles it, and anywhere; each step's from a seed of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from benchmark.execution.seeds import derive_seed
from segmenters.denseraunet.slices import channels, windowed
from segmenters.denseraunet.training.motion import moved
from segmenters.denseraunet.training.scanner import as_another_scanner
from segmenters.denseraunet.training.scans import TrainingScan
from segmenters.denseraunet.training.study import TrainingPlan

AIR_HU = -1000

Pixel = tuple[int, int]
Patch = tuple[NDArray[np.float32], NDArray[np.float32]]


class PatchSampler:
    """Draws the batch of any step without the steps before it, which makes a resumed training exact."""

    def __init__(self, scans: Sequence[TrainingScan], plan: TrainingPlan) -> None:
        self.scans, self.plan = scans, plan
        dense = plan.sampling.confounder_hu
        self._calcium = _Places(scans, TrainingScan.calcium_of)
        self._confounders = _Places(scans, lambda scan, z: scan.confounder_of(z) & (scan.hu[z] >= dense))
        self._elsewhere = _Places(scans if plan.sampling.elsewhere else (), TrainingScan.elsewhere_of)

    def batch(self, step: int) -> Patch:
        """Return (images (batch, channels, y, x), targets (batch, 1, y, x))."""
        rng = np.random.default_rng(derive_seed(self.plan.seed, "batch", step))
        patches = [self._patch(rng) for _ in range(self.plan.sampling.batch)]
        return np.concatenate([image for image, _ in patches]), np.stack([target for _, target in patches])

    def _patch(self, rng: np.random.Generator) -> Patch:
        """Return one patch: its channels (1, channels, y, x) and its target (1, y, x)."""
        scan, z, centre, of_heart = self._place(rng)
        half, augmentation = self.plan.input.slices // 2, self.plan.augmentation
        around = np.clip(np.arange(z - half, z + half + 1), 0, len(scan.hu) - 1)
        side = self.plan.sampling.patch_pixels
        corner = np.array(centre) - side // 2
        matrix = np.eye(2)
        if rng.random() < augmentation.warped:
            matrix = _rotation(rng, augmentation.rotation_deg, augmentation.scale)
            stack = _warp(scan.hu[around], matrix, corner, side, order=1)
            target = _warp(scan.calcium_of(z)[None], matrix, corner, side, order=0)
        else:
            stack, target = (
                _crop(scan.hu[around], corner, side, AIR_HU),
                _crop(scan.calcium_of(z)[None], corner, side, 0),
            )
        if of_heart is not None and augmentation.moving and rng.random() < augmentation.moving:
            place = _in_patch(of_heart, matrix, corner, side)
            way = float(rng.uniform(*augmentation.motion_mm))
            stack, part = moved(stack, target[0] > 0, place, way, self.plan.input.pixel_mm, rng)
            target = part[None]
        stack = as_another_scanner(stack, augmentation, self.plan.input.pixel_mm, rng)
        if (
            self.plan.input.candidate_hu is not None
        ):  # interpolation may have taken a pixel below the threshold
            target = target.astype(bool) & (stack[half] >= self.plan.input.candidate_hu)
        hu = torch.from_numpy(stack)
        windows = windowed(hu, self.plan.input, float(rng.normal(0, augmentation.brightness_hu)))
        return channels(hu, windows, self.plan.input, [half]).numpy(), target.astype(np.float32)

    def _place(self, rng: np.random.Generator) -> tuple[TrainingScan, int, Pixel, Pixel | None]:
        """Draw a scan, a slice, the patch's centre (y, x) and, if it is around one of the heart, that pixel."""
        share, sampling = rng.random(), self.plan.sampling
        for places, below in (
            (self._calcium, sampling.foreground),
            (self._confounders, sampling.foreground + sampling.confounder),
            (self._elsewhere, sampling.foreground + sampling.confounder + sampling.elsewhere),
        ):
            if share < below and places.slices:
                number, z, pixel = places.draw(rng)
                away = sampling.patch_pixels // 3
                y, x = pixel + rng.integers(-away, away + 1, 2)
                moves = None if places is self._elsewhere else (int(pixel[0]), int(pixel[1]))
                return self.scans[number], z, (int(y), int(x)), moves
        scan = self.scans[int(rng.integers(len(self.scans)))]
        z, y, x = (int(rng.integers(size)) for size in scan.hu.shape)
        return scan, z, (y, x), None


class _Steps(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The batches of the steps to come, each made from its number alone."""

    def __init__(self, sampler: PatchSampler, start: int, stop: int) -> None:
        self.sampler, self.start, self.stop = sampler, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        images, targets = self.sampler.batch(self.start + index)
        return torch.from_numpy(images), torch.from_numpy(targets)


def batches_from(
    sampler: PatchSampler, start: int, stop: int, loaders: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the batches of steps `start` to `stop`: the same whatever the number of processes that make them."""
    # Forked, so that the scans are shared and not copied.
    context = "fork" if loaders else None
    return iter(
        DataLoader(_Steps(sampler, start, stop), None, num_workers=loaders, multiprocessing_context=context)
    )


class _Places:
    """Pixels to centre patches on: every scan that has any is drawn as often, then every slice, then every pixel."""

    def __init__(
        self, scans: Sequence[TrainingScan], of: Callable[[TrainingScan, int], NDArray[np.bool_]]
    ) -> None:
        """`of` returns such pixels of a scan's slice, bool (y, x)."""
        # Listed beforehand, the pixels of bone in 400 scans take gigabytes and a minute.
        self._scans, self._of = scans, of
        slices_by_scan = [
            (number, [z for z in range(len(scan.hu)) if of(scan, z).any()])
            for number, scan in enumerate(scans)
        ]
        self.slices = [(number, slices) for number, slices in slices_by_scan if slices]

    def draw(self, rng: np.random.Generator) -> tuple[int, int, NDArray[np.intp]]:
        """Return the position of a scan, a slice of it and a pixel (y, x) in it."""
        number, slices = self.slices[int(rng.integers(len(self.slices)))]
        z = slices[int(rng.integers(len(slices)))]
        pixels = np.argwhere(self._of(self._scans[number], z))
        return number, z, pixels[int(rng.integers(len(pixels)))]


def _crop(stack: NDArray[Any], corner: NDArray[np.intp], side: int, fill: int) -> NDArray[Any]:
    """Return the square of each slice that begins at `corner` (y, x); beyond the image is `fill`."""
    patch = np.full((len(stack), side, side), fill, stack.dtype)
    low = np.clip(corner, 0, stack.shape[1:])
    high = np.clip(corner + side, 0, stack.shape[1:])
    (y0, x0), (y1, x1) = low - corner, high - corner
    patch[:, y0:y1, x0:x1] = stack[:, low[0] : high[0], low[1] : high[1]]
    return patch


def _rotation(rng: np.random.Generator, degrees: float, scale: float) -> NDArray[np.float64]:
    """Draw a rotation with scaling, as the 2 × 2 matrix from the patch's pixels to the slice's."""
    angle, factor = np.deg2rad(rng.uniform(-degrees, degrees)), np.exp(rng.uniform(-1, 1) * np.log1p(scale))
    sine, cosine = float(np.sin(angle) * factor), float(np.cos(angle) * factor)
    return np.array([[cosine, -sine], [sine, cosine]])


def _warp(
    stack: NDArray[Any], matrix: NDArray[np.float64], corner: NDArray[np.intp], side: int, order: int
) -> NDArray[Any]:
    """Return each slice's square at `corner`, turned about its centre by `matrix`."""
    from scipy import ndimage

    middle = np.full(2, (side - 1) / 2)
    offset = corner + middle - matrix @ middle
    source: NDArray[np.float32] = stack.astype(np.float32)
    fill, shape = AIR_HU if order else 0, (side, side)
    warped = [ndimage.affine_transform(s, matrix, offset, shape, None, order, cval=fill) for s in source]  # type: ignore[call-overload]
    return np.stack(warped)


def _in_patch(
    pixel: Pixel, matrix: NDArray[np.float64], corner: NDArray[np.intp], side: int
) -> tuple[float, float]:
    """Return where a slice's pixel lies in the patch that `_warp` makes of it."""
    middle = np.full(2, (side - 1) / 2)
    y, x = np.linalg.solve(matrix, pixel - corner - middle) + middle
    return float(y), float(x)
