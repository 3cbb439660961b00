"""What the rules of thumb read in a region: its highest HU and its Agatston score. Nothing is learnt from them.

Agatston et al., J Am Coll Cardiol 1990;15:827: calcium is what reaches 130 HU, in areas of at least 1 mm².
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from benchmark.calcium.scoring import STANDARD, CalciumScoring, score
from benchmark.plugins import FeatureExtractor

if TYPE_CHECKING:
    import pandas as pd
    import SimpleITK as sitk


class CalciumRuleExtractor(FeatureExtractor):
    """The highest HU and the Agatston score in the region: the yardsticks that every study is held against."""

    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy")

    scoring: CalciumScoring = Field(
        STANDARD, description="threshold, connectivity and smallest area of calcium"
    )

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        """Return ``maximum_hu`` and ``agatston``; both are 0 for an empty region.

        Raises `CaseError` if the grids differ.
        """
        import pandas as pd
        import SimpleITK as sitk

        from benchmark.images.geometry import refuse_other_grid

        refuse_other_grid(image, roi, "the ROI")
        hu = sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(roi) > 0]
        return pd.Series(
            {
                "maximum_hu": float(hu.max()) if hu.size else 0.0,
                "agatston": score(image, roi, self.scoring).total.agatston if hu.size else 0.0,
            },
            dtype=float,
        )
