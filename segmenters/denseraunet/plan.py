"""What a network is and how it is trained, as declarations: they travel in the weights file and in the study.

*Paper* marks what arXiv 1907.11392 states; slice count, rates, weights, optimiser and post-processing are not
published, so everything marked *ours* is a choice of this reconstruction.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, field_validator

from benchmark.calcium.truth import ReferenceRule
from benchmark.plugins import Cohort
from benchmark.plugins.declaration import Declaration
from benchmark.plugins.registry import declared

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
    pixel_mm: float = Field(
        0.78125, gt=0, description="slices are resampled to this pixel in the plane (ours)"
    )

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


Network = Annotated[DenseRAUnet | BasicUNet, Discriminator("use")]


class Loss(Declaration):
    """Cross-entropy over the hardest pixels plus soft IoU (paper: bootstrap and IoU loss; the weights are ours)."""

    cross_entropy: float = Field(1.0, ge=0, description="weight of the cross-entropy")
    hardest: float = Field(
        0.003, gt=0, le=1, description="fraction of a batch's pixels that counts; 1: plain"
    )
    overlap: Literal["iou", "dice"] = Field("iou", description="which soft overlap")
    overlap_weight: float = Field(1.0, ge=0, description="weight of the soft overlap")


class Augmentation(Declaration):
    """How a training patch differs from the slice it comes from (ours)."""

    warped: float = Field(0.3, ge=0, le=1, description="share of patches that are rotated and scaled")
    rotation_deg: float = Field(12.0, ge=0, le=180, description="up to this either way")
    scale: float = Field(0.12, ge=0, lt=1, description="up to this fraction larger or smaller")
    brightness_hu: float = Field(8.0, ge=0, description="standard deviation of a shift of the windows")


class Sampling(Declaration):
    """Which patches a batch is made of (ours)."""

    batch: int = Field(16, ge=1, description="patches in a batch")
    patch_pixels: int = Field(128, ge=16, description="side of a patch")
    foreground: float = Field(
        0.5, ge=0, le=1, description="share of patches around a pixel of coronary calcium"
    )
    confounder_hu: float = Field(
        250.0, description="confounders from here on are sought out; noise, below it, is met anyway"
    )
    confounder: float = Field(
        0.35,
        ge=0,
        le=1,
        description="share around other candidates inside the heart (or anywhere without its mask)",
    )


class LesionCheckPlan(Declaration):
    """How the second look is learnt: from what the trained network finds in patients it has not seen (ours)."""

    cohort: Annotated[Cohort, declared("cohort")] = Field(
        description="patients of whom the network has seen none"
    )
    threshold: float = Field(
        0.3,
        gt=0,
        lt=1,
        description="lowest probability of a lesion's voxels; the network's own is for voxels",
    )
    keep: float = Field(
        0.5, gt=0, lt=1, description="lesions are kept from this probability of being calcium on"
    )
    members: int = Field(8, ge=1, description="perceptrons whose probabilities are averaged")
    width: int = Field(32, ge=1, description="hidden units of each")
    weight_decay: float = Field(3.0, ge=0, description="of each; scikit-learn's alpha")


class TrainingPlan(Declaration):
    """Everything that decides the weights, but for the cohort's bytes and the library versions."""

    cohort: Annotated[Cohort, declared("cohort")]
    networks: dict[str, Network] = Field(
        {"denseraunet": DenseRAUnet(), "basic_unet": BasicUNet()},
        min_length=1,
        description="what may be trained, each by its own command",
    )
    reference: ReferenceRule = ReferenceRule()
    input: Input = Input()
    loss: Loss = Loss()
    sampling: Sampling = Sampling()
    augmentation: Augmentation = Augmentation()
    seed: int | str = Field(0, description="of initialisation, split and every patch")
    steps: int = Field(600, ge=1, description="batches at most; the learning rate falls to 0 over them")
    validate_every: int = Field(150, ge=1, description="batches between validations and checkpoints")
    patience: int = Field(4, ge=1, description="validations without a better F1 after which training stops")
    validation: float = Field(0.15, gt=0, lt=1, description="share of patients kept for early stopping")
    learning_rate: float = Field(3e-3, gt=0, description="highest; AdamW, one cycle")
    weight_decay: float = Field(1e-2, ge=0)
    lesion_check: LesionCheckPlan | None = Field(None, description="none: every lesion found is kept")
