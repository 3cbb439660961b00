"""What the second look knows of a found lesion as a whole, one figure each. Ours; not of the paper.

A network that labels one slice at a time cannot see that a stent is a tube as thick and as dense at its ends as in its
middle, that two voxels it is half sure of stand alone in much noise, or that a spot is the edge of a rib.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segmenters.denseraunet.lesions import (
    BLUR_MM,
    CANDIDATE_HU,
    TISSUE_ABOVE_HU,
    Floats,
    FoundLesion,
    Numbers,
    cut_out,
    lying_arrays,
)

if TYPE_CHECKING:
    import SimpleITK as sitk

ITSELF = (
    "log volume (mm³)",
    "log maximum HU",
    "log mean HU",
    "log 90th percentile of HU",
    "log deviation of HU",
    "log longest axis (mm)",
    "log middle axis (mm)",
    "log shortest axis (mm)",
    "mean probability",
    "maximum probability",
)
COURSE = (
    "log mass (HU mm³)",
    "log highest mass per mm",
    "log width at half of it (mm)",
    "variation of mass within the width",
    "kurtosis of mass along the axis",
    "width over deviation",
    "log deviation across the axis (mm)",
)
SURROUNDINGS = (
    "log share of the candidate it is of",
    "share of candidates around it",
    "HU of the tissue around it",
    "log noise (HU)",
    "log peak over noise",
)
COMPANY = ("log volume of the others (mm³)", "log distance to the nearest (mm)", "log number of lesions")
FEATURES = (*ITSELF, *COURSE, *SURROUNDINGS, *COMPANY)
SECTION_MM = 2.0
"""Length of the sections across the longest axis whose masses are compared."""
ALONE_MM = 100.0
"""Distance to the nearest lesion where there is none, or none so near."""


def describe(image: sitk.Image, probability: sitk.Image, labels: sitk.Image) -> NDArray[np.float64]:
    """Return a row of `FEATURES` for each lesion, (lesion, feature), in the order of their numbers."""
    hu, p, numbers, spacing = lying_arrays(image, probability, labels)
    lesions = cut_out(hu, p, numbers, spacing)
    noise, shares = noise_hu(hu), _shares_of_candidates(hu, numbers)
    company = _company(numbers, spacing, len(lesions))
    rows = [
        [*_itself(lesion), *_course(lesion), np.log(share), *_surroundings(lesion, noise), *others]
        for lesion, share, others in zip(lesions, shares, company, strict=True)
    ]
    return np.array(rows, dtype=float).reshape(-1, len(FEATURES))


def _itself(lesion: FoundLesion) -> list[float]:
    hu, probability = lesion.hu[lesion.inside], lesion.probability[lesion.inside]
    _, deviations, _ = lesion.axes
    return [
        np.log(len(hu) * np.prod(lesion.spacing)),
        *np.log([hu.max(), hu.mean(), np.quantile(hu, 0.9), hu.std() + 5]),
        *np.log(deviations),
        float(probability.mean()),
        float(probability.max()),
    ]


def _course(lesion: FoundLesion) -> list[float]:
    """Return how mass lies along the longest axis: a tube is as heavy at its ends as in its middle, a grain is not."""
    along, across, mass = _mass_about_the_axis(lesion)
    per_mm, section = _mass_per_mm(along, mass)
    full = np.flatnonzero(per_mm >= per_mm.max() / 2)
    width, within = (full[-1] - full[0] + 1) * section, per_mm[full[0] : full[-1] + 1]
    share = np.maximum(mass, 0) / max(float(np.maximum(mass, 0).sum()), 1e-6)
    off = along - share @ along
    variance = max(float(share @ off**2), 0.1)
    return [
        float(np.log(max(mass.sum(), 1))),
        float(np.log(max(per_mm.max(), 1))),
        float(np.log(width)),
        float(within.std() / max(within.mean(), 1)),
        float(share @ off**4) / variance**2,
        float(width / np.sqrt(variance)),
        float(np.log(np.sqrt(share @ across**2) + 0.1)),
    ]


def _mass_about_the_axis(lesion: FoundLesion) -> tuple[Floats, Floats, Floats]:
    """Return each counted voxel's place along the longest axis and distance from it in mm, and its mass in HU mm³.

    Counted is all that lies within the blur's reach, less the tissue, so that blur and motion move mass and lose none.
    """
    counted = (lesion.distance_mm <= BLUR_MM) & (lesion.hu > TISSUE_ABOVE_HU) & ~lesion.others
    mass = (lesion.hu[counted] - lesion.tissue_hu) * float(np.prod(lesion.spacing))
    centre, _, axis = lesion.axes
    away = np.argwhere(counted) * lesion.spacing - centre
    along = away @ axis
    return along, np.linalg.norm(away - along[:, None] * axis, axis=1), mass


def _mass_per_mm(along: Floats, mass: Floats) -> tuple[Floats, float]:
    """Return mass per mm of each section, smoothed (quarter, half, quarter) and at least 0, and a section's length."""
    start, extent = along.min() - 0.4, float(np.ptp(along)) + 0.8
    count = max(3, int(np.ceil(extent / SECTION_MM)))
    section = np.minimum(((along - start) / extent * count).astype(int), count - 1)
    per_mm = np.bincount(section, mass, minlength=count) / (extent / count)
    return np.maximum(np.convolve(per_mm, [0.25, 0.5, 0.25], "same"), 0), extent / count


def _surroundings(lesion: FoundLesion, noise: float) -> list[float]:
    near = (lesion.distance_mm > 0) & (lesion.distance_mm <= BLUR_MM)
    peak = (lesion.hu[lesion.inside].max() - lesion.tissue_hu) / noise
    return [
        float((lesion.hu[near] >= CANDIDATE_HU).mean()) if near.any() else 0.0,
        lesion.tissue_hu,
        float(np.log(noise)),
        float(np.log(max(peak, 0.1))),
    ]


def noise_hu(hu: Numbers) -> float:
    """Return the scan's noise, at least 1 HU: the robust deviation between slices where both show soft tissue."""
    soft = (hu > -50) & (hu < 150)
    both = soft[1:] & soft[:-1]
    steps = np.abs(hu[1:][both].astype(float) - hu[:-1][both])
    return max(float(np.median(steps)) * 1.4826 / np.sqrt(2), 1.0) if steps.size else 1.0


def _shares_of_candidates(hu: Numbers, numbers: NDArray[np.int32]) -> Floats:
    """Return which share of the connected voxels from 130 HU on each lesion is: of a rib, only an edge is found."""
    from scipy import ndimage

    candidates, _ = ndimage.label((hu >= CANDIDATE_HU) | (numbers > 0), np.ones((3, 3, 3)))
    sizes = np.bincount(candidates.ravel())
    first = dict(zip(numbers[numbers > 0], candidates[numbers > 0], strict=True))
    lesion_sizes = np.bincount(numbers.ravel())[1:]
    return np.array([lesion_sizes[n - 1] / sizes[first[n]] for n in range(1, len(lesion_sizes) + 1)])


def _company(numbers: NDArray[np.int32], spacing: Floats, count: int) -> list[list[float]]:
    """Return what each lesion has beside it: who has much calcium, has more."""
    from scipy.spatial.distance import cdist

    if not count:
        return []
    places = np.nonzero(numbers)
    number = numbers[places] - 1
    voxels = np.bincount(number, minlength=count)
    volumes = voxels * float(np.prod(spacing))
    centres = np.stack([np.bincount(number, axis, count) / voxels for axis in places], axis=1) * spacing
    away = cdist(centres, centres) + np.diag(np.full(count, np.inf))
    nearest = np.minimum(away.min(axis=1), ALONE_MM)
    return [
        [float(np.log1p(volumes.sum() - volume)), float(np.log(max(near, 0.1))), float(np.log(count))]
        for volume, near in zip(volumes, nearest, strict=True)
    ]
