"""Named segments of a scan: 3D Slicer's segmentation files, and label images whose labels have names.

A ``.seg.nrrd`` is a NRRD file whose header names each segment by ``Segment<N>_Name``, ``Segment<N>_LabelValue`` and
``Segment<N>_Layer``; segments that overlap lie in layers of their own. Slicer crops it to what was drawn, so its grid
is a part of the scan's. https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.errors import CaseError
from benchmark.images.geometry import laid_on
from benchmark.images.reading import read_mask
from benchmark.images.volume_files import nrrd
from benchmark.images.volume_files.streams import DAMAGED

if TYPE_CHECKING:
    import SimpleITK as sitk
    from numpy.typing import NDArray

SUFFIX = ".seg.nrrd"
_FIELD = re.compile(r"Segment(\d+)_(ID|Name|LabelValue|Layer)")


@dataclass(frozen=True)
class Segment:
    """What the header says of a segment: its name, the layer it is in and its value there."""

    name: str
    layer: int
    value: int


@dataclass(frozen=True)
class Segmentation:
    """Segments and the layers (label images) that hold their voxels."""

    file: str
    segments: tuple[Segment, ...]
    layers: tuple[sitk.Image, ...]

    def laid_on(self, image: sitk.Image, *, resample: bool = False) -> Segmentation:
        """Return the same segments on the image's grid. Raises `CaseError` where they lie elsewhere, see `laid_on`."""
        layers = (laid_on(layer, image, self.file, resample=resample) for layer in self.layers)
        return Segmentation(self.file, self.segments, tuple(layers))

    def voxels(self, segment: Segment) -> NDArray[np.bool_]:
        """Return where a segment is, (z, y, x)."""
        import SimpleITK as sitk

        return np.asarray(sitk.GetArrayViewFromImage(self.layers[segment.layer]) == segment.value)


def is_slicer_file(path: Path) -> bool:
    """Say whether a file is called as Slicer calls its segmentations."""
    return path.name.lower().endswith(SUFFIX)


def segments_of(path: Path) -> tuple[Segment, ...]:
    """Return the segments that the header of a ``.seg.nrrd`` names, in its order. Raises `CaseError`.

    Files of Slicer before 4.11 say neither value nor layer: each segment is then a layer of its own, of value 1.
    """
    if not path.exists():
        raise CaseError(f"{path.name}: no such file")
    nrrd.check(path, layered=True)
    said: dict[int, dict[str, str]] = {}
    for key, value in nrrd.key_values(path):
        if match := _FIELD.fullmatch(key):
            said.setdefault(int(match[1]), {})[match[2]] = value
    if not said:
        raise CaseError(f"{path.name}: its header names no segment; save it in 3D Slicer as a segmentation")
    return tuple(_segment(path, number, said[number]) for number in sorted(said))


def read_segmentation(path: Path) -> Segmentation:
    """Read a ``.seg.nrrd``, or a label image: its labels are then the segments' names. Raises `CaseError`."""
    import SimpleITK as sitk

    if not is_slicer_file(path):
        mask = read_mask(path, empty=True)
        labels = np.unique(sitk.GetArrayViewFromImage(mask))
        named = tuple(Segment(str(label), 0, int(label)) for label in labels if label)
        return Segmentation(path.name, named, (mask,))
    segments = segments_of(path)
    nrrd.check_bytes(path)
    try:
        read = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise CaseError(f"{path.name}: {DAMAGED}") from error
    layers = _layers(read)
    if beyond := [segment for segment in segments if segment.layer >= len(layers)]:
        raise CaseError(
            f"{path.name}: its segment {beyond[0].name!r} is in layer {beyond[0].layer}, but there are {len(layers)}; "
            "save it again"
        )
    return Segmentation(path.name, segments, layers)


def _layers(read: sitk.Image) -> tuple[sitk.Image, ...]:
    import SimpleITK as sitk

    count = read.GetNumberOfComponentsPerPixel()
    if count == 1:
        return (read,)
    return tuple(sitk.VectorIndexSelectionCast(read, index) for index in range(count))


def _segment(path: Path, number: int, said: dict[str, str]) -> Segment:
    name, old = said.get("Name") or said.get("ID", ""), "LabelValue" not in said
    try:
        layer, value = int(said.get("Layer", number if old else 0)), int(said.get("LabelValue", 1))
    except ValueError as error:
        raise CaseError(
            f"{path.name}: layer or label value of its segment {name!r} is no whole number; save it again"
        ) from error
    return Segment(name, layer, value)
