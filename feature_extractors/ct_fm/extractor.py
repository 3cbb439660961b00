"""CT-FM: a scan, or the box around its ROI, through a 3-D encoder pre-trained on 148 000 CTs.

Pai et al., *Vision Foundation Models for Computed Tomography*, arXiv 2501.09001; weights: Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from benchmark.errors import CaseError
from benchmark.images.geometry import bounding_box
from benchmark.networks.inference import to_device
from benchmark.networks.weights import HubWeights, WeightsSource
from benchmark.plugins.base import Provenance
from feature_extractors.ct_fm import network as ct_fm_network
from feature_extractors.embedding import HURange, oriented
from feature_extractors.one_size import OneSize
from feature_extractors.volumes import box_around, resampled

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import SimpleITK as sitk
    import torch
    from numpy.typing import NDArray

PUBLISHED = HubWeights(repo="project-lighter/ct_fm_feature_extractor", filename="model.safetensors")

PRESETS: dict[str, dict[str, Any]] = {
    "model_card": {"spacing_mm": None, "foreground_hu": -1024.0, "patch_voxels": None, "overlap": 0.0},
    "authors_script": {
        "spacing_mm": (3.0, 1.0, 1.0),
        "foreground_hu": 0.0,
        "patch_voxels": (24, 128, 128),
        "overlap": 0.0,
    },
}
"""The hub's model card scales to 0…1 and then crops to what is above 0, that is, above −1024 HU. The authors'
script (CT-FM repository, scripts/feature_extractor.py) resamples, crops to what is above 0 HU, scales, and
splits."""


class CTFMExtractor(OneSize):
    """512 features: the last level of CT-FM's encoder, pooled over its positions and the scan's patches."""

    libraries: ClassVar[tuple[str, ...]] = ("torch", "monai", "SimpleITK", "scipy")
    published_name: ClassVar[str] = "ct_fm"
    provenance: ClassVar[Mapping[str, Provenance]] = {
        "ct_fm": Provenance(
            "Apache-2.0",
            trained_on="148,000 CT of the Imaging Data Commons, self-supervised",
            may_hold="public collections of CT, NLST among them",
        )
    }
    native_only: ClassVar[tuple[str, ...]] = (
        "preset",
        "spacing_mm",
        "foreground_hu",
        "patch_voxels",
        "overlap",
        "margin_mm",
    )

    weights: WeightsSource = Field(PUBLISHED, description="where the weights come from; docs/embeddings.md")
    preset: Literal["model_card", "authors_script"] = Field(
        "model_card", description="what the four next parameters are where they are not given"
    )
    spacing_mm: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = Field(
        None, description="resample to this (z, y, x) spacing; null: as scanned"
    )
    foreground_hu: float = Field(-1024.0, description="crop to the box of the voxels above this")
    patch_voxels: tuple[PositiveInt, PositiveInt, PositiveInt] | None = Field(
        None,
        description="split into (z, y, x) patches, the last ones padded with the lowest HU; null: one piece",
    )
    overlap: float = Field(
        0.0, ge=0.0, lt=1.0, description="of neighbouring patches, as a part of their side"
    )
    hu_range: HURange = Field((-1024.0, 2048.0), description="clipped to and scaled to 0…1")
    pooling: Literal["average", "max"] = Field("average", description="over positions and patches")
    region: Literal["whole", "roi"] = Field("whole", description="the scan, or the box around the ROI")
    margin_mm: NonNegativeFloat = Field(10.0, description="around the ROI's box, where `region` is roi")

    @model_validator(mode="before")
    @classmethod
    def _apply_preset(cls, values: Any) -> Any:
        preset = values.get("preset", "model_card") if isinstance(values, Mapping) else None
        return {**PRESETS[preset], **values} if preset in PRESETS else values

    @classmethod
    def published(cls, parameters: Mapping[str, Any]) -> HubWeights:
        """Return CT-FM's file on the hub."""
        return PUBLISHED

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        """Return ``ct_fm_000`` … ``ct_fm_511`` (``ct_fm_untrained_…`` for a control). Raises `CaseError`."""
        network = ct_fm_network.load(self.weights, self.device, self.precision)
        volume = self.preprocess(image, roi)
        embeddings = [self._pooled(network, patch) for patch in self._patches(volume)]
        return self.named(_reduce(embeddings, self.pooling))

    def preprocess(self, image: sitk.Image, roi: sitk.Image) -> NDArray[np.float32]:
        """Return what the network sees, (S, P, L), scaled to 0…1; not yet split into patches."""
        import numpy as np
        import SimpleITK as sitk

        image = oriented(image)
        volume = sitk.GetArrayViewFromImage(image)
        spacing = image.GetSpacing()[::-1]
        inside = sitk.GetArrayFromImage(oriented(roi)) != 0 if self.region == "roi" else None
        if (seen := self.cube(volume, spacing, inside)) is None:
            seen = self._native(volume, spacing, inside)
        low, high = self.hu_range
        scaled: NDArray[np.float32] = np.clip(
            (seen.astype(np.float32) - np.float32(low)) / np.float32(high - low), 0.0, 1.0
        )
        return scaled

    def _native(
        self, volume: NDArray[Any], spacing: tuple[float, ...], inside: NDArray[np.bool_] | None
    ) -> NDArray[Any]:
        """Return the foreground of the region in HU, resampled where the preset does that."""
        if inside is not None:
            volume = volume[box_around(inside, spacing, self.margin_mm)]
        if self.spacing_mm is not None:
            volume = resampled(volume, spacing, self.spacing_mm)
        if (box := bounding_box(volume > self.foreground_hu)) is None:
            raise CaseError(f"no voxel of the region is above {self.foreground_hu:g} HU")
        return volume[box]

    def _patches(self, volume: NDArray[np.float32]) -> list[torch.Tensor]:
        import torch

        whole = torch.from_numpy(volume)[None, None]
        if self.patch_voxels is None:
            return [whole]
        from monai.inferers import SlidingWindowSplitter

        return [patch for patch, _ in SlidingWindowSplitter(self.patch_voxels, self.overlap)(whole)]

    def _pooled(self, network: Any, patch: torch.Tensor) -> NDArray[np.float64]:
        level = ct_fm_network.embed(network, to_device(patch, network)).double()
        pooled = level.mean((0, 2, 3, 4)) if self.pooling == "average" else level.amax((0, 2, 3, 4))
        return pooled.cpu().numpy()


def _reduce(embeddings: list[NDArray[np.float64]], pooling: str) -> NDArray[np.float64]:
    import numpy as np

    stacked = np.stack(embeddings)
    reduced: NDArray[np.float64] = stacked.mean(axis=0) if pooling == "average" else stacked.max(axis=0)
    return reduced
