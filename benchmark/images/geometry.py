"""The geometry of images: whether two lie on one grid, cropping to a region, resampling.

Images and masks are `SimpleITK.Image`; indices and sizes are in SimpleITK's order (x, y, z), spacings mm.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.errors import CaseError

if TYPE_CHECKING:
    import numpy as np
    import SimpleITK as sitk
    from numpy.typing import NDArray

GRID_TOLERANCE = 0.01
"""Distance between corners, as a fraction of the smallest spacing, up to which two grids are one.

Headers keep geometry in 32-bit floats or decimal strings, so equal grids seldom agree to the last bit.
"""
LATTICE_TOLERANCE = 0.1
"""How far, in voxels, a box of voxels may lie beside another grid's and still be a part of it.

Programs work out a series' slice distance each in its own way, which adds up over the slices; up to half a voxel it is
certain which voxel is meant.
"""
SPACING_MM = (0.1, 20.0)
"""What a voxel spacing may be: from photon-counting CT with a small field of view to coarse resampled volumes."""
SLICE_THICKNESS = "0018|0050"
"""Under what key (the DICOM tag, as ITK writes it) an image carries the slice thickness of its series, in mm."""
TUBE_KV = "0018|0060"
"""Likewise for the tube voltage in kV."""
PERPENDICULAR = 1e-3
"""How far products of direction vectors may be from 0 and 1; a gantry tilt of 0.06° is that much."""


@dataclass(frozen=True)
class Grid:
    """Where an image's voxels lie: everything in the order (x, y, z), in mm; `direction` is 3 × 3 by rows."""

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image | sitk.ImageFileReader) -> Grid:
        """Return the grid of an image, or of a file whose header was read."""
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    def place(self, index: Sequence[float]) -> tuple[float, ...]:
        """Return where a voxel's centre lies, in mm."""
        steps = [at * mm for at, mm in zip(index, self.spacing, strict=True)]
        side = len(steps)
        rows = (self.direction[row * side : (row + 1) * side] for row in range(side))
        return tuple(
            start + sum(cosine * step for cosine, step in zip(row, steps, strict=True))
            for start, row in zip(self.origin, rows, strict=True)
        )

    def same_as(self, other: Grid) -> bool:
        """Say whether two grids have the same voxels: equal sizes, and corners at the same places."""
        if self.size != other.size:
            return False
        side = len(self.size)
        corners = [
            [0] * side,
            *([self.size[a] - 1 if a == b else 0 for b in range(side)] for a in range(side)),
        ]
        allowed = GRID_TOLERANCE * min(self.spacing)
        return math.dist(self.spacing, other.spacing) <= allowed and all(
            math.dist(self.place(corner), other.place(corner)) <= allowed for corner in corners
        )

    def continues(self, other: Grid) -> bool:
        """Say whether two grids are boxes of one lattice: the voxels of each lie where voxels of the other go on.

        Axes may run the other way or in another order; that is how a segmentation cropped to its segments lies in its
        scan.
        """
        import numpy as np

        axes, others = (np.reshape(grid.direction, (3, 3)) for grid in (self, other))
        steps = axes.T @ others * other.spacing / np.array(self.spacing)[:, None]
        if sorted(np.abs(np.round(steps)).ravel().tolist()) != [0.0] * 6 + [1.0] * 3:
            return False
        corners = itertools.product(*((0, size - 1) for size in other.size))
        places = (np.array([other.place(corner) for corner in corners]) - self.origin) @ axes / self.spacing
        return bool(np.abs(places - np.round(places)).max() <= LATTICE_TOLERANCE)

    def __str__(self) -> str:
        """Return the grid in words: size, spacing, origin, and the direction where it is not the identity."""
        size = " × ".join(str(n) for n in self.size)
        spacing = " × ".join(f"{mm:.5g}" for mm in self.spacing)
        words = f"{size} voxels of {spacing} mm from ({', '.join(f'{mm:.6g}' for mm in self.origin)})"
        diagonal = len(self.size) + 1
        if any(abs(cosine - (place % diagonal == 0)) > 1e-4 for place, cosine in enumerate(self.direction)):
            words += f" along ({', '.join(f'{cosine:.4g}' for cosine in self.direction)})"
        return words

    def refuse_implausible(self, name: str) -> None:
        """Raise `CaseError` unless spacings are what a CT has and the axes are perpendicular.

        The one rule for all formats, after their own: an instance of it is a header in cm or micrometres.
        """
        if not all(math.isfinite(mm) for mm in (*self.spacing, *self.origin, *self.direction)):
            raise CaseError(
                f"{name}: its header gives a spacing, origin or direction that is no finite number"
            )
        if not all(SPACING_MM[0] <= mm <= SPACING_MM[1] for mm in self.spacing):
            spacing = " × ".join(f"{mm:.5g}" for mm in self.spacing)
            raise CaseError(
                f"{name}: a voxel spacing of {spacing} mm is not that of a CT ({SPACING_MM[0]} to {SPACING_MM[1]:g} mm "
                "along each axis); correct the header, or its unit"
            )
        refuse_sheared(name, self.direction)


def refuse_sheared(name: str, direction: Sequence[float]) -> None:
    """Raise `CaseError` unless the columns of a 3 × 3 direction matrix (by rows) are perpendicular unit vectors."""
    columns = [direction[axis::3] for axis in range(3)]
    for one in range(3):
        for other in range(one, 3):
            product = sum(a * b for a, b in zip(columns[one], columns[other], strict=True))
            if not abs(product - (one == other)) <= PERPENDICULAR:
                raise CaseError(
                    f"{name}: its axes are sheared, or no unit vectors; resample it to a rectangular grid first"
                )


def same_grid(a: sitk.Image, b: sitk.Image) -> bool:
    """Say whether two images have the same voxels: equal sizes, and corners at the same places in mm."""
    return Grid.of(a).same_as(Grid.of(b))


def refuse_other_grid(image: sitk.Image | Grid, mask: sitk.Image | Grid, name: str = "the mask") -> None:
    """Raise `CaseError` with both grids if `mask` does not lie on the grid of `image`."""
    wanted, found = (item if isinstance(item, Grid) else Grid.of(item) for item in (image, mask))
    if not found.same_as(wanted):
        raise CaseError(
            f"{name} is on another grid than the image: {found} against "
            f"{wanted}; resample it, or have it resampled: `cacbench score --resample-mask`, in a study "
            "`resample_mask: true` of a manifest cohort"
        )


def laid_on(mask: sitk.Image, image: sitk.Image, name: str, *, resample: bool = False) -> sitk.Image:
    """Return a label image of the image's lattice on the image's very grid, background where it has no voxel.

    With `resample` it may be of another lattice (nearest neighbour). Raises `CaseError` with both grids otherwise,
    and if a labelled voxel lies outside the image: the mask is then another scan's.
    """
    import SimpleITK as sitk

    if not (resample or Grid.of(image).continues(Grid.of(mask))):
        refuse_other_grid(image, mask, name)
    laid = resample_mask_to(mask, image)
    if not resample:
        labelled, kept = (int((sitk.GetArrayViewFromImage(each) > 0).sum()) for each in (mask, laid))
        if kept < labelled:
            lost = f"{labelled - kept} of its {labelled} labelled voxels"
            raise CaseError(f"{name}: {lost} lie outside the scan; it is another scan's")
    return laid


def crop_to_roi(
    image: sitk.Image, roi: sitk.Image, margin_mm: float = 0.0, margin_voxels: int = 0
) -> tuple[sitk.Image, sitk.Image]:
    """Return image and ROI cropped to the box of the ROI's non-zero voxels, with a margin on every side.

    The margin is the larger of the two, in whole voxels per axis, cut at the image's border; positions in mm
    are kept. Raises `CaseError` if the ROI is empty.
    """
    import numpy as np
    import SimpleITK as sitk

    inside = sitk.GetArrayViewFromImage(roi) != 0
    low, high = [0, 0, 0], [0, 0, 0]
    for axis in (2, 1, 0):  # slices first: each axis narrows what the next one has to look through
        along = 2 - axis
        occupied = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != along)))
        if not occupied.size:
            raise CaseError("the ROI is empty")
        first, last = int(occupied[0]), int(occupied[-1])
        inside = inside[
            tuple(slice(first, last + 1) if other == along else slice(None) for other in range(3))
        ]
        margin = max(margin_voxels, math.ceil(margin_mm / roi.GetSpacing()[axis] - 1e-6))
        low[axis], high[axis] = max(0, first - margin), min(roi.GetSize()[axis], last + 1 + margin)
    extent = [end - start for start, end in zip(low, high, strict=True)]
    return sitk.RegionOfInterest(image, extent, low), sitk.RegionOfInterest(roi, extent, low)


def resample(image: sitk.Image, spacing: Sequence[float], linear: bool = True) -> sitk.Image:
    """Return the image on a grid of `spacing` (x, y, z) mm filling the same box within half a voxel.

    The grids share their centre. Interpolation is linear, or nearest neighbour for label images; beyond the
    outermost voxel centres the nearest voxel goes on. Linear values are 32-bit floats, since ITK would cut
    the fractions off integers.
    """
    import numpy as np
    import SimpleITK as sitk

    old, new = np.array(image.GetSpacing()), np.array(spacing, float)
    size = np.maximum(1, np.round(np.array(image.GetSize()) * old / new)).astype(int)
    first = (np.array(image.GetSize()) - 1) / 2 - (size - 1) / 2 * new / old
    return sitk.Resample(
        image,
        size.tolist(),
        sitk.Transform(),
        sitk.sitkLinear if linear else sitk.sitkNearestNeighbor,
        image.TransformContinuousIndexToPhysicalPoint(first.tolist()),
        new.tolist(),
        image.GetDirection(),
        0.0,
        sitk.sitkFloat32 if linear else image.GetPixelID(),
        True,
    )


def resample_mask_to(mask: sitk.Image, image: sitk.Image) -> sitk.Image:
    """Return the label image on the grid of `image` (nearest neighbour; background beyond its border)."""
    import SimpleITK as sitk

    return sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0, mask.GetPixelID())


def slice_thickness(image: sitk.Image) -> float | None:
    """Return the slice thickness in mm that the image's DICOM series stated; None where there is none to know."""
    return float(image.GetMetaData(SLICE_THICKNESS)) if image.HasMetaDataKey(SLICE_THICKNESS) else None


def tube_voltage(image: sitk.Image) -> float | None:
    """Return the tube voltage in kV that the image's DICOM series stated; None where there is none to know."""
    return float(image.GetMetaData(TUBE_KV)) if image.HasMetaDataKey(TUBE_KV) else None


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, ...] | None:
    """Return the slices of the smallest box around the true voxels, or None where there is none."""
    import numpy as np

    box = []
    for axis in range(mask.ndim):
        hit = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        if not hit.size:
            return None
        box.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return tuple(box)
