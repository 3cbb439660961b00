"""The plug-in: coronary calcium found by DenseRAUnet, with the weights that ship or others."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.calcium.scoring import CalciumScoring, calcium_mask
from benchmark.errors import UserError
from benchmark.networks.inference import Device, Precision, ResolvedDevice, ResolvedPrecision, prepare
from benchmark.plugins import Availability, Segmenter
from segmenters.denseraunet.plan import BasicUNet, DenseRAUnet, Input, Network
from segmenters.denseraunet.trained_weights import TrainedWeights, Weights
from segmenters.denseraunet.weights_file import LESION_CHECK, load_into, read_header, refuse_other
from segmenters.heart_region.segmenter import HeartRegionSegmenter
from segmenters.threshold import Within

if TYPE_CHECKING:
    import SimpleITK as sitk
    import torch

    from benchmark.case import Scan, ScanWarning
    from segmenters.denseraunet.lesion_check import LesionCheck


class DenseRAUnetSegmenter(Segmenter):
    """Coronary calcium as a trained network sees it; by default the weights that ship, trained on chest phantoms."""

    libraries: ClassVar[tuple[str, ...]] = ("torch", "monai", "SimpleITK", "numpy", "scipy")
    finds_calcium: ClassVar[bool] = True
    expensive: ClassVar[bool] = True

    weights: Weights = Field(
        TrainedWeights(file=Path("denseraunet.safetensors")),
        description="file that `cacbench train denseraunet` wrote, relative to the study's folder, or one that ships",
    )
    network: Network = Field(DenseRAUnet(), description="the architecture the weights must be of")
    input: Input = Field(Input(), description="what the network sees, as it was trained")
    threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="lowest probability; none: the one that was best on the validation patients",
    )
    candidate_rule: bool = Field(True, description="take only voxels at or above `hu`, as a score does")
    hu: float = Field(130.0, gt=0, description="lowest HU of the candidate rule")
    minimum_area_mm2: float = Field(
        1.0, ge=0, description="area in mm² below which a slice's component is dropped"
    )
    lesion_check: bool = Field(
        True,
        description="drop candidates that, as whole lesions, do not look like calcium, if the weights can tell",
    )
    within: Within | None = Field(
        HeartRegionSegmenter(), description="segmenter outside whose region nothing is called; none: anywhere"
    )
    batch: int | None = Field(
        None,
        ge=1,
        description="slices in a batch, for speed and memory alone; none: 32 on a GPU, 4 on a processor, 2 in fp32",
    )
    window_pixels: int = Field(
        256, ge=32, description="slices larger than this are covered by overlapping windows"
    )
    device: ResolvedDevice = Field("auto", validate_default=True, description="auto: a GPU if there is one")
    precision: ResolvedPrecision = Field(
        "auto", validate_default=True, description="auto: bf16 where the hardware has it"
    )

    def availability(self) -> Availability:
        """Ready if the weights file is here and holds the network declared, and the segmenter it calls within is."""
        if not (weights := self.weights.availability()).ready:
            return weights
        try:
            refuse_other(self.weights.path, self.network, self.input)
        except UserError as error:
            return Availability(ready=False, reason=str(error))
        return weights if self.within is None else self.within.availability()

    def weights_digest(self) -> str:
        """Return the SHA-256 of the weights file. Raises `UserError` if there is none."""
        return self.weights.weights_digest()

    def segment(self, scan: Scan) -> sitk.Image:
        """Return the calcium (1) on the scan's grid; none is a right answer. Raises `CaseError`, `UserError`."""
        return self.find_once(scan)[0]

    def segment_noting(self, scan: Scan) -> tuple[sitk.Image, tuple[ScanWarning, ...]]:
        """Do what `segment` does and say, too, in what the scan or the result is unlike those of the training."""
        from segmenters.denseraunet.doubts import find_noting

        return find_noting(self, scan)

    def find_once(self, scan: Scan) -> tuple[sitk.Image, sitk.Image]:
        """Do what `find` does with the region of `within`, once; the scan keeps it: calcium 1, called besides 2."""

        def look() -> sitk.Image:
            region = None if self.within is None else self.within.segment_once(scan)[0]
            found, called = self.find(scan, region)
            return called * 2 - found

        seen = scan.region(self.region_key(), look)
        return seen == 1, seen > 0

    def find(self, scan: Scan, region: sitk.Image | None) -> tuple[sitk.Image, sitk.Image]:
        """Return the calcium, nothing outside `region` if there is one, and what was called before.

        With a region the network sees the box around it alone, 20 mm wider in the plane, and calls nothing beyond.
        """
        from segmenters.denseraunet.box import around, on_whole

        if region is None:
            return self._find(scan.image, None)
        box = around(region, self.input.slices // 2)
        if box is None:
            return on_whole(None, scan.image), on_whole(None, scan.image)
        found, called = self._find(box.cut(scan.image), box.cut(region))
        return on_whole(found, scan.image), on_whole(called, scan.image)

    def _find(self, image: sitk.Image, region: sitk.Image | None) -> tuple[sitk.Image, sitk.Image]:
        import SimpleITK as sitk

        probability = self.probability(image)
        called = self.predicted_mask(image, probability)
        predicted = called if region is None else sitk.Mask(called, region)
        # The check has learnt from lesions under the candidate rule alone.
        if not (self.lesion_check and self.candidate_rule):
            return predicted, called
        check = _lesion_check(self.weights.path, self.weights_digest())
        found = predicted if check is None else check.drop_unlikely(image, probability, predicted)
        return found, called

    def predicted_mask(self, image: sitk.Image, probability: sitk.Image) -> sitk.Image:
        """Return the voxels (1) that are probable enough and, with the candidate rule, that a score counts."""
        import SimpleITK as sitk

        threshold = self.threshold if self.threshold is not None else read_header(self.weights.path).threshold
        predicted = sitk.BinaryThreshold(probability, threshold, 2.0)  # no probability reaches the upper end
        if not self.candidate_rule:
            return predicted
        scoring = CalciumScoring(threshold_hu=self.hu, minimum_area_mm2=self.minimum_area_mm2)
        return calcium_mask(image, predicted, scoring)

    def probability(self, image: sitk.Image) -> sitk.Image:
        """Return the probability of coronary calcium (float32) on the image's grid."""
        import SimpleITK as sitk

        from segmenters.denseraunet.slices import axial, on_network_pixels, refuse_too_few

        on_grid = on_network_pixels(axial(image), self.input)
        refuse_too_few(on_grid.GetDepth(), self.input)
        volume: NDArray[np.float32] = sitk.GetArrayFromImage(on_grid)
        network = _load(
            self.weights.path, self.weights_digest(), self.network, self.input, self.device, self.precision
        )
        probability = sitk.GetImageFromArray(self._predict(network, volume))
        probability.CopyInformation(on_grid)
        return (
            probability
            if on_grid is image
            else sitk.Resample(probability, image, sitk.Transform(), sitk.sitkLinear, 0.0)
        )

    def _predict(self, network: torch.nn.Module, volume: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability; what DenseRAUnet's narrowest level makes of whole slices is kept for its features."""
        from segmenters.denseraunet.embedding.kept import keep, key_of
        from segmenters.denseraunet.prediction import padded, predict

        divisor = self.network.divisor
        in_one_window = max(padded(volume.shape[1:], divisor)) <= self.window_pixels
        narrowest: list[torch.Tensor] | None = (
            [] if in_one_window and isinstance(self.network, DenseRAUnet) else None
        )
        probability = predict(
            network,
            volume,
            self.input,
            divisor=divisor,
            batch=self.batch,
            window=self.window_pixels,
            narrowest=narrowest,
        )
        if narrowest:
            made_by = (self.weights_digest(), self.device, self.precision, self.batch)
            keep(key_of(volume, *made_by), narrowest)
        return probability


@cache
def _load(
    path: Path,
    digest: str,
    network: DenseRAUnet | BasicUNet,
    network_input: Input,
    device: Device,
    precision: Precision,
) -> torch.nn.Module:
    """Return the network ready for inference, once per process and file content."""
    from segmenters.denseraunet.network import build_network

    module = build_network(network, network_input)
    load_into(module, path, network, network_input)
    return prepare(module, device, precision)


@cache
def _lesion_check(path: Path, digest: str) -> LesionCheck | None:
    """Return the second look that the weights bring along, once per process and file content."""
    from benchmark.networks.checkpoint import read_tensors
    from segmenters.denseraunet.lesion_check import lesion_check_of

    keep, tensors = read_header(path).keep, read_tensors(path)
    if keep is None and not any(name.startswith(LESION_CHECK) for name in tensors):
        return None
    try:
        if keep is None:
            raise ValueError("it holds a lesion check and does not say from which probability on to keep")
        return lesion_check_of(tensors, keep)
    except ValueError as error:
        raise UserError(f"{path}: {error}: train again, or look once with `lesion_check: false`") from None
