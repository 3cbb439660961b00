"""The second look: keeps the found lesions that, as wholes, look like coronary calcium. Ours; not of the paper.

Two stages, the second to drop what the first found in excess, are usual in calcium scoring (Lessmann et al., IEEE TMI
2018;37:615, doi:10.1109/TMI.2017.2769839, use two networks). Here the second is an ensemble of perceptrons with one
hidden layer over the features of `lesion_features`; scikit-learn fits them, and they travel as tensors in the file of
weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segmenters.denseraunet.lesion_features import FEATURES, describe
from segmenters.denseraunet.lesions import label_lesions
from segmenters.denseraunet.weights_file import LESION_CHECK

if TYPE_CHECKING:
    import SimpleITK as sitk
    import torch

_SHAPES = {
    "mean": ("features",),
    "scale": ("features",),
    "hidden": ("members", "features", "width"),
    "hidden_bias": ("members", "width"),
    "output": ("members", "width"),
    "output_bias": ("members",),
}


@dataclass(frozen=True)
class LesionCheck:
    """M perceptrons with H hidden units over F standardised features.

    Lesions with a probability of calcium from `keep` on are kept.
    """

    keep: float
    arrays: Mapping[str, NDArray[np.float64]]

    def calcium_probability(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean of the members' probabilities that a lesion is coronary calcium, (lesion,)."""
        a = self.arrays
        x = (features - a["mean"]) / a["scale"]
        hidden = np.maximum(np.einsum("nf,mfh->nmh", x, a["hidden"]) + a["hidden_bias"], 0)
        logits = np.einsum("nmh,mh->nm", hidden, a["output"]) + a["output_bias"]
        return np.asarray((1 / (1 + np.exp(-logits))).mean(axis=1))

    def keeps(self, features: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which lesions, (lesion, feature), are kept."""
        return np.asarray(self.calcium_probability(features) >= self.keep)

    def drop_unlikely(self, image: sitk.Image, probability: sitk.Image, predicted: sitk.Image) -> sitk.Image:
        """Return `predicted` (0 or 1) without the lesions that are probably no calcium. All on one grid."""
        import SimpleITK as sitk

        labels = label_lesions(predicted)
        features = describe(image, probability, labels)
        kept = np.r_[False, self.keeps(features)]
        result = sitk.GetImageFromArray(kept[sitk.GetArrayViewFromImage(labels)].astype(np.uint8))
        result.CopyInformation(predicted)
        return result

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return what a weights file holds of it."""
        import torch

        return {LESION_CHECK + name: torch.from_numpy(array) for name, array in self.arrays.items()}


def lesion_check_of(tensors: Mapping[str, torch.Tensor], keep: float) -> LesionCheck:
    """Return the check that a weights file holds. Raises `ValueError` where its tensors do not fit one another."""
    arrays = {
        name: tensors[LESION_CHECK + name].double().numpy()
        for name in _SHAPES
        if LESION_CHECK + name in tensors
    }
    if missing := sorted(set(_SHAPES) - set(arrays)):
        raise ValueError(f"the lesion check lacks {', '.join(missing)}")
    sizes = {"features": len(FEATURES)}
    for name, axes in _SHAPES.items():
        shape = arrays[name].shape
        if len(shape) != len(axes) or any(
            sizes.setdefault(a, n) != n for a, n in zip(axes, shape, strict=True)
        ):
            raise ValueError(
                f"the lesion check's {name} has the shape {shape}, which does not fit the others"
            )
    return LesionCheck(keep, arrays)
