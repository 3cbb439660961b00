"""RadImageNet: axial slices through a 2-D network trained on 1.35 million radiological images.

Mei et al., *RadImageNet*, Radiology: Artificial Intelligence 2022, doi 10.1148/ryai.210315; weights as
re-uploaded to the hub under the MIT licence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, PositiveInt, model_validator

from benchmark.errors import CaseError
from benchmark.networks.weights import HubWeights, WeightsSource
from benchmark.plugins.base import Provenance
from feature_extractors import radimagenet_network
from feature_extractors.embedding import FrozenEmbedding, HURange, oriented
from feature_extractors.radimagenet_network import BACKBONES, PROVENANCE, REPOSITORY, Backbone

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import SimpleITK as sitk
    import torch
    from numpy.typing import NDArray

SIDE = 224


class RadImageNetExtractor(FrozenEmbedding):
    """2048 features per slice (DenseNet121: 1024), pooled over the slices of the scan or of its ROI."""

    libraries: ClassVar[tuple[str, ...]] = ("torch", "timm", "SimpleITK")
    published_name: ClassVar[str] = "radimagenet"
    provenance: ClassVar[Mapping[str, Provenance]] = {"radimagenet": PROVENANCE}

    backbone: Backbone = Field("resnet50", description="network whose pooled activations are the features")
    weights: WeightsSource = Field(
        HubWeights(repo=REPOSITORY, filename=BACKBONES["resnet50"].filename),
        description="where the weights come from; docs/embeddings.md",
    )
    window_hu: HURange = Field(
        (-160.0, 240.0),
        description="the HU shown as black and as white; unpublished, this is the soft-tissue window",
    )
    region: Literal["whole", "roi"] = Field("whole", description="all axial slices, or those the ROI touches")
    pooling: Literal["average", "max", "mean_std"] = Field("average", description="over the slices")
    batch_slices: PositiveInt | None = Field(
        None, description="slices at a time, for speed and memory alone; null: 8 on a processor, 64 on a GPU"
    )

    @model_validator(mode="before")
    @classmethod
    def _weights_of_the_backbone(cls, values: Any) -> Any:
        return {"weights": {}, **values} if isinstance(values, Mapping) else values

    @classmethod
    def published(cls, parameters: Mapping[str, Any]) -> HubWeights:
        """Return the backbone's file on the hub."""
        published = BACKBONES.get(parameters.get("backbone", "resnet50"), BACKBONES["resnet50"])
        return HubWeights(repo=REPOSITORY, filename=published.filename)

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        """Return ``radimagenet_0000`` … (``radimagenet_untrained_…`` for a control). Raises `CaseError`."""
        network = radimagenet_network.load(self.backbone, self.weights, self.device, self.precision)
        features = radimagenet_network.embed(network, self.preprocess(image, roi), self.batch_slices)
        per_slice = features.double().cpu().numpy()
        return self.named(
            _pooled(per_slice, self.pooling), ("mean_", "std_") if self.pooling == "mean_std" else ("",)
        )

    def preprocess(self, image: sitk.Image, roi: sitk.Image) -> torch.Tensor:
        """Return the axial slices, from inferior to superior, as (slices, 1, 224, 224) grey values in −1…1.

        The window is shown as 0…255 and mapped by (x − 127.5) · 2 / 255, as the authors' example does; slices
        are resized bilinearly without smoothing, as OpenCV does there.
        """
        import numpy as np
        import SimpleITK as sitk
        import torch

        slices = sitk.GetArrayFromImage(oriented(image))
        if self.region == "roi":
            slices = slices[_touched(sitk.GetArrayFromImage(oriented(roi)))]
        low, high = self.window_hu
        grey = (np.clip(slices.astype(np.float32), low, high) - np.float32(low)) * np.float32(
            2 / (high - low)
        ) - 1
        return torch.nn.functional.interpolate(
            torch.from_numpy(grey)[:, None], (SIDE, SIDE), mode="bilinear", align_corners=False
        )


def _touched(roi: NDArray[Any]) -> NDArray[np.bool_]:
    touched: NDArray[np.bool_] = (roi != 0).any(axis=(1, 2))
    if not touched.any():
        raise CaseError("the ROI is empty")
    return touched


def _pooled(features: NDArray[np.float64], pooling: str) -> NDArray[np.float64]:
    """Pool (slices, features) over the slices; the standard deviation is that of these slices (ddof 0)."""
    import numpy as np

    if pooling == "mean_std":
        return np.concatenate([features.mean(axis=0), features.std(axis=0)])
    pooled: NDArray[np.float64] = features.mean(axis=0) if pooling == "average" else features.max(axis=0)
    return pooled
