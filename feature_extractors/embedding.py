"""What the frozen embeddings have in common: weights, device, precision, and how the vector is named."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, model_validator

from benchmark.errors import CaseError
from benchmark.networks.inference import ResolvedDevice, ResolvedPrecision, resolve_device
from benchmark.networks.weights import LocalWeights, Published, UntrainedWeights, WeightsSource
from benchmark.plugins import Availability, FeatureExtractor
from benchmark.plugins.base import Provenance

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import SimpleITK as sitk
    from numpy.typing import NDArray


class FrozenEmbedding(FeatureExtractor):
    """A network that is not trained here; its pooled activations are the features.

    `auto` is resolved when the study is read, so that the parameters on record, and the cache key, say what
    was used.
    """

    weights: WeightsSource = Field(description="where the weights come from; docs/embeddings.md")
    device: ResolvedDevice = Field(
        "auto", validate_default=True, description="where the network runs; auto: a GPU if there is one"
    )
    precision: ResolvedPrecision = Field(
        "auto", validate_default=True, description="auto: bf16 where the hardware has units for it, else fp32"
    )

    embedding: ClassVar[bool] = True
    published_name: ClassVar[str]
    """What the features are called; untrained weights add ``_untrained``."""

    @property
    def feature_stem(self) -> str:
        """What the names of the features begin with, where the weights are trained ones."""
        return self.published_name

    @model_validator(mode="before")
    @classmethod
    def _complete_weights(cls, values: Any) -> Any:
        """Add to `weights` what was left out: the published repository and the name of the file in it."""
        if not isinstance(values, Mapping):
            return values
        weights = values.get("weights", {})
        if not isinstance(weights, Mapping) or {"untrained", "file", "package", "packages"} & set(weights):
            return values
        published = cls.published(values)
        if "folder" in weights:
            rest = {key: value for key, value in weights.items() if key != "folder"}
            return {**values, "weights": {"file": f"{weights['folder']}/{published.filename}", **rest}}
        return {**values, "weights": {**published.model_dump(), **weights}}

    @classmethod
    @abstractmethod
    def published(cls, parameters: Mapping[str, Any]) -> Published:
        """Return the published weights for the given parameters."""

    def availability(self) -> Availability:
        """Ready if the weights are here or can be fetched, and the device exists."""
        if self.device == "cuda" and resolve_device("auto") != "cuda":
            return Availability(
                ready=False,
                reason="`device: cuda` needs an NVIDIA GPU and a torch built for CUDA: say `device: auto`",
            )
        return self.weights.availability()

    def weights_digest(self) -> str:
        """Return the weights' SHA-256, fetched if need be; of an untrained network a digest of its seed."""
        return self.weights.weights_digest()

    @property
    def untrained(self) -> bool:
        """Whether this is a control: the architecture without anything learnt."""
        return isinstance(self.weights, UntrainedWeights)

    def provenance_used(self) -> Provenance | None:
        """Return that of the published weights; a file on disk is taken at its word, and that is said."""
        found = None if self.untrained else self._published_provenance()
        if found is None or not isinstance(self.weights, LocalWeights):
            return found
        return replace(found, licence=f"{found.licence}, if the file is the published one")

    def _published_provenance(self) -> Provenance | None:
        return self.provenance.get(self.feature_stem)

    def named(self, values: NDArray[np.float64], parts: tuple[str, ...] = ("",)) -> pd.Series:
        """Return the vector under its names, e.g. ``ct_fm_007`` or ``ct_fm_untrained_007``.

        `values` has the shape (parts × features,). Raises `CaseError` where a value is not finite.
        """
        import numpy as np
        import pandas as pd

        if not np.isfinite(values).all():
            raise CaseError(f"the embedding overflows in {self.precision}; use `precision: fp32` or `bf16`")
        stem = f"{self.feature_stem}_untrained" if self.untrained else self.feature_stem
        count = len(values) // len(parts)
        width = len(str(count - 1))
        names = [f"{stem}_{part}{index:0{width}}" for part in parts for index in range(count)]
        return pd.Series(values, index=names, dtype=np.float64)


def _rising(hu: tuple[float, float]) -> tuple[float, float]:
    if hu[0] >= hu[1]:
        raise ValueError("must rise, as [-160, 240] does")
    return hu


HURange = Annotated[tuple[float, float], AfterValidator(_rising)]


def oriented(image: sitk.Image) -> sitk.Image:
    """Return `image` with x, y, z to left, posterior, superior: its array is (S, P, L), MONAI's ``SPL``."""
    import SimpleITK as sitk

    return sitk.DICOMOrient(image, "LPS")
