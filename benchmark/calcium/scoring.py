"""Calcium scoring: Agatston, volume and mass score, lesion count.

Agatston et al., J Am Coll Cardiol 1990;15:827 (Agatston score); Callister et al., Radiology 1998;208:807
(volume); Hong et al., AJR 2003;181:1539 (mass).

Candidates are the voxels of the region at or above the threshold, and not above the ceiling. They are joined to
components slice by slice (in the plane), and a component smaller than the minimum area does not count. A component
that reaches over two labels of the mask is not cut: it counts whole, for the label that holds most of its pixels (the
lower label in a tie). The total therefore does not depend on how the mask is divided, and it is the sum of
the regions. A lesion is a set of counted components that touch in three dimensions; one that reaches over
two regions counts as a lesion of each, and once in the total.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from benchmark.calcium.risk import risk_band
from benchmark.plugins.declaration import Declaration

if TYPE_CHECKING:
    import SimpleITK as sitk

WHOLE_IMAGE_NOTE = (
    "No mask was given: the whole image is the region, so bone and other dense matter count as calcium."
)


class CalciumScoring(Declaration):
    """The conventions of a score; vendors differ in them, so they travel with every result."""

    threshold_hu: float = Field(
        130.0, gt=0, description="lowest HU of calcium; 130 at 120 kVp, 147 at 100 kVp"
    )
    ceiling_hu: float = Field(
        3071.0,
        gt=0,
        description="highest HU of calcium; above the end of a 12-bit scale are padding and metal",
    )
    connectivity: Literal[4, 8] = Field(
        8, description="neighbours that join pixels of a slice; 8 joins 26 in 3-D, 4 joins 6"
    )
    minimum_area_mm2: float = Field(
        1.0, ge=0, description="area in mm² below which a component of a slice does not count"
    )
    weight_bounds_hu: tuple[float, float, float] = Field(
        (200.0, 300.0, 400.0),
        description="maximum HU of a component from which its Agatston weight is 2, 3 and 4",
    )
    slice_increment_mm: float | None = Field(
        None, gt=0, description="distance between slices in mm; none: the image's own spacing"
    )
    reference_increment_mm: float | None = Field(
        3.0, gt=0, description="increment in mm that Agatston areas are scaled to; none: no scaling"
    )
    mass_calibration: float = Field(
        0.77, gt=0, description="µg of hydroxyapatite per mm³ and HU; scanners have 0.72 to 0.82 at 120 kVp"
    )

    @field_validator("weight_bounds_hu")
    @classmethod
    def _ascending(cls, bounds: tuple[float, float, float]) -> tuple[float, float, float]:
        if list(bounds) != sorted(bounds):
            raise ValueError("the bounds of the weights must ascend")
        return bounds


STANDARD = CalciumScoring()


class RegionScore(BaseModel):
    """The scores of one label of the mask, or of all of them (`label` is then None)."""

    model_config = ConfigDict(frozen=True)

    label: int | None
    name: str
    agatston: float
    volume_mm3: float
    mass_mg: float
    lesions: int
    max_hu: float | None = Field(description="highest HU of the counted calcium; none where nothing counts")
    risk_band: str


class CalciumScore(BaseModel):
    """The scores of every region and of all together, with the parameters that made them."""

    model_config = ConfigDict(frozen=True)

    regions: tuple[RegionScore, ...]
    total: RegionScore
    parameters: CalciumScoring
    note: str = Field("", exclude_if=lambda note: not note)

    def to_json(self) -> str:
        """Return the JSON object with ``regions``, ``total``, ``parameters`` and, if any, a ``note``."""
        return self.model_dump_json(indent=2)


def score(
    image: sitk.Image,
    mask: sitk.Image | None = None,
    scoring: CalciumScoring = STANDARD,
    names: Mapping[int, str] | None = None,
) -> CalciumScore:
    """Score the calcium of a CT image in HU, one region per label of `mask`.

    Slices are axial: across the image axis closest to the patient's long axis. `mask` is an integer label
    image on the image's grid (0 is background); without it the whole image is one region. `names` maps
    labels to names; a label named there but absent from the mask is reported with zeros. Raises `CaseError`
    if the grids differ.
    """
    _refuse_other_grid(image, mask)
    increment, pixel_area = slice_geometry(image)
    scoring = scoring.model_copy(update={"slice_increment_mm": scoring.slice_increment_mm or increment})
    found = _find(image, mask, scoring, pixel_area)
    if mask is None:
        names = {1: "whole image"}
    named = {int(label): f"label {label}" for label in _labels(mask)} | dict(names or {})
    return CalciumScore(
        regions=tuple(
            _summarise(found.of(label), label, named[label], scoring, pixel_area) for label in sorted(named)
        ),
        total=_summarise(found, None, "total", scoring, pixel_area),
        parameters=scoring,
        note=WHOLE_IMAGE_NOTE if mask is None else "",
    )


def calcium_mask(
    image: sitk.Image, mask: sitk.Image | None = None, scoring: CalciumScoring = STANDARD
) -> sitk.Image:
    """Return the voxels that count as calcium as a label image (uint8, 0 or 1) on the image's grid."""
    import SimpleITK as sitk

    _refuse_other_grid(image, mask)
    found = _find(image, mask, scoring, slice_geometry(image)[1])
    voxels = np.zeros(image.GetSize()[::-1], np.uint8)
    np.moveaxis(voxels, _slice_axis(image), 0)[tuple(found.voxels)] = 1
    result = sitk.GetImageFromArray(voxels)
    result.CopyInformation(image)
    return result


@dataclass(frozen=True)
class _Calcium:
    """The counted components (one row each) and their voxels; slices are the first axis."""

    label: NDArray[np.int64]
    pixels: NDArray[np.int64]
    hu_sum: NDArray[np.float64]
    hu_max: NDArray[np.float64]
    lesion: NDArray[np.int64]
    voxels: NDArray[np.int64]

    def of(self, label: int) -> _Calcium:
        """Return the components that belong to one label."""
        own = self.label == label
        rows = ("label", "pixels", "hu_sum", "hu_max", "lesion")
        return replace(self, **{name: getattr(self, name)[own] for name in rows})


def _summarise(
    found: _Calcium, label: int | None, name: str, scoring: CalciumScoring, pixel_area: float
) -> RegionScore:
    assert scoring.slice_increment_mm is not None  # noqa: S101  `score` has filled it in
    increment = scoring.slice_increment_mm
    weight = 1 + np.searchsorted(scoring.weight_bounds_hu, found.hu_max, side="right")
    scale = increment / scoring.reference_increment_mm if scoring.reference_increment_mm else 1.0
    agatston = float((found.pixels * weight).sum()) * pixel_area * scale
    return RegionScore(
        label=label,
        name=name,
        agatston=agatston,
        volume_mm3=int(found.pixels.sum()) * pixel_area * increment,
        mass_mg=float(found.hu_sum.sum()) * pixel_area * increment * scoring.mass_calibration / 1000,
        lesions=len(np.unique(found.lesion)),
        max_hu=float(found.hu_max.max()) if found.hu_max.size else None,
        risk_band=risk_band(agatston),
    )


def _find(image: sitk.Image, mask: sitk.Image | None, scoring: CalciumScoring, pixel_area: float) -> _Calcium:
    """Find the components that count and what is scored of each."""
    hu, labels = slices_first(image), None if mask is None else slices_first(mask)
    candidate = (hu >= scoring.threshold_hu) & (hu <= scoring.ceiling_hu)
    if labels is not None:
        candidate &= labels > 0
    voxels, component, lesion_of_voxel = _join(candidate, scoring, pixel_area)
    n = int(component.max(initial=-1)) + 1
    values = hu[tuple(voxels)].astype(np.float64)
    hu_max, lesion = np.full(n, -np.inf), np.zeros(n, np.int64)
    np.maximum.at(hu_max, component, values)
    lesion[component] = lesion_of_voxel
    return _Calcium(
        label=_owners(component, None if labels is None else labels[tuple(voxels)], n),
        pixels=np.bincount(component, minlength=n),
        hu_sum=np.bincount(component, values, n).astype(np.float64),
        hu_max=hu_max,
        lesion=lesion,
        voxels=voxels,
    )


def _join(
    candidate: NDArray[np.bool_], scoring: CalciumScoring, pixel_area: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the voxels that count, shape (3, n), and the component (from 0) and lesion of each.

    Works in the box of the candidates, so that a small region costs little.
    """
    from scipy import ndimage

    voxels = np.array(np.nonzero(candidate))
    if not voxels.size:
        return voxels, voxels[0], voxels[0]
    corner, end = voxels.min(axis=1), voxels.max(axis=1) + 1
    box = candidate[tuple(slice(low, high) for low, high in zip(corner, end, strict=True))]
    place = voxels - corner[:, None]
    neighbours = ndimage.generate_binary_structure(3, 3 if scoring.connectivity == 8 else 1)
    in_plane = neighbours & np.array([False, True, False])[:, None, None]
    component = ndimage.label(box, in_plane)[0][tuple(place)] - 1
    # Spacings stored as 32-bit floats must not push an area of exactly the minimum below it.
    counts = np.bincount(component) * pixel_area >= scoring.minimum_area_mm2 * (1 - 1e-6)
    keep = counts[component]
    counted = np.zeros_like(box)
    counted[tuple(place[:, keep])] = True
    lesion = ndimage.label(counted, neighbours)[0][tuple(place[:, keep])]
    return voxels[:, keep], (np.cumsum(counts) - 1)[component[keep]], lesion


def _owners(component: NDArray[np.int64], labels: NDArray[Any] | None, n: int) -> NDArray[np.int64]:
    """Return for each component the label that holds most of its pixels, the lower one in a tie."""
    if labels is None or n == 0:
        return np.ones(n, np.int64)
    present, index = np.unique(labels, return_inverse=True)
    votes = np.bincount(component * len(present) + index, minlength=n * len(present)).reshape(n, len(present))
    return np.asarray(present[votes.argmax(axis=1)], np.int64)


def _labels(mask: sitk.Image | None) -> NDArray[Any]:
    if mask is None:
        return np.ones(1, np.int64)
    present = np.unique(slices_first(mask))
    return present[present > 0]


def _slice_axis(image: sitk.Image) -> int:
    """Return the array axis closest to the patient's long axis."""
    along = np.abs(image.GetDirection()[6:9])
    return int(along[::-1].argmax())


def slices_first(image: sitk.Image) -> NDArray[Any]:
    """Return a view on the voxels with the axial slices along the first axis."""
    import SimpleITK as sitk

    return np.moveaxis(sitk.GetArrayViewFromImage(image), _slice_axis(image), 0)


def slice_geometry(image: sitk.Image) -> tuple[float, float]:
    """Return the slice increment in mm and the pixel area in mm²."""
    spacing = list(image.GetSpacing()[::-1])
    increment = spacing.pop(_slice_axis(image))
    return increment, spacing[0] * spacing[1]


def _refuse_other_grid(image: sitk.Image, mask: sitk.Image | None) -> None:
    if mask is not None:
        from benchmark.images.geometry import refuse_other_grid

        refuse_other_grid(image, mask)
