"""The plug-in: axial slices through any 2-D encoder that timm can build, by a preset's name, timm's, or the hub's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, field_validator, model_validator

from benchmark.networks.inference import ResolvedPrecision
from benchmark.networks.onnx_runtime import LIBRARIES, why_not_here
from benchmark.networks.weights import Published, WeightsSource
from benchmark.plugins import Availability
from benchmark.plugins.base import Provenance
from benchmark.plugins.declaration import mistake
from benchmark.plugins.fingerprint import digest_of
from feature_extractors.embedding import HURange
from feature_extractors.one_size import OneSize
from feature_extractors.slices.backends import Backend
from feature_extractors.slices.network import Pixels
from feature_extractors.slices.planes import Region
from feature_extractors.slices.presets import EFFICIENTNET_LITE0, HUB, PRESETS, SOFT_TISSUE_HU

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import SimpleITK as sitk
    from numpy.typing import NDArray

DEFAULT = "imagenet"


class SlicesExtractor(OneSize):
    """Axial slices through a 2-D encoder, pooled over pixels and slices; by default one trained on ImageNet."""

    libraries: ClassVar[tuple[str, ...]] = ("torch", "timm", "SimpleITK")
    published_name: ClassVar[str] = DEFAULT
    provenance: ClassVar[Mapping[str, Provenance]] = {name: one.provenance for name, one in PRESETS.items()}

    encoder: str = Field(
        DEFAULT,
        min_length=1,
        description=f"a preset ({', '.join(PRESETS)}), a name of timm's, or `hf-hub:owner/name`",
    )
    weights: WeightsSource = Field(
        EFFICIENTNET_LITE0, description="where the weights come from; docs/encoders.md"
    )
    window_hu: HURange = Field(
        SOFT_TISSUE_HU,
        description="the HU shown as black and as white; not given: the preset's, else the soft-tissue window",
    )
    input_size: Annotated[int, Field(ge=32)] | None = Field(
        None, description="side of the square a slice is resized to, in pixels; null: the encoder's own"
    )
    region: Region = Field(
        "box", description="the square around the ROI's box, or the whole slices that the ROI touches"
    )
    margin_mm: NonNegativeFloat = Field(0.0, description="around the ROI's box in the plane")
    pixels: Pixels = Field(
        "own",
        description="pooling over a slice's positions: as the encoder was trained, its class token, mean, or maximum",
    )
    slices: Literal["mean", "max", "top_k"] = Field(
        "mean", description="pooling over slices; top_k: the mean of each feature's k largest values"
    )
    top_k: PositiveInt = Field(3, description="k, where `slices` is top_k")
    batch_slices: PositiveInt | None = Field(
        None, description="slices at a time, for speed and memory alone; null: 8 on a processor, 64 on a GPU"
    )
    precision: ResolvedPrecision = Field(
        "fp32",
        validate_default=True,
        description="auto: bf16 where the hardware has units for it; that rounds small networks visibly",
    )
    backend: Backend = Field(
        "torch",
        description="what computes; onnxruntime: the same numbers but for rounding, on a processor in fp32, "
        "from convolutions in less time",
    )

    @model_validator(mode="before")
    @classmethod
    def _as_the_encoder_has_it(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        preset = PRESETS.get(str(values.get("encoder", DEFAULT)))
        return {"weights": {}, **({"window_hu": preset.window_hu} if preset else {}), **values}

    @model_validator(mode="after")
    def _backend_has_it(self) -> Self:
        if self.backend == "onnxruntime" and (self.device, self.precision) != ("cpu", "fp32"):
            message = "onnxruntime is for a processor and float32: say `device: cpu, precision: fp32`, or leave it out"
            raise mistake("backend", message=message)
        return self

    @field_validator("encoder")
    @classmethod
    def _known(cls, encoder: str) -> str:
        from feature_extractors.slices.encoders import published

        published(encoder)
        return encoder

    @classmethod
    def published(cls, parameters: Mapping[str, Any]) -> Published:
        """Return where the encoder's weights are published. Raises `ValidationError` where nobody does."""
        from feature_extractors.slices.encoders import published

        name = parameters.get("encoder", DEFAULT)
        try:
            found = published(name)
        except (ValueError, TypeError, AttributeError):  # not a known encoder's name: the field says so
            return EFFICIENTNET_LITE0
        if found is None:
            remedy = "give `weights: {file: …}`, or `{untrained: 0}` for a control"
            raise mistake("weights", message=f"timm knows no published weights of {name!r}: {remedy}")
        return found

    def availability(self) -> Availability:
        """Ready if weights, device and backend are here."""
        if self.backend == "onnxruntime" and (missing := why_not_here()):
            return Availability(ready=False, reason=missing)
        return super().availability()

    def libraries_used(self) -> tuple[str, ...]:
        """Return those of every encoder, and the backend's."""
        return self.libraries + (LIBRARIES if self.backend == "onnxruntime" else ())

    @property
    def feature_stem(self) -> str:
        """The encoder's name in letters, digits and underscores."""
        return re.sub(r"\W+", "_", self.encoder.removeprefix(HUB))

    def _published_provenance(self) -> Provenance | None:
        from feature_extractors.slices.encoders import find

        return find(self.encoder, self.weights).provenance

    def weights_digest(self) -> str:
        """Return the weights' SHA-256; of an encoder of the hub, which says what to build, that of both files."""
        from feature_extractors.slices.encoders import hub_config

        digest = self.weights.weights_digest()
        if not self.encoder.startswith(HUB):
            return digest
        return digest_of([digest, hub_config(self.encoder, self.weights).read_text()])

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        """Return e.g. ``imagenet_0000`` … (``imagenet_untrained_…`` for a control). Raises `CaseError`, `UserError`."""
        return self.named(self._over_slices(self.per_slice(image, roi)))

    def per_slice(self, image: sitk.Image, roi: sitk.Image) -> NDArray[np.float64]:
        """Return what the encoder makes of each slice, (slices, features), from inferior to superior."""
        from feature_extractors.slices.backends import embed_by
        from feature_extractors.slices.network import load
        from feature_extractors.slices.planes import Shown, square_planes

        loaded = load(self.encoder, self.weights, self.input_size, self.pixels, self.device, self.precision)
        encoder = loaded.encoder
        shown = Shown(loaded.side, self.window_hu, encoder.interpolation, encoder.smooth)
        planes = square_planes(image, roi, self.region, self.margin_mm, shown, cube=self.cube_size)
        features: NDArray[np.float64] = (
            embed_by(self.backend, loaded, planes, self.pixels, self.batch_slices).double().cpu().numpy()
        )
        return features

    def _over_slices(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        if self.slices == "top_k":
            features = np.sort(features, axis=0)[-self.top_k :]
        pooled: NDArray[np.float64] = features.max(axis=0) if self.slices == "max" else features.mean(axis=0)
        return pooled
