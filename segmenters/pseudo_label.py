"""The cohort's own mask with the errors of a segmenter, others in every scan: what a pseudo-label is like.

arXiv 2510.25347 learns inside masks that TotalSegmentator found, and 3.7 % of its scans had none. Pseudo-labels lie a
little beside the vessels, lose thin far branches, are too wide or too narrow, and hold bits of other structures.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.case import Scan
from benchmark.errors import CaseError
from benchmark.execution.seeds import derive_seed
from benchmark.plugins import Segmenter
from segmenters.reference import ReferenceSegmenter

if TYPE_CHECKING:
    import SimpleITK as sitk

DENSE_HU = 250
"""From here on a voxel outside heart and aorta is taken for bone, of which a stray bit may be."""
STRAY_RADIUS_MM = (2.0, 6.0)


class PseudoLabelSegmenter(Segmenter):
    """Takes a reference mask and makes a segmenter's errors: cut, grown or shrunk, shifted, with stray bits.

    What happens to a scan is drawn from a seed that derives from the mask itself, so it depends neither on the case's
    name nor on the label, and a scan has the same errors in every study.
    """

    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy", "SimpleITK")

    mask: str = Field("coronary", description="which of the scan's masks")
    seed: int | str = Field(0, description="name of the random streams; another seed, other errors")
    failures: float = Field(0.04, ge=0, lt=1, description="share of scans in which nothing is found")
    truncation_mm: float = Field(30.0, ge=0, description="most that is cut off the far end of every branch")
    shrinkage_mm: float = Field(0.5, ge=0, description="most by which the surface moves inwards")
    growth_mm: float = Field(1.5, ge=0, description="most by which the surface moves outwards")
    shift_mm: float = Field(0.7, ge=0, description="standard deviation of the shift along each axis")
    strays: float = Field(1.0, ge=0, le=20, description="mean number of bits of aorta, heart and bone")
    dilation_mm: float = Field(
        0.0,
        ge=0,
        description="by which the whole of it is then widened, as one does to win back what is missed",
    )

    @property
    def masks_needed(self) -> tuple[str, ...]:
        """The mask that it takes."""
        return (self.mask,)

    def segment(self, scan: Scan) -> sitk.Image:
        """Return the mask with its errors on the scan's grid.

        Raises `CaseError` if the scan has no such mask, if nothing is left of it, and in the declared share of scans.
        """
        exact = ReferenceSegmenter(mask=self.mask).segment(scan)
        rng = self._rng(exact)
        if rng.random() < self.failures:
            raise CaseError(
                f"no vessel was found: one of the {self.failures:.1%} of scans in which pseudo_label fails"
            )
        found = _shifted(self._deformed(scan, rng), rng.normal(0, self.shift_mm, 3))
        found = _with_strays(scan, found, rng, int(rng.poisson(self.strays)))
        return ReferenceSegmenter(dilation_mm=self.dilation_mm).segment(Scan(scan.image, {"coronary": found}))

    def _rng(self, exact: sitk.Image) -> np.random.Generator:
        import SimpleITK as sitk

        voxels = hashlib.sha256(np.ascontiguousarray(sitk.GetArrayViewFromImage(exact)).tobytes()).hexdigest()
        return np.random.default_rng(derive_seed(self.seed, "pseudo-label", voxels))

    def _deformed(self, scan: Scan, rng: np.random.Generator) -> sitk.Image:
        """Return the mask cut at its far ends and either shrunk or grown."""
        move = rng.uniform(-self.shrinkage_mm, self.growth_mm)
        return ReferenceSegmenter(
            mask=self.mask,
            distal_truncation_mm=rng.uniform(0, self.truncation_mm),
            erosion_mm=max(-move, 0.0),
            dilation_mm=max(move, 0.0),
        ).segment(scan)


def _shifted(mask: sitk.Image, by_mm: NDArray[np.float64]) -> sitk.Image:
    """Return the mask moved by (x, y, z) mm; what leaves the scan is lost."""
    import SimpleITK as sitk

    moved = sitk.Resample(mask, sitk.TranslationTransform(3, (-by_mm).tolist()), sitk.sitkNearestNeighbor)
    if not sitk.GetArrayViewFromImage(moved).any():
        raise CaseError("nothing of the pseudo-label lies in the scan after its shift")
    return moved


def _with_strays(scan: Scan, found: sitk.Image, rng: np.random.Generator, count: int) -> sitk.Image:
    """Return the mask with balls around random voxels of other structures, labelled as a random voxel of it."""
    import SimpleITK as sitk

    if not count:
        return found
    labels = sitk.GetArrayFromImage(found)
    structures = _structures(scan)
    spacing = np.asarray(found.GetSpacing()[::-1])
    known = labels[labels > 0]
    for _ in range(count):
        places = structures[rng.integers(len(structures))] if structures else np.empty(0, np.intp)
        if len(places):
            centre = np.unravel_index(places[rng.integers(len(places))], labels.shape)
            _stamp(labels, np.asarray(centre), spacing, rng.uniform(*STRAY_RADIUS_MM), rng.choice(known))
    changed = sitk.GetImageFromArray(labels)
    changed.CopyInformation(found)
    return changed


def _structures(scan: Scan) -> list[NDArray[np.intp]]:
    """Return the places (flat indices) of aorta and heart, where the scan has their masks, and of bone."""
    import SimpleITK as sitk

    masks = [
        sitk.GetArrayViewFromImage(scan.masks[name]) > 0 for name in ("aorta", "heart") if name in scan.masks
    ]
    bone = sitk.GetArrayViewFromImage(scan.image) >= DENSE_HU
    for mask in masks:
        bone = bone & ~mask
    return [np.flatnonzero(mask) for mask in (*masks, bone)]


def _stamp(
    labels: NDArray[np.integer],
    centre: NDArray[np.intp],
    spacing: NDArray[np.float64],
    radius_mm: float,
    label: int,
) -> None:
    """Put a ball into `labels` (z, y, x), where it holds nothing yet."""
    reach = np.ceil(radius_mm / spacing).astype(int)
    box = tuple(slice(max(0, c - r), c + r + 1) for c, r in zip(centre, reach, strict=True))
    offsets = np.meshgrid(
        *(
            (np.arange(s.start, min(s.stop, n)) - c) * mm
            for s, n, c, mm in zip(box, labels.shape, centre, spacing, strict=True)
        ),
        indexing="ij",
    )
    inside = sum(axis**2 for axis in offsets) <= radius_mm**2
    labels[box] = np.where(inside & (labels[box] == 0), label, labels[box])
