"""Radiomics by mirp (Zwanenburg et al., JOSS 2024;9:6413), which follows IBSI 1 and IBSI 2.

mirp is a second implementation beside PyRadiomics (`radiomics`), of more features (local intensity, intensity–volume
histogram, distance zones, more of shape) and of IBSI 2's filters. HU are rounded to whole ones, as it does with every
CT. The scan is cut around the ROI first; the grid that it is resampled to is that of the whole scan all the same.
docs/radiomics_ibsi.md has what agrees with the consensus values.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, NonNegativeFloat, model_validator

from benchmark.errors import CaseError, UserError
from benchmark.plugins import Availability, FeatureExtractor
from benchmark.plugins.declaration import Once
from feature_extractors.mirp_radiomics.families import FAMILIES, IN_MIRP, Family, Matrices
from feature_extractors.mirp_radiomics.filters import NOT_IN_NAMES, Filter
from feature_extractors.mirp_radiomics.perturbation import Perturbation

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import SimpleITK as sitk
    from numpy.typing import NDArray

    from feature_extractors.mirp_radiomics.workflow import Cut

REACH_MM = 10.0
"""How far beyond the ROI its features look: the sphere of local intensity has a radius of 6.2 mm."""


class MirpExtractor(FeatureExtractor):
    """Radiomics of mirp: all features of IBSI 1 and filters of IBSI 2, if need be the mean over perturbed versions."""

    libraries: ClassVar[tuple[str, ...]] = (
        "mirp", "numpy", "scipy", "pandas", "scikit-image", "pywavelets", "SimpleITK",
    )  # fmt: skip

    families: Annotated[tuple[Family, ...], Once] = Field(
        FAMILIES, description="families of features of the scan itself; may be none where there are `filters`"
    )
    by_slice: bool = Field(False, description="texture, filters and resampling within axial slices")
    matrices: Annotated[tuple[Matrices, ...], Once] = Field(
        (), description="IBSI's ways of pooling texture matrices; none: 3D_comb, by slice 2D_comb"
    )
    spacing: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat] | None = Field(
        None, description="(x, y, z) mm to resample to first; 0 keeps an axis; none: no resampling"
    )
    spline_order: int = Field(
        3, ge=0, le=5, description="order of the splines of resampling: 0 nearest, 1 linear, 3 cubic"
    )
    anti_aliasing: bool = Field(False, description="smooth before resampling, as mirp does by default")
    resegment_hu: tuple[float, float] | None = Field(
        None, description="leave out voxels outside of this range of HU; shape keeps them"
    )
    resegment_sd: float | None = Field(
        None, gt=0, description="leave out voxels so many standard deviations off the mean; shape keeps them"
    )
    bin_width: float = Field(25.0, gt=0, description="width of the grey-level bins in HU")
    bin_count: int | None = Field(
        None, ge=2, le=1024, description="so many bins from the lowest to the highest HU; none: `bin_width`"
    )
    bins_from_hu: float | None = Field(
        None,
        description="the HU at which grey level 1 begins, which has all below; none: at the lower end of "
        "`resegment_hu`, else at -1000",
    )
    ivh_bin_width: float | None = Field(
        None, gt=0, description="width of the intensity-volume histogram's bins in HU; none: each HU one"
    )
    ivh_bin_count: int | None = Field(
        None,
        ge=2,
        le=10000,
        description="number of the intensity-volume histogram's bins; none: `ivh_bin_width`",
    )
    filters: tuple[Filter, ...] = Field((), description="filters of IBSI 2, each with `filter_families`")
    filter_families: Annotated[tuple[Family, ...], Once] = Field(
        ("statistics",), min_length=1, description="families of features of the filtered scans"
    )
    filter_bin_count: int = Field(16, ge=2, le=1024, description="grey levels of the filtered scans")
    perturb: Perturbation | None = Field(
        None, description="features are the means over versions of scan and ROI; none: as they are"
    )
    margin_mm: float = Field(
        30.0, ge=REACH_MM, description="the scan is cut so far around the ROI; filters see no further"
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> MirpExtractor:
        if reason := next(iter(self._contradictions()), ""):
            raise ValueError(reason)
        return self

    def _contradictions(self) -> list[str]:
        wrong = [reason for chosen in self.filters if (reason := chosen.why_not(self.by_slice))]
        if self.resegment_hu is not None and self.resegment_hu[0] >= self.resegment_hu[1]:
            wrong.append("resegment_hu must rise, as [-500, 400] does")
        if not (self.families or self.filters):
            wrong.append("nothing is asked for: name families or filters")
        if "morphological" in self.filter_families:
            wrong.append("filter_families: a filter changes no shape, so leave morphological out")
        if self.bins_from_hu is not None and (self.bin_count is not None or self.resegment_hu is not None):
            wrong.append(
                "bins_from_hu is where bins of `bin_width` begin without `resegment_hu`: leave it out"
            )
        if self.ivh_bin_width is not None and self.ivh_bin_count is not None:
            wrong.append("ivh_bin_width and ivh_bin_count are two ways: leave one of them out")
        if self.by_slice and any(name.startswith("3D") for name in self.matrices):
            wrong.append("matrices: by slice there are none in three dimensions")
        if self.by_slice and self.spacing is not None and self.spacing[2] > 0:
            wrong.append("spacing: by slice the distance of the slices is kept, so its last number is 0")
        named = [chosen.model_dump(exclude=NOT_IN_NAMES) for chosen in self.filters]
        if any(name in named[:place] for place, name in enumerate(named)):
            wrong.append(
                f"two filters differ in no more than {', '.join(sorted(NOT_IN_NAMES))}: leave one out"
            )
        if self.perturb is not None and max(self.perturb.growth_mm) > self.margin_mm - REACH_MM:
            wrong.append(f"margin_mm must be {REACH_MM:g} mm wider than the largest growth_mm")
        return wrong

    def availability(self) -> Availability:
        """Ready if mirp is installed."""
        if find_spec("mirp") is None:
            reason = "mirp is not installed: run `pip install 'cacbench[mirp]'` in this environment"
            return Availability(ready=False, reason=reason)
        return Availability()

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        """Return the features by mirp's names, e.g. ``cm_joint_max_d1_3d_v_mrg_fbs_w25.0``, a filter's before them.

        With `perturb` they are means over the versions, the same ones every time (Zwanenburg et al., Sci Rep
        2019;9:614). Raises `CaseError` if the ROI is empty, a single voxel or a line, if a filter needs voxels alike
        that are not, or if a feature is not finite; `UserError` where mirp is missing.
        """
        import numpy as np
        import pandas as pd

        from feature_extractors.mirp_radiomics.workflow import tables

        if not (state := self.availability()).ready:
            raise UserError(state.reason)
        cut = self._cut(image, roi)
        spacing = self._new_spacing(cut)
        perturbation = self.perturb or Perturbation()
        found = tables(
            cut,
            self._settings(spacing),
            [self._settings(spacing, chosen).img_transform for chosen in self.filters],
            perturbation.places(self.by_slice),
            spacing,
        )
        versions = pd.concat(list(found), ignore_index=True)
        numbers = versions.apply(pd.to_numeric, errors="coerce")
        features = pd.Series(numbers.mean(skipna=False), dtype=np.float64)
        broken = features.index[~np.isfinite(features.to_numpy())]
        if len(broken):
            raise CaseError(f"mirp's feature {broken[0]} is {features[broken[0]]}")
        return features

    def _cut(self, image: sitk.Image, roi: sitk.Image) -> Cut:
        """Return the scan around the ROI, so wide that no turn takes the ROI out of it."""
        import numpy as np

        from benchmark.images.geometry import crop_to_roi, refuse_other_grid
        from feature_extractors.mirp_radiomics.workflow import cut_around

        refuse_other_grid(image, roi, "the ROI")
        box, _ = crop_to_roi(roi, roi)
        sides = sum(size > 1 for size in box.GetSize())
        if sides < 2:
            shape = ("single voxel", "line of voxels")[sides]
            raise CaseError(f"the ROI is a {shape}, and radiomics needs at least two dimensions")
        margin = self.margin_mm
        if self.perturb is not None and any(self.perturb.rotations_degrees):
            margin += float(np.hypot(*np.multiply(box.GetSize()[:2], box.GetSpacing()[:2]))) / 2
        cut = cut_around(image, roi, margin)
        grown = 0.0 if self.perturb is None else max(self.perturb.growth_fraction)
        if grown > 0 and cut.room(self.by_slice) < 1.25 * (1 + grown):  # mirp would go on growing it for ever
            raise CaseError(f"the ROI fills the scan and has no room to grow by {grown:.0%}")
        return cut

    def _new_spacing(self, cut: Cut) -> NDArray[np.float64] | None:
        """Return the spacing (z, y, x) mm to resample to, none where it stays. Raises `CaseError` if filters refuse."""
        import numpy as np

        asked = np.zeros(3) if self.spacing is None else np.array(self.spacing[::-1])
        spacing = np.where(asked > 0, asked, cut.spacing)
        across = spacing[1:] if self.by_slice else spacing
        if self.filters and np.ptp(across) > 0:
            sizes = " × ".join(f"{mm:g}" for mm in across[::-1])
            raise CaseError(f"filters need voxels alike, and they are {sizes} mm: set `spacing`")
        return None if self.spacing is None else spacing

    def _settings(self, spacing: NDArray[np.float64] | None, chosen: Filter | None = None) -> Any:
        from mirp.settings.generic import SettingsClass

        from feature_extractors.mirp_radiomics.workflow import quietly

        asked = None if spacing is None else spacing[self.by_slice :].tolist()
        with quietly():
            settings = SettingsClass(
                by_slice=self.by_slice,
                no_approximation=True,
                new_spacing=asked,
                spline_order=self.spline_order,
                anti_aliasing=self.anti_aliasing,
                resegmentation_intensity_range=None if self.resegment_hu is None else list(self.resegment_hu),
                resegmentation_sigma=self.resegment_sd,
                response_map_feature_families=list(self.filter_families),
                response_map_discretisation_n_bins=self.filter_bin_count,
                **self._of_features(),
                **(self.perturb or Perturbation()).settings(),
                **({} if chosen is None else chosen.settings()),
            )
        if self.bins_from_hu is not None:
            # mirp has no word for it, and begins its bins at this range's lower end.
            settings.roi_resegment.intensity_range = (self.bins_from_hu, float("nan"))
        return settings

    def _of_features(self) -> dict[str, Any]:
        """Return mirp's keywords of the features."""
        bins = ("fixed_bin_size", None) if self.bin_count is None else ("fixed_bin_number", self.bin_count)
        volumes = "none" if self.ivh_bin_width is None else "fixed_bin_size"
        chosen = self.matrices or (("2D_comb" if self.by_slice else "3D_comb"),)
        directed, others = (list(dict.fromkeys(IN_MIRP[name][place] for name in chosen)) for place in (0, 1))
        return {
            "base_feature_families": list(self.families) or "none",
            "base_discretisation_method": bins[0],
            "base_discretisation_n_bins": bins[1],
            "base_discretisation_bin_width": self.bin_width,
            "ivh_discretisation_method": volumes if self.ivh_bin_count is None else "fixed_bin_number",
            "ivh_discretisation_bin_width": self.ivh_bin_width,
            "ivh_discretisation_n_bins": self.ivh_bin_count or 1000,
            **dict.fromkeys(("glcm_spatial_method", "glrlm_spatial_method"), directed),
            **dict.fromkeys(
                [f"{name}_spatial_method" for name in ("glszm", "gldzm", "ngtdm", "ngldm")], others
            ),
        }
