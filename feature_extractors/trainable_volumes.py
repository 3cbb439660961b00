"""What the 3-D encoders have in common whose last stage, or all of it, is trained by the classifier `finetuned`."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from benchmark.errors import CaseError
from benchmark.networks.inference import ResolvedPrecision
from benchmark.plugins.registry import name_of
from benchmark.plugins.trainable import TrainableExtractor
from feature_extractors.one_size import OneSize

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import SimpleITK as sitk
    import torch
    from numpy.typing import NDArray


class TrainableVolumes(TrainableExtractor, OneSize):
    """A 3-D encoder that is parted at `depth`; its table holds the frozen encoder's features of the same volumes."""

    decide_layers: ClassVar[tuple[str, ...]] = ()
    """Parameters, beside `depth`, without which the layers above the cut cannot be built."""

    depth: Literal["head", "last_stage", "full"] = Field(
        "last_stage",
        description="what is trained: a linear head alone, the encoder's last stage too, or all of it",
    )
    mirrored: bool = Field(
        True, description="train on the scan mirrored left to right, too: that changes no label"
    )
    precision: ResolvedPrecision = Field(
        "fp32",
        validate_default=True,
        description="of the frozen and the trained layers; in bf16 a fit is not the same to the bit",
    )

    @field_validator("precision")
    @classmethod
    def _has_range(cls, precision: str) -> str:
        if precision == "fp16":
            raise ValueError("gradients overflow in fp16: use `bf16` or `fp32`")
        return precision

    if TYPE_CHECKING:  # the frozen encoder's own, which comes later in the order of classes

        def preprocess(self, image: sitk.Image, roi: sitk.Image) -> NDArray[np.float32]:
            """Return what the network sees, (z, y, x), x to left or right, of the same shape for every case."""

    @abstractmethod
    def embed_and_cut(self, volume: NDArray[np.float32]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the frozen features (features,) of what `preprocess` returns, and what the last stage takes (…)."""

    @abstractmethod
    def encoder_layers(self) -> torch.nn.Module:
        """Return new copies of the layers above the cut, which is not ``head``, (cases, …) to (cases, features)."""

    def extract_with_activations(
        self, image: sitk.Image, roi: sitk.Image
    ) -> tuple[pd.Series, NDArray[np.generic]]:
        """Return the frozen features, and (views, …) at the cut of `depth`. Raises `CaseError`, `UserError`.

        Of ``head`` these are the features (float32), of ``last_stage`` what that stage takes, of ``full`` the volume
        (both float16).
        """
        import numpy as np

        # Rounded for all depths, so that they, and the table, see the same.
        volume = self.preprocess(image, roi).astype(np.float16).astype(np.float32)
        views = [volume, np.ascontiguousarray(volume[..., ::-1])] if self.mirrored else [volume]
        made = [tuple(part.float().cpu().numpy() for part in self.embed_and_cut(view)) for view in views]
        features, at_cut = map(np.stack, zip(*made, strict=True))
        activations = {"head": features, "last_stage": at_cut, "full": np.stack(views)}[self.depth]
        if self.depth != "head":
            with np.errstate(over="ignore"):
                activations = activations.astype(np.float16)
        if not np.isfinite(activations).all():
            raise CaseError("the activations at the cut overflow in float16; use `depth: full`")
        return self.named(features[0].astype(np.float64)), activations

    def trained_part(self) -> torch.nn.Module:
        """Return the layers above the cut. Raises `UserError`."""
        import torch

        return torch.nn.Identity() if self.depth == "head" else self.encoder_layers().requires_grad_(True)

    @property
    def trains_on(self) -> tuple[str, str]:
        """Device and precision as declared."""
        return self.device, self.precision

    def architecture(self) -> dict[str, Any]:
        """Return what decides the layers above the cut."""
        parameters = self.parameters()
        return {
            "use": name_of(self),
            "weights": {"untrained": 0},
            **{name: parameters[name] for name in ("depth", *self.decide_layers)},
        }
