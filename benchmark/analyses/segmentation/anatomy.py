"""Where false calls lie: in a structure that somebody drew on the scan, or elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.calcium.scoring import CalciumScoring, calcium_mask, score
from benchmark.calcium.structures import ELSEWHERE
from benchmark.images.geometry import refuse_other_grid

if TYPE_CHECKING:
    import SimpleITK as sitk

    from benchmark.case import Scan

MASK = "anatomy"
_TOUCHING = np.ones((3, 3, 3), bool)


@dataclass(frozen=True)
class DrawnAnatomy:
    """The structures drawn on a scan: labels (z, y, x), what they mean, and how much calcium a score counts in each."""

    labels: NDArray[np.integer[Any]]
    names: Mapping[int, str]
    calcium: Mapping[int, int]

    def false_calls(
        self,
        image: sitk.Image,
        predicted: NDArray[np.bool_],
        truth: NDArray[np.bool_],
        scoring: CalciumScoring,
    ) -> list[dict[str, Any]]:
        """Return one row per structure on the scan and one for elsewhere: what was called there and is no reference.

        `voxels` counts false voxels by where each lies; `lesions` the false ones (sets of touching voxels without a
        voxel of the reference) by the structure that holds most of their voxels, elsewhere if none holds any;
        `agatston` is the score of the false voxels alone, each slice's component whole for the place that holds most
        of it. `calcium_voxels` is how many a score counts in the structure: all that could be called there.
        """
        false = predicted & ~truth
        places = np.where(false, self.labels, 0)
        voxels = np.bincount(self.labels[false], minlength=max(self.names, default=0) + 1)
        lesions = self._lesions(predicted, truth)
        agatston = self._agatston(image, false, places, scoring)
        return [
            {
                "structure": name,
                "calcium_voxels": self.calcium.get(label),
                "voxels": int(voxels[label]),
                "lesions": lesions.count(label),
                "agatston": agatston.get(label, 0.0),
            }
            for label, name in {**self.names, 0: ELSEWHERE}.items()
        ]

    def _lesions(self, predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> list[int]:
        """Return the label of each false lesion, 0 for elsewhere."""
        from scipy import ndimage

        blobs, count = ndimage.label(predicted, _TOUCHING)
        inside = (blobs > 0) & (self.labels > 0)
        votes = np.zeros((count + 1, max(self.names, default=0) + 1), np.intp)
        np.add.at(votes, (blobs[inside], self.labels[inside]), 1)
        false = np.setdiff1d(np.arange(1, count + 1), blobs[truth & predicted])
        return [int(label) for label in votes[false].argmax(axis=1)]

    def _agatston(
        self, image: sitk.Image, false: NDArray[np.bool_], places: NDArray[Any], scoring: CalciumScoring
    ) -> dict[int, float]:
        import SimpleITK as sitk

        beyond = max(self.names, default=0) + 1
        region = sitk.GetImageFromArray(np.where(false & (places == 0), beyond, places).astype(np.uint16))
        region.CopyInformation(image)
        regions = score(image, region, scoring).regions
        by_label = {row.label: row.agatston for row in regions if row.label is not None}
        return {0: by_label.pop(beyond, 0.0), **by_label}


def drawn_anatomy(scan: Scan, scoring: CalciumScoring) -> DrawnAnatomy | None:
    """Return the structures drawn on a scan, None where nobody drew any. Raises `CaseError` for another grid."""
    import SimpleITK as sitk

    if MASK not in scan.masks:
        return None
    mask = scan.masks[MASK]
    refuse_other_grid(scan.image, mask, f"the mask {MASK!r}")
    labels = sitk.GetArrayFromImage(mask)
    counted = sitk.GetArrayFromImage(calcium_mask(scan.image, mask, scoring)) > 0
    present = [int(label) for label in np.unique(labels) if label]
    known = scan.label_names.get(MASK, {})
    voxels = np.bincount(labels[counted], minlength=max(present, default=0) + 1)
    return DrawnAnatomy(
        labels,
        {label: known.get(label, f"label {label}") for label in present},
        {label: int(voxels[label]) for label in present},
    )
