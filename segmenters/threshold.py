"""The 130 HU rule inside another segmenter's region: classical calcium detection.

Agatston et al., J Am Coll Cardiol 1990;15:827.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from benchmark.calcium.scoring import CalciumScoring, calcium_mask
from benchmark.plugins import Availability, Segmenter
from benchmark.plugins.registry import declared

if TYPE_CHECKING:
    import SimpleITK as sitk

    from benchmark.case import Scan, ScanWarning


Within = Annotated[
    Segmenter,
    declared("segmenter"),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "required": ["use"]}]}),
]


class ThresholdSegmenter(Segmenter):
    """Takes the voxels at or above a threshold, by default without specks below 1 mm² in a slice."""

    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy")
    finds_calcium: ClassVar[bool] = True

    within: Within = Field(
        description="segmenter whose region is searched: a declared one's name, or a declaration"
    )
    hu: float = Field(130.0, gt=0, description="lowest HU that is taken; 130 at 120 kVp")
    minimum_area_mm2: float = Field(
        1.0, ge=0, description="area in mm² below which a slice's component is dropped"
    )
    connectivity: Literal[4, 8] = Field(8, description="neighbours that join pixels of a slice")

    def availability(self) -> Availability:
        """Return that of the segmenter it searches in."""
        return self.within.availability()

    def segment(self, scan: Scan) -> sitk.Image:
        """Return the voxels of the region that count as calcium, with the region's labels.

        There may be none: in a scan without calcium that is the right answer, and it is the extractor's to say
        whether it can work on an empty region.
        """
        return self.segment_noting(scan)[0]

    def segment_noting(self, scan: Scan) -> tuple[sitk.Image, tuple[ScanWarning, ...]]:
        """Do what `segment` does and return why the region is to be doubted, too."""
        import SimpleITK as sitk

        region, warnings = self.within.segment_once(scan)
        scoring = CalciumScoring(
            threshold_hu=self.hu, connectivity=self.connectivity, minimum_area_mm2=self.minimum_area_mm2
        )
        return sitk.Mask(region, calcium_mask(scan.image, region, scoring)), warnings
