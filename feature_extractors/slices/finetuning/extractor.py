"""The plug-in: a few planes of a scan through the frozen part of a 2-D encoder, its last layers left to be trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PositiveInt, field_validator

from benchmark.errors import CaseError
from benchmark.networks.inference import Precision
from benchmark.plugins.trainable import TrainableExtractor
from feature_extractors.slices.extractor import SlicesExtractor

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import SimpleITK as sitk
    import torch
    from numpy.typing import NDArray

    from feature_extractors.slices.network import Loaded


class FinetuneSlicesExtractor(TrainableExtractor, SlicesExtractor):
    """Slabs of a scan through a 2-D encoder, of which `depth` is trained by the classifier `finetuned`.

    Its table holds the frozen encoder's features of the same slabs, as `slices` has them of slices.
    """

    depth: Literal["head", "last_stage", "full"] = Field(
        "last_stage",
        description="what is trained: a linear head alone, the encoder's last stage too, or all of it",
    )
    slabs: PositiveInt = Field(
        8, description="the slices are dealt into this many slabs, each shown by its maximum"
    )
    mirrored: bool = Field(
        True, description="train on planes mirrored left to right, too: that changes no label"
    )

    @field_validator("precision")
    @classmethod
    def _has_range(cls, precision: str) -> str:
        if precision == "fp16":
            raise ValueError("gradients overflow in fp16: use `bf16` or `fp32`")
        return precision

    @field_validator("backend")
    @classmethod
    def _trains(cls, backend: str) -> str:
        if backend != "torch":
            raise ValueError("what is trained is computed by torch: leave it out, or use `slices`")
        return backend

    def extract_with_activations(
        self, image: sitk.Image, roi: sitk.Image
    ) -> tuple[pd.Series, NDArray[np.generic]]:
        """Return the frozen features, and (views, slabs, …) at the cut of `depth`. Raises `CaseError`, `UserError`.

        Of ``head`` these are each slab's features (float32), of ``last_stage`` what that stage takes (float16), of
        ``full`` the planes themselves (1, y, x), 0…255.
        """
        import numpy as np
        import torch

        loaded = self._loaded()
        planes = self._planes(loaded, image, roi)
        views = torch.cat([planes, planes.flip(-1)]) if self.mirrored else planes
        features, at_cut = self._through(loaded, views)
        activations = at_cut.reshape(-1, self.slabs, *at_cut.shape[1:]).cpu().numpy()
        if not np.isfinite(activations).all():
            raise CaseError("the activations at the cut overflow in float16; use `depth: full`")
        frozen = features[: self.slabs].double().cpu().numpy()
        return self.named(self._over_slices(frozen)), activations

    def _through(self, loaded: Loaded, views: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the features of planes (n, 1, side, side), 0…255, and what is handed on of them."""
        import torch

        from feature_extractors.slices.finetuning.parting import embed_and_cut, last_stage
        from feature_extractors.slices.network import embed

        if self.depth == "last_stage":
            last_stage(
                self._loaded("fp32")
            )  # an encoder that cannot be parted is refused here, not after hours
            features, at_cut = embed_and_cut(loaded, views / 255, self.pixels, self.batch_slices)
            return features, at_cut.to(torch.float16)
        features = embed(loaded, views / 255, self.pixels, self.batch_slices)
        return features, features.float() if self.depth == "head" else views

    def _planes(self, loaded: Loaded, image: sitk.Image, roi: sitk.Image) -> torch.Tensor:
        import torch

        from feature_extractors.slices.planes import Shown, square_planes

        encoder = loaded.encoder
        shown = Shown(loaded.side, self.window_hu, encoder.interpolation, encoder.smooth)
        grey = square_planes(image, roi, self.region, self.margin_mm, shown, self.slabs, self.cube_size)
        return (grey * 255).round_().to(torch.uint8)

    def _loaded(self, precision: Precision | None = None) -> Loaded:
        from feature_extractors.slices.network import load

        return load(
            self.encoder, self.weights, self.input_size, self.pixels, self.device, precision or self.precision
        )

    def trained_part(self) -> torch.nn.Module:
        """Return the layers above the cut and the pooling over pixels and slabs. Raises `UserError`."""
        from feature_extractors.slices.finetuning.trained_layers import encoder_layers, pooled_over_planes

        layers = encoder_layers(self.depth, self._loaded("fp32"), self.pixels)
        return pooled_over_planes(layers, self.slices, self.top_k)

    @property
    def trains_on(self) -> tuple[str, str]:
        """Device and precision as declared."""
        return self.device, self.precision

    def architecture(self) -> dict[str, Any]:
        """Return what decides the layers above the cut."""
        names = ("encoder", "input_size", "pixels", "slices", "top_k", "depth")
        parameters: Mapping[str, Any] = self.parameters()
        return {
            "use": "finetune_slices",
            "weights": {"untrained": 0},
            **{name: parameters[name] for name in names},
        }
