"""Describes found lesions as wholes, in three dimensions: size, density, shape, and how sure the network was.

A network that labels one slice at a time cannot see that a stent is a tube as thick and as dense at its ends as in its
middle, nor that two voxels it is half sure of stand alone. Ours; not of the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segmenters.denseraunet.slices import axial

if TYPE_CHECKING:
    import SimpleITK as sitk

FEATURES = (
    "log volume (mm³)", "log maximum HU", "log mean HU", "log 90th percentile of HU", "log deviation of HU",
    "log longest axis (mm)", "log middle axis (mm)", "log shortest axis (mm)", "log length (mm)", "slices",
    "variation of mass along the axis", "peak of mass along the axis", "log mass of a section",
    "share of full sections", "variation of maxima along the axis", "mean probability", "maximum probability",
)  # fmt: skip
SECTION_MM = 2.0
"""Length of the sections across the longest axis whose masses are compared."""
FULL = 0.3
"""Share of the heaviest section's mass from which a section is full."""
BACKGROUND_HU = 100.0
"""The excess over this is a voxel's mass: less than the lowest HU of calcium, so that every voxel weighs something."""


def label_lesions(called: sitk.Image) -> sitk.Image:
    """Return the number of each voxel's lesion, from 1 on. Voxels that touch (26 neighbours) are of one lesion."""
    import SimpleITK as sitk

    return sitk.ConnectedComponent(called, True)


def describe(image: sitk.Image, probability: sitk.Image, labels: sitk.Image) -> NDArray[np.float64]:
    """Return a row of `FEATURES` for each lesion, (lesion, feature), in the order of their numbers."""
    import SimpleITK as sitk
    from scipy import ndimage

    lying = axial(labels)
    spacing = lying.GetSpacing()[::-1]
    hu, p = (sitk.GetArrayFromImage(axial(each)) for each in (image, probability))
    numbers, rows = sitk.GetArrayFromImage(lying).astype(np.int32), []
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        inside = numbers[box] == number
        points = np.argwhere(inside) * np.asarray(spacing)
        rows.append(_of_lesion(points, hu[box][inside].astype(float), p[box][inside], spacing))
    return np.array(rows, dtype=float).reshape(-1, len(FEATURES))


def _of_lesion(
    points: NDArray[np.float64],
    hu: NDArray[np.float64],
    probability: NDArray[np.floating],
    spacing: Sequence[float],
) -> list[float]:
    """Return one lesion's row from its voxels' centres (n, 3) in mm, HU and probabilities (n)."""
    mass = np.maximum(hu - BACKGROUND_HU, 1)
    axes, along = _axes(points, mass, spacing)
    return [
        np.log(len(hu) * np.prod(spacing)),
        *np.log([hu.max(), hu.mean(), np.quantile(hu, 0.9), hu.std() + 5]),
        *np.log(axes),
        np.log(np.ptp(along) + 1),
        len(np.unique(points[:, 0])),
        *_along_the_axis(along, mass),
        float(probability.mean()),
        float(probability.max()),
    ]


def _axes(
    points: NDArray[np.float64], mass: NDArray[np.float64], spacing: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the deviations of mass (mm) along the principal axes, longest first, and each voxel's place on that one.

    A voxel is a box, not a point: its own extent is added, so that a single one has axes, too.
    """
    away = points - np.average(points, axis=0, weights=mass)
    own = np.diag(np.square(spacing) / 12)
    values, vectors = np.linalg.eigh((away * (mass / mass.sum())[:, None]).T @ away + own)
    return np.sqrt(values[::-1]), away @ vectors[:, 2]


def _along_the_axis(along: NDArray[np.float64], mass: NDArray[np.float64]) -> list[float]:
    """Return how evenly mass and density lie along the longest axis, in sections of `SECTION_MM`, at least 3."""
    start, length = along.min(), float(np.ptp(along))
    count = max(3, round(length / SECTION_MM))
    section = np.minimum(((along - start) / (length + 1e-6) * count).astype(int), count - 1)
    masses = np.bincount(section, mass, minlength=count)
    highest = np.zeros(count)
    np.maximum.at(highest, section, mass)
    inner = masses[1:-1] if count > 3 else masses
    return [
        _variation(inner),
        float(masses.max() / masses.mean()),
        float(np.log(masses.mean())),
        float((masses > FULL * masses.max()).mean()),
        _variation(highest),
    ]


def _variation(values: NDArray[Any]) -> float:
    """Return the coefficient of variation; 0 where there is nothing."""
    mean = values.mean()
    return float(values.std() / mean) if mean > 0 else 0.0
