"""COCA's drawn lesions: an Apple property list per scan, polygons in pixels, turned into a label mask.

Conventions, checked on 91 regions of the data set: ImageIndex counts from 0 with z ascending; x is the column and
y the row; Point_mm = ImagePositionPatient + (Point_px - 0.5) · spacing; a pixel belongs to a region if its integer
(column, row) lies in the polygon of Point_px (this gives the file's own count, minimum, maximum and mean in 88 of
91; pixel centres half a pixel off give none).
"""

from __future__ import annotations

import plistlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.case import Anomaly
from benchmark.errors import CaseError

if TYPE_CHECKING:
    import SimpleITK as sitk

VESSELS = {
    "Left Coronary Artery": 1,
    "Left Anterior Descending Artery": 2,
    "Left Circumflex Artery": 3,
    "Right Coronary Artery": 4,
}
"""The data set's names and the labels of the mask; its Left Coronary Artery is the left main."""
LABEL_NAMES = {"lesions": {1: "LM", 2: "LAD", 3: "LCx", 4: "RCA"}}
SMALLEST_MM2 = 1.0
"""Area below which the Agatston score does not count a lesion."""
POSITION_TOLERANCE_MM = 1.0

Points = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Region:
    """One drawn polygon: the slice (z ascending), the vessel, its corners (x, y) in pixels and (x, y, z) in mm."""

    slice_index: int
    vessel: str
    area_cm2: float
    pixels: Points
    millimetres: Points

    @property
    def empty(self) -> bool:
        """Whether nothing was drawn: a polygon needs three corners."""
        return len(self.pixels) < 3

    @property
    def called(self) -> str:
        """The vessel, if it is one that is known: the name of another may be anything."""
        return self.vessel if self.vessel in VESSELS else "an unknown vessel"

    def content(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return asdict(self)


def read_annotation(file: Path) -> tuple[Region, ...]:
    """Read the regions of one scan, empty ones included. Raises `CaseError` for a file of another format."""
    try:
        content = plistlib.loads(file.read_bytes(), fmt=plistlib.FMT_XML)
        return tuple(
            _region(int(image["ImageIndex"]), roi) for image in content["Images"] for roi in image["ROIs"]
        )
    except OSError as error:
        raise CaseError(f"the XML: cannot be read ({error.strerror})") from error
    except KeyError as error:
        raise CaseError(f"the XML: a drawn region lacks {error}; export it again") from error
    except Exception as error:  # plistlib and expat raise a dozen kinds on damaged text
        raise CaseError("the XML: not a property list of drawn regions; export it again") from error


def inspect(regions: Sequence[Region]) -> tuple[Anomaly, ...]:
    """Return what is odd about the regions of one scan."""
    met = []
    for region in regions:
        where = f"image {region.slice_index}, {region.called}"
        if region.empty:
            met.append(Anomaly("empty ROI", f"{where}: {len(region.pixels)} points"))
        elif region.area_cm2 * 100 < SMALLEST_MM2:
            met.append(Anomaly("ROI below 1 mm²", f"{where}: {region.area_cm2 * 100:.2g} mm²"))
        if region.vessel not in VESSELS:
            met.append(Anomaly("unknown vessel", where))
        if len(region.pixels) != len(region.millimetres):
            met.append(Anomaly("points in pixels and mm differ in number", where))
    for index in sorted({region.slice_index for region in regions}):
        mine = [region for region in regions if region.slice_index == index]
        if all(region.empty for region in mine):
            met += [Anomaly("image with only empty ROIs", f"image {index}: {len(mine)} ROIs")]
    if regions and all(region.empty for region in regions):
        met.append(Anomaly("XML with only empty ROIs", f"{len(regions)} ROIs; the label is 0"))
    return tuple(met)


def draw(regions: Sequence[Region], image: sitk.Image) -> tuple[sitk.Image, tuple[Anomaly, ...]]:
    """Return the regions as a label mask (uint8) on the image's grid, and what was met while drawing.

    Where two regions overlap the first one keeps its label. Raises `CaseError` if a region does not lie where
    the image is, or belongs to no known vessel.
    """
    import SimpleITK as sitk

    columns, rows, depth = image.GetSize()
    labels = np.zeros((depth, rows, columns), np.uint8)
    met = []
    for region in (region for region in regions if not region.empty):
        z = _slice(region, image)
        label = VESSELS.get(region.vessel)
        if label is None:
            raise CaseError(
                f"a lesion of image {region.slice_index} is drawn in an unknown vessel; name the vessel"
            )
        inside = _inside(region.pixels, rows, columns)
        where = f"image {region.slice_index}, {region.called}"
        if not inside.any():
            met.append(Anomaly("ROI without a pixel", where))
        if (other := inside & (labels[z] > 0) & (labels[z] != label)).any():
            met.append(Anomaly("overlapping ROIs", f"{where}: {int(other.sum())} pixels have another vessel"))
        labels[z][inside & (labels[z] == 0)] = label
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(image)
    return mask, tuple(met)


def _region(index: int, roi: dict[str, Any]) -> Region:
    return Region(
        slice_index=index,
        vessel=str(roi["Name"]),
        area_cm2=float(roi["Area"]),
        pixels=tuple(_numbers(point, 2) for point in roi["Point_px"]),
        millimetres=tuple(_numbers(point, 3) for point in roi["Point_mm"]),
    )


def _numbers(text: str, count: int) -> tuple[float, ...]:
    values = tuple(float(part) for part in text.strip().strip("()").split(","))
    if len(values) != count:
        raise ValueError(f"not a point of {count} numbers")
    return values


def _slice(region: Region, image: sitk.Image) -> int:
    """Return the array index of the region's slice. Raises `CaseError` if its points lie elsewhere in the patient."""
    depth = image.GetDepth()
    if not 0 <= region.slice_index < depth:
        raise CaseError(f"a lesion is drawn on image {region.slice_index}, but the series has {depth}")
    ascending = image.GetDirection()[8] > 0
    z = region.slice_index if ascending else depth - 1 - region.slice_index
    for (x, y), stated in zip(region.pixels, region.millimetres, strict=False):
        found = image.TransformContinuousIndexToPhysicalPoint((x - 0.5, y - 0.5, float(z)))
        if np.abs(np.subtract(found, stated)).max() > POSITION_TOLERANCE_MM:
            raise CaseError(
                f"a lesion drawn on image {region.slice_index} should lie at {_text(stated)} mm, where the series has "
                f"{_text(found)}: the annotation belongs to another series"
            )
    return z


def _text(point: Sequence[float]) -> str:
    return f"({', '.join(f'{value:.1f}' for value in point)})"


def _inside(corners: Points, rows: int, columns: int) -> NDArray[np.bool_]:
    """Return the pixels (row, column) whose integer position lies in the polygon of (x, y) corners."""
    from matplotlib.path import Path as Polygon

    inside = np.zeros((rows, columns), bool)
    low = np.maximum(np.floor(np.min(corners, axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(np.max(corners, axis=0)).astype(int) + 1, (columns, rows))
    x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    points = np.column_stack([x.ravel(), y.ravel()])
    if len(points):
        inside[low[1] : high[1], low[0] : high[0]] = (
            Polygon([corner[:2] for corner in corners]).contains_points(points).reshape(x.shape)
        )
    return inside
