"""What a network is and what it sees, as declarations: they travel in the weights file and in the study.

*Paper* marks what arXiv 1907.11392 states; slice count, rates, weights, optimiser and post-processing are not
published, so everything marked *ours* is a choice of this reconstruction.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, field_validator

from benchmark.plugins.declaration import Declaration

_Rates = tuple[Annotated[int, Field(ge=1)], ...]


class Input(Declaration):
    """What the network sees of a scan: k adjacent slices (paper: 2.5-D) in windows of HU (ours)."""

    slices: int = Field(
        5, ge=1, le=15, description="adjacent slices, odd; paper: 2.5-D, k unpublished, 5 is ours"
    )
    windows_hu: tuple[tuple[float, float], ...] = Field(
        ((-160.0, 240.0), (100.0, 1500.0)),
        min_length=1,
        description="each is clipped to and scaled to 0…1 (ours)",
    )
    candidate_hu: float | None = Field(
        130.0, description="adds a channel: is the pixel at or above it; none: no such channel (ours)"
    )
    pixel_mm: float = Field(0.6, gt=0, description="slices are resampled to this pixel in the plane (ours)")

    @field_validator("slices")
    @classmethod
    def _odd(cls, slices: int) -> int:
        if slices % 2 == 0:
            raise ValueError("slices must be odd: the network labels the middle one")
        return slices

    @field_validator("windows_hu")
    @classmethod
    def _rising(cls, windows: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if any(low >= high for low, high in windows):
            raise ValueError("every window must rise, as [-160, 240] does")
        return windows

    @property
    def channels(self) -> int:
        """Number of input channels."""
        return self.slices * len(self.windows_hu) + (self.candidate_hu is not None)


class DenseRAUnet(Declaration):
    """U-Net of dense blocks with residual connections and an atrous bottleneck (paper); sizes are ours."""

    use: Literal["denseraunet"] = "denseraunet"
    channels: tuple[int, ...] = Field(
        (32, 64, 96, 128), min_length=2, max_length=6, description="channels of each level (ours)"
    )
    growth: int = Field(32, ge=1, description="channels each layer of a dense block adds (ours)")
    layers: int = Field(2, ge=1, le=8, description="layers of a dense block (ours)")
    stem_stride: Literal[1, 2] = Field(
        2, description="2 folds 2 × 2 pixels into channels, which loses none and is 4 times faster (ours)"
    )
    atrous_rates: _Rates = Field(
        (1, 2, 4), min_length=1, description="of the bottleneck (paper: atrous; rates ours)"
    )
    residual: bool = Field(True, description="add a dense block's input to its output (paper)")
    squeeze_excitation: bool = Field(
        False, description="recalibrate channels after each block (scSE is cited; ours)"
    )

    @property
    def divisor(self) -> int:
        """What the sides of a slice must be divisible by."""
        return self.stem_stride * int(2 ** (len(self.channels) - 1))


class BasicUNet(Declaration):
    """MONAI's BasicUNet, the baseline of the same size and budget."""

    use: Literal["basic_unet"] = "basic_unet"
    features: tuple[int, int, int, int, int, int] = Field(
        (16, 32, 64, 112, 144, 16), description="channels of the five levels and of the last layer"
    )

    @property
    def divisor(self) -> int:
        """What the sides of a slice must be divisible by."""
        return 16


def _denseraunet_unless_named(spec: Any) -> Any:
    return {"use": "denseraunet", **spec} if isinstance(spec, dict) else spec


Network = Annotated[
    Annotated[DenseRAUnet | BasicUNet, Discriminator("use")], BeforeValidator(_denseraunet_unless_named)
]
"""Either network; a mapping that does not `use` one is of DenseRAUnet."""
