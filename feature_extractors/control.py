"""Image controls: what an extractor still tells when the texture, or the place, of its region is destroyed.

In the manner of readii's negative controls. A set of features whose accuracy stays as it was did not read what was
taken away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, WithJsonSchema, field_validator

from benchmark.errors import CaseError
from benchmark.execution.seeds import derive_seed
from benchmark.plugins import Availability, FeatureExtractor
from benchmark.plugins.registry import declared
from benchmark.plugins.trainable import TrainableExtractor

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import SimpleITK as sitk
    from numpy.typing import NDArray

Of = Annotated[
    FeatureExtractor,
    declared("feature_extractor"),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "required": ["use"]}]}),
]
BODY_HU = -500.0
INSIDE, APART = 0.95, 0.5
"""Shares of a moved region: least in the body, most on its old place."""
TRIES = 200


class ControlExtractor(FeatureExtractor):
    """Any extractor on a scan in which something of the region was destroyed.

    ``shuffled``: the region's voxels change places, which keeps its shape and its histogram. ``noise``: they are drawn
    from a normal distribution of their mean and standard deviation, which keeps its shape. ``moved``: the region is
    somewhere else in the body, the same shape on other tissue. What is drawn derives from the scan's voxels.
    """

    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy", "SimpleITK")

    of: Of = Field(description="the extractor: `{use: NAME, …}`, or a name")
    what: Literal["shuffled", "noise", "moved"] = Field(description="what is destroyed")
    seed: int | str = Field(0, description="name of the random streams; another seed, other draws")

    @field_validator("of")
    @classmethod
    def _has_features(cls, of: FeatureExtractor) -> FeatureExtractor:
        if isinstance(of, TrainableExtractor):
            raise ValueError("hands out activations to train on and no features: name another extractor")
        return of

    def availability(self) -> Availability:
        """Return that of the extractor."""
        return self.of.availability()

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        """Return the extractor's features of the control. Raises `CaseError` where a region can be moved nowhere."""
        import numpy as np
        import SimpleITK as sitk

        from benchmark.images.files import voxel_digest

        random = np.random.default_rng(derive_seed(self.seed, "control", self.what, voxel_digest(image)))
        voxels, region = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(roi)
        if self.what == "moved":
            return self.of.extract(image, _like(_moved(voxels, region, random), roi))
        inside = region > 0
        own = voxels[inside].astype(np.float64)
        values = (
            random.permutation(own)
            if self.what == "shuffled"
            else random.normal(own.mean(), own.std(), own.size)
        )
        changed = voxels.astype(np.float32)
        changed[inside] = values
        return self.of.extract(_like(changed, image), roi)


def _like(array: NDArray[np.generic], image: sitk.Image) -> sitk.Image:
    import SimpleITK as sitk

    made = sitk.GetImageFromArray(array)
    made.CopyInformation(image)
    return made


def _moved(
    voxels: NDArray[np.float32], region: NDArray[np.uint8], random: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the region, whole, at a random place in the body; all arrays (z, y, x). Raises `CaseError`."""
    import numpy as np

    body = _body(voxels)
    places = np.argwhere(region > 0)
    if not len(places):
        raise CaseError("control: the region is empty, and nothing can be moved")
    lowest, highest = -places.min(axis=0), np.array(region.shape) - 1 - places.max(axis=0)
    for _ in range(TRIES):
        there = places + random.integers(lowest, highest, endpoint=True)
        index = tuple(there.T)
        if body[index].mean() >= INSIDE and (region[index] > 0).mean() <= APART:
            moved = np.zeros_like(region)
            moved[index] = region[tuple(places.T)]
            return moved
    raise CaseError(
        f"control: none of {TRIES} other places in the body holds the region: take a smaller one, or `what: shuffled`"
    )


def _body(voxels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return what lies in the patient, lungs included: each slice's holes are filled."""
    import numpy as np
    from scipy import ndimage

    tissue = voxels > BODY_HU
    return np.stack([ndimage.binary_fill_holes(plane) for plane in tissue])
