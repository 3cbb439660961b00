"""How a network is trained, as it is declared: the section `training:` of a study of segmentation.

*Paper* marks what arXiv 1907.11392 states; weights, optimiser and post-processing are not published, so everything
marked *ours* is a choice of this reconstruction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from benchmark.calcium.truth import ReferenceRule
from benchmark.plugins import Cohort
from benchmark.plugins.declaration import Declaration
from benchmark.plugins.registry import declared
from segmenters.denseraunet.plan import BasicUNet, DenseRAUnet, Input, Network
from segmenters.denseraunet.trained_weights import Weights
from segmenters.heart_region.segmenter import HeartRegionSegmenter
from segmenters.threshold import Within


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError("a range must rise, as [2, 12] does")
    return ends


Range = Annotated[
    tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]], AfterValidator(_rising)
]


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
    contrast: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="up to this fraction brighter or darker above 0 HU, as another tube voltage",
    )
    noise_hu: float = Field(0.0, ge=0, description="up to this standard deviation of added noise")
    noise_peak_per_mm: Range | None = Field(
        None,
        description="frequencies between which it is strongest, as a kernel's; none: white, blurred a little",
    )
    blur_mm: float = Field(0.0, ge=0, description="up to this σ of added blur")
    moving: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of patches around the heart's candidates that move as without gating",
    )
    motion_mm: Range = Field((2.0, 12.0), description="between which lengths their way in half a turn is")


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
    elsewhere: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share around candidates outside the heart: bone, cartilage, aorta, metal",
    )


class Teacher(Declaration):
    """A trained network whose probabilities are learnt beside the masks (Hinton et al., arXiv 1503.02531; ours)."""

    weights: Weights = Field(
        description="file of a network that sees what `input` declares; its threshold is taken over"
    )
    weight: float = Field(1.0, gt=0, description="of the cross-entropy with its probabilities")


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

    cohort: Annotated[Cohort, declared("cohort")] = Field(description="scans to learn from")
    beside: tuple[Annotated[Cohort, declared("cohort")], ...] = Field(
        (), description="further cohorts to learn from: other protocols, a calibration phantom"
    )
    networks: Mapping[str, Network] = Field(
        {"denseraunet": DenseRAUnet(), "basic_unet": BasicUNet()},
        min_length=1,
        description="what may be trained, each by its own command",
    )
    reference: ReferenceRule = Field(ReferenceRule(), description="what counts as calcium")
    input: Input = Field(Input(), description="what the networks see")
    loss: Loss = Field(Loss(), description="what is minimised")
    teacher: Teacher | None = Field(
        None, description="whom a slimmer network learns from, too; none: the masks alone"
    )
    sampling: Sampling = Field(Sampling(), description="which patches a batch is made of")
    augmentation: Augmentation = Field(Augmentation(), description="how patches differ from their slices")
    seed: int | str = Field(0, description="of initialisation, split and every patch")
    steps: int = Field(600, ge=1, description="batches at most; the learning rate falls to 0 over them")
    validate_every: int = Field(150, ge=1, description="batches between validations and checkpoints")
    patience: int = Field(4, ge=1, description="validations without a better F1 after which training stops")
    validation: float = Field(0.15, gt=0, lt=1, description="share of patients kept for early stopping")
    validation_cohort: Annotated[Cohort, declared("cohort")] | None = Field(
        None, description="patients kept for early stopping and the threshold; none: that share of `cohort`"
    )
    within: Within | None = Field(
        HeartRegionSegmenter(),
        description="segmenter in whose region F1 and threshold are chosen, as the segmenter calls; none: anywhere",
    )
    loaders: int = Field(0, ge=0, description="processes that prepare batches ahead; 0: this one, one by one")
    learning_rate: float = Field(3e-3, gt=0, description="highest; AdamW, one cycle")
    weight_decay: float = Field(1e-2, ge=0, description="of AdamW")
    domain_scans: int = Field(
        200, ge=1, description="training scans whose figures say, beside the weights, what was learnt from"
    )
    lesion_check: LesionCheckPlan | None = Field(None, description="none: every lesion found is kept")

    def cohorts(self) -> tuple[Cohort, ...]:
        """Return all that is learnt from, `cohort` first."""
        return (self.cohort, *self.beside)

    def learnt_from(self) -> dict[str, Any]:
        """Return the parameters of `cohort`, and of those beside it where there are any."""
        beside = [cohort.parameters() for cohort in self.beside]
        return {"cohort": self.cohort.parameters()} | ({"beside": beside} if beside else {})

    def taught_by(self) -> dict[str, str]:
        """Return the SHA-256 of the teacher's weights where there is one. Raises `UserError` without the file."""
        return {} if self.teacher is None else {"teacher": self.teacher.weights.weights_digest()}
