"""The plug-in: the box around the ROI through MedicalNet's or VISTA3D's encoder, prepared as each was trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from benchmark.errors import CaseError
from benchmark.networks.weights import HubWeights, WeightsSource
from benchmark.plugins.base import Provenance
from feature_extractors.monai_encoders.network import Encoder
from feature_extractors.one_size import LEAST_VOXELS, OneSize
from feature_extractors.volumes import box_around, resampled

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import SimpleITK as sitk
    from numpy.typing import NDArray

PUBLISHED: dict[str, HubWeights] = {
    "medicalnet_18": HubWeights(
        repo="TencentMedicalNet/MedicalNet-Resnet18", filename="resnet_18_23dataset.pth"
    ),
    "medicalnet_50": HubWeights(
        repo="TencentMedicalNet/MedicalNet-Resnet50", filename="resnet_50_23dataset.pth"
    ),
    "vista3d": HubWeights(repo="MONAI/vista3d", filename="models/model.pt"),
}
_MEDICALNET = Provenance(
    "MIT", trained_on="23 sets of segmented CT and MR", may_hold="public collections of CT and MR"
)
VISTA3D_HU = (-963.8247715525971, 1053.678477684517)
"""Scaled to 0…1, as the configuration of its bundle says; it was trained at 1.5 mm."""


class MONAIEncoderExtractor(OneSize):
    """512 (MedicalNet ResNet-18), 2048 (ResNet-50) or 768 (VISTA3D) features: the encoder's last level, averaged."""

    libraries: ClassVar[tuple[str, ...]] = ("torch", "monai", "SimpleITK", "scipy")
    published_name: ClassVar[str] = "monai_encoder"
    provenance: ClassVar[Mapping[str, Provenance]] = {
        "medicalnet_18": _MEDICALNET,
        "medicalnet_50": _MEDICALNET,
        "vista3d": Provenance(
            "NVIDIA License",
            commercial=False,
            trained_on="11,454 CT with segmentations",
            may_hold="public collections of CT",
        ),
    }
    native_only: ClassVar[tuple[str, ...]] = ("spacing_mm", "margin_mm")

    encoder: Encoder = Field("medicalnet_18", description="which network and weights")
    weights: WeightsSource = Field(
        PUBLISHED["medicalnet_18"], description="where the weights come from; docs/encoders.md"
    )
    spacing_mm: PositiveFloat = Field(1.5, description="isotropic spacing the scan is resampled to")
    region: Literal["whole", "roi"] = Field("roi", description="the scan, or the box around the ROI")
    margin_mm: NonNegativeFloat = Field(10.0, description="around the ROI's box, where `region` is roi")

    @classmethod
    def published(cls, parameters: Mapping[str, Any]) -> HubWeights:
        """Return where the encoder's weights are published."""
        return PUBLISHED.get(str(parameters.get("encoder")), PUBLISHED["medicalnet_18"])

    @property
    def feature_stem(self) -> str:
        """The name of the encoder."""
        return self.encoder

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        """Return e.g. ``vista3d_000`` … ``vista3d_767`` (``vista3d_untrained_…`` for a control). Raises `CaseError`."""
        from feature_extractors.monai_encoders import network

        loaded = network.load(self.encoder, self.weights, self.device, self.precision)
        return self.named(network.embed(loaded, self.preprocess(image, roi)))

    def preprocess(self, image: sitk.Image, roi: sitk.Image) -> NDArray[np.float32]:
        """Return what the network sees: VISTA3D's axes run (right, anterior, superior), MedicalNet's slices first.

        MedicalNet: clipped at the percentiles 0.5 and 99.5, mean 0, SD 1 (arXiv 1904.00625, section 3.1). Raises
        `CaseError` for an empty region, and for one that four halvings leave nothing of.
        """
        import numpy as np
        import SimpleITK as sitk

        axes = "RAS" if self.encoder == "vista3d" else "LPS"
        image = sitk.DICOMOrient(image, axes)
        volume, spacing = sitk.GetArrayFromImage(image), image.GetSpacing()[::-1]
        inside = sitk.GetArrayFromImage(sitk.DICOMOrient(roi, axes)) != 0 if self.region == "roi" else None
        if (seen := self.cube(volume, spacing, inside)) is None:
            box = ... if inside is None else box_around(inside, spacing, self.margin_mm)
            seen = resampled(volume[box], spacing, (self.spacing_mm,) * 3)
        scaled = self._scaled(seen)
        if min(scaled.shape) < LEAST_VOXELS:
            raise CaseError(
                f"the region has {' x '.join(map(str, scaled.shape))} voxels of {self.spacing_mm:g} mm, and "
                f"{self.encoder} needs {LEAST_VOXELS} a side: widen `margin_mm`, or give `cube_voxels`"
            )
        seen = scaled.transpose(2, 1, 0) if self.encoder == "vista3d" else scaled
        return np.ascontiguousarray(seen, np.float32)

    def _scaled(self, volume: NDArray[Any]) -> NDArray[np.float32]:
        import numpy as np

        hu = volume.astype(np.float32)
        if self.encoder == "vista3d":
            low, high = map(np.float32, VISTA3D_HU)
            return np.asarray(np.clip((hu - low) / (high - low), 0, 1))
        clipped = np.clip(hu, *np.percentile(hu, (0.5, 99.5)).astype(np.float32))
        if (spread := float(clipped.std(dtype=np.float64))) == 0:
            raise CaseError("every voxel of the region has the same HU")
        return np.asarray((clipped - clipped.mean(dtype=np.float64)) / spread, np.float32)
