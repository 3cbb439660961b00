"""What a feature extractor hands a classifier that trains the extractor's own network further."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from benchmark.plugins.base import FeatureExtractor

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import SimpleITK as sitk
    import torch
    from numpy.typing import NDArray


class TrainableExtractor(FeatureExtractor):
    """An extractor whose network is parted in two: frozen layers, run once per case, and layers that are trained.

    The features in its table are those of the whole network, frozen.
    """

    @abstractmethod
    def extract_with_activations(
        self, image: sitk.Image, roi: sitk.Image
    ) -> tuple[pd.Series, NDArray[np.generic]]:
        """Return what `extract` returns, and what the trained layers take: (views, …), the same shape for every case.

        The first view is the scan, the others show it so that its label cannot change. Raises `CaseError`.
        """

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        """Return the features alone."""
        return self.extract_with_activations(image, roi)[0]

    @abstractmethod
    def trained_part(self) -> torch.nn.Module:
        """Return a new copy of the layers to train, with their published weights, in float32 on `trains_on`.

        It takes one view of several cases, (cases, …), and returns (cases, features). Raises `UserError`.
        """

    @property
    @abstractmethod
    def trains_on(self) -> tuple[str, str]:
        """The device, and the precision in which it multiplies: fp32 or bf16."""

    @abstractmethod
    def architecture(self) -> dict[str, Any]:
        """Return the declaration, as plain JSON, of an untrained extractor whose `trained_part` has the same layers."""
