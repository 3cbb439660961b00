"""PyRadiomics features of the ROI: van Griethuysen et al., Cancer Res 2017;77:e104.

Image and ROI are cropped to the ROI's box and the feature classes are called on the crop, which saves passes over
the whole volume; the mesh and the run lengths are found by shorter ways (`mesh.py`, `run_lengths.py`). The values are
those of PyRadiomics' own `RadiomicsFeatureExtractor` to the last bit, but for four that are sums over the mesh: area,
volume, their ratio and sphericity differ by rounding (1e-13).

| here                | PyRadiomics' setting                                      |
|---------------------|-----------------------------------------------------------|
| `families`          | enabled feature classes, with all features not deprecated |
| `bin_width`         | `binWidth`                                                |
| `energy_shift_hu`   | `voxelArrayShift`                                         |
| `bin_count`         | `binCount`                                                |
| `by_slice`          | `force2D`, `force2Ddimension` 0                           |
| `log_sigma_mm`      | image type LoG, `sigma`                                   |
| `wavelet`           | image type Wavelet                                        |
| `resampled_spacing` | `resampledPixelSpacing`                                   |
| `interpolator`      | `interpolator`                                            |
| `diagnostics`       | the scalar ones of `additionalInfo`                       |

All others stay at PyRadiomics' defaults: `distances` [1], `padDistance` 5, no normalisation or weighting, `gldm_a` 0,
`minimumROIDimensions` 2. Resegmentation and the grid `ibsi` are ours (`preparation.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, field_validator, model_validator

from benchmark.errors import CaseError
from benchmark.plugins import FeatureExtractor
from benchmark.plugins.declaration import Once
from feature_extractors.radiomics.filters import responses
from feature_extractors.radiomics.preparation import lowest, resampled_about_the_middle, resegmented

if TYPE_CHECKING:
    import pandas as pd
    import SimpleITK as sitk

Family = Literal["shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"]
FAMILIES: tuple[Family, ...] = ("shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")
INTERPOLATORS = {"nearest": "sitkNearestNeighbor", "linear": "sitkLinear", "bspline": "sitkBSpline"}


class RadiomicsExtractor(FeatureExtractor):
    """Shape, first-order and texture features of PyRadiomics: 107, or 112 with diagnostics."""

    libraries: ClassVar[tuple[str, ...]] = ("pyradiomics-bhklab", "numpy", "SimpleITK")

    families: Annotated[tuple[Family, ...], Once] = Field(
        FAMILIES, min_length=1, description="feature families to compute"
    )
    bin_width: float = Field(25.0, gt=0, description="width of the grey-level bins in HU")
    bin_count: int | None = Field(
        None, ge=2, le=1024, description="so many bins from the lowest to the highest HU; none: `bin_width`"
    )
    bins_from_hu: float | None = Field(
        None,
        description="the HU at which grey level 1 begins, as IBSI has it at the lower end of `resegment_hu`; none: at "
        "the bin of the ROI's lowest HU",
    )
    by_slice: bool = Field(False, description="texture within axial slices instead of in three dimensions")
    resegment_hu: tuple[float, float] | None = Field(
        None, description="leave out voxels outside of this range of HU; shape keeps them"
    )
    resegment_sd: float | None = Field(
        None,
        gt=0,
        description="leave out voxels so many standard deviations off the ROI's mean; shape keeps them",
    )
    energy_shift_hu: int = Field(
        0, description="added to the voxels for energy, total energy and root mean square"
    )
    label: int | None = Field(None, gt=0, description="label of the ROI to use; none: all labels as one")
    resampled_spacing: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat] | None = Field(
        None, description="(x, y, z) mm to resample to first; 0 keeps an axis; none: no resampling"
    )
    interpolator: Literal["nearest", "linear", "bspline"] = Field(
        "bspline", description="how the image is resampled; the ROI always takes the nearest voxel"
    )
    log_sigma_mm: tuple[float, ...] = Field(
        (), description="add the families but shape of Laplacians of Gaussian, so many mm wide"
    )
    wavelet: bool = Field(
        False, description="add the families but shape of the eight parts of a wavelet transform (coif1)"
    )
    grid: Literal["pyradiomics", "ibsi"] = Field(
        "pyradiomics",
        description="ibsi: resampled about the image's middle, HU whole, the ROI where at least half of it is",
    )
    diagnostics: bool = Field(
        False, description="add five scalar diagnostics, of which three describe the whole image"
    )

    @model_validator(mode="after")
    def _no_bins_of_both_kinds(self) -> RadiomicsExtractor:
        if self.bin_count is not None and self.bins_from_hu is not None:
            raise ValueError("bins_from_hu is where bins of `bin_width` begin: leave it or bin_count out")
        return self

    @field_validator("log_sigma_mm")
    @classmethod
    def _each_once(cls, sigmas: tuple[float, ...]) -> tuple[float, ...]:
        if any(sigma <= 0 for sigma in sigmas) or len(set(sigmas)) < len(sigmas):
            raise ValueError("must name widths above 0, each once, as [1, 3] does")
        return sigmas

    @field_validator("resegment_hu")
    @classmethod
    def _rising(cls, hu: tuple[float, float] | None) -> tuple[float, float] | None:
        if hu is not None and hu[0] >= hu[1]:
            raise ValueError("must rise, as [-500, 400] does")
        return hu

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        """Return the features by PyRadiomics' names, e.g. ``original_firstorder_Mean``.

        Raises `CaseError` if the ROI is empty, a single voxel or a line, or if a feature is not finite.
        """
        import numpy as np
        import pandas as pd
        import SimpleITK as sitk

        from benchmark.images.geometry import refuse_other_grid

        refuse_other_grid(image, roi, "the ROI")
        region = roi != 0 if self.label is None else roi == self.label
        if not sitk.GetArrayViewFromImage(region).any():
            raise CaseError(
                "the ROI is empty" if self.label is None else f"the ROI has no label {self.label}"
            )
        values = self._diagnostics(image, region) if self.diagnostics else {}
        if self.resampled_spacing is not None:
            image, region = self._resampled(image, region)
        values |= self._features(image, region)
        features = pd.Series(values, dtype=np.float64)
        broken = features.index[~np.isfinite(features.to_numpy())]
        if len(broken):
            raise CaseError(f"radiomics feature {broken[0]} is {features[broken[0]]}")
        return features

    def _box(self, image: sitk.Image, region: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
        """Return image and region in the region's box."""
        from benchmark.images.geometry import crop_to_roi

        image, region = crop_to_roi(image, region)
        sides = sum(size > 1 for size in region.GetSize())
        if sides < 2:
            shape = ("single voxel", "line of voxels")[sides]
            raise CaseError(f"the ROI is a {shape}, and radiomics needs at least two dimensions")
        return image, region

    def _resampled(self, image: sitk.Image, region: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
        """Resample the whole image: on a crop, ITK may round voxels to another integer."""
        import SimpleITK as sitk
        from radiomics import imageoperations

        if self.grid == "ibsi" and self.resampled_spacing is not None:
            how = INTERPOLATORS[self.interpolator]
            return resampled_about_the_middle(image, region, self.resampled_spacing, how)
        image, region = imageoperations.resampleImage(
            image,
            sitk.Cast(region, sitk.sitkUInt32),
            resampledPixelSpacing=self.resampled_spacing,
            interpolator=INTERPOLATORS[self.interpolator],
            label=1,
        )
        if not sitk.GetArrayViewFromImage(region).any():
            raise CaseError(f"resampling to {self.resampled_spacing} mm leaves nothing of the ROI")
        return image, region

    def _features(self, image: sitk.Image, region: sitk.Image) -> dict[str, float]:
        """Return the features of the image and of what filters make of it."""
        box, whole = self._box(image, region)
        kept = whole
        if self.resegment_hu is not None or self.resegment_sd is not None:
            kept = resegmented(box, whole, self.resegment_hu, self.resegment_sd)
        if self.bins_from_hu is not None and (low := lowest(box, kept)) < self.bins_from_hu:
            raise CaseError(f"the ROI has {low:g} HU, below `bins_from_hu: {self.bins_from_hu:g}`")
        shape = [family for family in self.families if family == "shape"]
        others = [family for family in self.families if family != "shape"]
        values = self._of_image("original", box, whole, shape)
        values |= self._of_image("original", box, kept, others, binOrigin=self.bins_from_hu)
        for name, response in responses(image, region, self.log_sigma_mm, self.wavelet):
            values |= self._of_image(name, response, kept, others)
        return values

    def _of_image(
        self, name: str, image: sitk.Image, region: sitk.Image, families: Sequence[Family], **more: Any
    ) -> dict[str, float]:
        from feature_extractors.radiomics.families import feature_classes

        classes = feature_classes()
        settings = {"voxelArrayShift": self.energy_shift_hu, "label": 1, **more}
        settings |= {"binCount": self.bin_count} if self.bin_count else {"binWidth": self.bin_width}
        settings |= {"force2D": self.by_slice, "force2Ddimension": 0}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a value that is not finite is refused by name
            return {
                f"{name}_{family}_{feature}": float(value)
                for family in families
                for feature, value in classes[family](image, region, **settings).execute().items()
            }

    def _diagnostics(self, image: sitk.Image, region: sitk.Image) -> dict[str, float]:
        """Return the scalar diagnostics of image and ROI as they are before resampling."""
        import numpy as np
        import SimpleITK as sitk

        from benchmark.images.geometry import crop_to_roi

        values = sitk.GetArrayViewFromImage(image)
        _, box = crop_to_roi(image, region)
        volumes = sitk.ConnectedComponentImageFilter()
        volumes.FullyConnectedOn()
        volumes.Execute(box)
        return {
            "diagnostics_Image-original_Mean": float(values.mean(dtype=np.float64)),
            "diagnostics_Image-original_Minimum": float(values.min()),
            "diagnostics_Image-original_Maximum": float(values.max()),
            "diagnostics_Mask-original_VoxelNum": float(sitk.GetArrayViewFromImage(box).sum()),
            "diagnostics_Mask-original_VolumeNum": float(volumes.GetObjectCount()),
        }
