"""How much calcium a mask holds: the scores a radiologist reports, as features.

Agatston et al., J Am Coll Cardiol 1990;15:827 (score); Callister et al., Radiology 1998;208:807 (volume); Hong et
al., AJR 2003;181:1539 (mass).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, PositiveInt

from benchmark.calcium.scoring import STANDARD, CalciumScoring, score
from benchmark.plugins import FeatureExtractor
from benchmark.plugins.declaration import Once

if TYPE_CHECKING:
    import pandas as pd
    import SimpleITK as sitk


class CalciumVolumesExtractor(FeatureExtractor):
    """Agatston score, volume, mass, lesions and HU of the calcium in a mask; zeros where there is none.

    The mask is any label image: calcium found by a network, the 130 HU rule in a region, a reference. A case
    without calcium is a case, not a failure: leaving it out would tell the label.
    """

    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy")

    scoring: CalciumScoring = Field(
        STANDARD, description="threshold, connectivity, smallest area and weights"
    )
    vessels: Annotated[dict[PositiveInt, Annotated[str, Field(min_length=1)]], Once] = Field(
        {}, description="labels that get features of their own, e.g. {1: LM, 2: LAD}; none: the total alone"
    )

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        """Return the amounts of calcium in all labels together and in each vessel.

        ``calcium_agatston``, ``…_volume_mm3``, ``…_mass_mg``, ``…_lesions``, ``…_largest_lesion_mm3``,
        ``…_maximum_hu``, ``…_mean_hu``, and for each vessel the first four as ``calcium_LAD_agatston`` and so on.

        The same names for every case, whatever labels its mask holds. Raises `CaseError` if the grids differ.
        """
        import pandas as pd

        scored = score(image, roi, self.scoring, names=self.vessels)
        values = {f"calcium_{name}": value for name, value in _amounts(scored.total).items()}
        values |= self._of_lesions(image, roi)
        for region in scored.regions:
            if region.label in self.vessels:
                values |= {f"calcium_{region.name}_{name}": value for name, value in _amounts(region).items()}
        return pd.Series(values, dtype=float)

    def _of_lesions(self, image: sitk.Image, roi: sitk.Image) -> dict[str, float]:
        """Return the largest lesion's volume and the maximum and mean HU, 0 without calcium."""
        import numpy as np
        import SimpleITK as sitk

        from benchmark.calcium.scoring import calcium_mask

        counted = calcium_mask(image, roi, self.scoring)
        joined = sitk.ConnectedComponent(counted, self.scoring.connectivity == 8)
        hu = sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(counted) > 0]
        sizes = np.bincount(sitk.GetArrayViewFromImage(joined).ravel())[1:]
        voxel = float(np.prod(image.GetSpacing()))
        return {
            "calcium_largest_lesion_mm3": float(sizes.max(initial=0)) * voxel,
            "calcium_maximum_hu": float(hu.max()) if hu.size else 0.0,
            "calcium_mean_hu": float(hu.mean()) if hu.size else 0.0,
        }


def _amounts(region: object) -> dict[str, float]:
    return {name: float(getattr(region, name)) for name in ("agatston", "volume_mm3", "mass_mg", "lesions")}
