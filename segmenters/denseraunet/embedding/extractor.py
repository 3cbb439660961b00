"""The plug-in: the bottleneck of the network that ships here, pooled over the ROI.

It stands beside its segmenter, as the trainer does, because feature extractors know nothing of segmenters; over which
region it pools is the study's to say, as for every extractor.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from benchmark.errors import CaseError
from benchmark.networks.inference import ResolvedDevice, ResolvedPrecision
from benchmark.plugins import Availability, FeatureExtractor
from segmenters.denseraunet.trained_weights import TrainedWeights, Weights

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import SimpleITK as sitk
    from numpy.typing import NDArray


class DenseRAUnetFeaturesExtractor(FeatureExtractor):
    """What a network trained to find coronary calcium makes of the ROI: mean and maximum of its bottleneck."""

    libraries: ClassVar[tuple[str, ...]] = ("torch", "SimpleITK", "numpy")
    embedding: ClassVar[bool] = True

    weights: Weights = Field(
        TrainedWeights(file=Path("denseraunet.safetensors")),
        description="file that `cacbench train denseraunet` wrote, relative to the study's folder, or one that ships",
    )
    places: Literal["box", "roi"] = Field(
        "box",
        description="pooled over the places of the ROI's box, or over those that hold a voxel of the ROI",
    )
    batch: int | None = Field(
        None,
        ge=1,
        description="slices in a batch, for speed and memory alone; none: 32 on a GPU, 4 on a processor, 2 in fp32",
    )
    device: ResolvedDevice = Field("auto", validate_default=True, description="auto: a GPU if there is one")
    precision: ResolvedPrecision = Field(
        "auto", validate_default=True, description="auto: bf16 where the hardware has it"
    )

    def availability(self) -> Availability:
        """Ready if the weights file is here."""
        return self.weights.availability()

    def weights_digest(self) -> str:
        """Return the SHA-256 of the weights file. Raises `UserError` if there is none."""
        return self.weights.weights_digest()

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        """Return ``denseraunet_mean_000`` … and ``denseraunet_max_000`` …, one each per channel of the bottleneck.

        Raises `CaseError` for an empty ROI and for fewer slices than the network looks at, `UserError` for its weights.
        """
        import numpy as np
        import pandas as pd

        found = self.activations(image, roi).astype(np.float64)
        if not np.isfinite(found).all():
            raise CaseError(f"the embedding overflows in {self.precision}; use `precision: fp32`")
        width = len(str(found.shape[1] - 1))
        pooled = {"mean": found.mean(axis=0), "max": found.max(axis=0)}
        return pd.Series(
            {
                f"denseraunet_{how}_{channel:0{width}}": value
                for how, values in pooled.items()
                for channel, value in enumerate(values)
            }
        )

    def activations(self, image: sitk.Image, roi: sitk.Image) -> NDArray[np.float32]:
        """Return the bottleneck's activations, (places, channels), prepared as the segmenter prepares its slices.

        The network sees the ROI's box and 20 mm around it in the plane, at its end slices those beyond them.
        """
        import SimpleITK as sitk

        from segmenters.denseraunet.box import around
        from segmenters.denseraunet.embedding.bottleneck import activations, load
        from segmenters.denseraunet.slices import axial, on_network_pixels, refuse_too_few

        encoder = load(self.weights.path, self.weights_digest(), self.device, self.precision)
        if (box := around(roi, encoder.input.slices // 2)) is None:
            raise CaseError("the ROI is empty")
        seen = on_network_pixels(axial(box.cut(image)), encoder.input)
        refuse_too_few(seen.GetDepth(), encoder.input)
        inside = on_network_pixels(axial(box.cut(self._where(roi))), encoder.input, label=True)
        if not (where := sitk.GetArrayFromImage(inside) > 0).any():
            raise CaseError(f"the ROI is thinner than a pixel of the network, {encoder.input.pixel_mm} mm")
        return activations(encoder, sitk.GetArrayFromImage(seen), where, self.batch)

    def _where(self, roi: sitk.Image) -> sitk.Image:
        """Return a mask of the voxels over whose places is pooled; the ROI holds some."""
        import numpy as np
        import SimpleITK as sitk

        from benchmark.images.geometry import bounding_box

        inside = sitk.GetArrayViewFromImage(roi) != 0
        if self.places == "box":
            box = bounding_box(np.asarray(inside))
            inside = np.zeros(inside.shape, bool)
            inside[box] = True
        where = sitk.GetImageFromArray(inside.astype(np.uint8))
        where.CopyInformation(roi)
        return where
