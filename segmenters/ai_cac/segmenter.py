"""The plug-in: coronary calcium found by AI-CAC, with weights that the user brings.

Hagopian et al., NEJM AI 2025, doi 10.1056/AIoa2400937; code and weights: github.com/Raffi-Hagopian/AI-CAC, MIT.
See docs/ai_cac.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from benchmark.networks.inference import ResolvedDevice, ResolvedPrecision
from benchmark.networks.weights import LocalWeights
from benchmark.plugins import Availability, Segmenter
from segmenters.ai_cac.slices import Placement
from segmenters.threshold import Within

if TYPE_CHECKING:
    import SimpleITK as sitk

    from benchmark.case import Scan

PUBLISHED = (
    "va_non_gated_ai_cac_model.pth is to be had from https://github.com/Raffi-Hagopian/AI-CAC/releases (MIT)"
)


class AICACSegmenter(Segmenter):
    """Coronary calcium as AI-CAC sees it: slice by slice, also voxels below 130 HU.

    The network sees 512 × 512 pixels, whatever their size in mm. Slices of fewer are padded with 0 HU; of slices of
    more, the rest is not looked at: with `placement: corner`, as published, of 768 × 768 the right and the lower
    third (the patient's left and back, part of the heart with them), with `centre`, as its authors do since,
    128 pixels on each side.
    """

    expensive: ClassVar[bool] = True
    finds_calcium: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ("torch", "monai", "SimpleITK", "numpy")

    weights: LocalWeights | None = Field(
        None, description="the published file, `{file: va_non_gated_ai_cac_model.pth}`; it does not ship"
    )
    feature_size: int = Field(96, ge=12, multiple_of=12, description="of the network; 96 as published")
    placement: Placement = Field(
        "corner", description="where slices of another size than 512 × 512 are cropped or padded to it"
    )
    within: Within | None = Field(
        None,
        description="segmenter outside whose region nothing is called, such as heart_region; none: anywhere",
    )
    batch: int = Field(4, ge=1, description="slices in a batch")
    device: ResolvedDevice = Field("auto", validate_default=True, description="auto: a GPU if there is one")
    precision: ResolvedPrecision = Field("fp32", description="fp32 as published; bf16 rounds HU to 1 in 256")

    def availability(self) -> Availability:
        """Ready if the weights are given and here, and the segmenter it calls within."""
        if self.weights is None:
            reason = "the weights of AI-CAC do not ship; give `weights: {file: …}`"
            return Availability(ready=False, reason=f"{reason}: {PUBLISHED}")
        if not (weights := self.weights.availability()).ready:
            return Availability(ready=False, reason=f"{weights.reason}: {PUBLISHED}")
        return Availability() if self.within is None else self.within.availability()

    def weights_digest(self) -> str:
        """Return the SHA-256 of the weights file, nothing where none is given. Raises `UserError` without the file."""
        return self.weights.weights_digest() if self.weights is not None else ""

    def region_key(self) -> str:
        """Return what identifies the calcium anywhere: one run of the network serves every region."""
        return self.model_copy(update={"within": None}).fingerprint()

    def segment(self, scan: Scan) -> sitk.Image:
        """Return the calcium (1) on the scan's grid; none is a right answer. Raises `CaseError`, `UserError`."""
        import SimpleITK as sitk

        found = scan.region(self.region_key(), lambda: self._segment_anywhere(scan.image))
        return found if self.within is None else sitk.Mask(found, self.within.segment(scan))

    def _segment_anywhere(self, image: sitk.Image) -> sitk.Image:
        """Return the calcium anywhere. The network sees slices as most are stored: front above, right at the left."""
        import SimpleITK as sitk

        from benchmark.errors import UserError
        from segmenters.ai_cac import network
        from segmenters.ai_cac.slices import calcium_of

        if self.weights is None:
            raise UserError(self.availability().reason)
        loaded = network.load(
            self.weights.path(), self.weights_digest(), self.feature_size, self.device, self.precision
        )
        upright = sitk.DICOMOrient(image, "LPS")
        volume = sitk.GetArrayViewFromImage(upright)
        calcium = sitk.GetImageFromArray(calcium_of(loaded, volume, self.placement, self.batch))
        calcium.CopyInformation(upright)
        stored = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
        calcium = sitk.DICOMOrient(calcium, stored)
        calcium.CopyInformation(image)
        return calcium
