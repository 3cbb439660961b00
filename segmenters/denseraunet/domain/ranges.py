"""What scans a network has learnt from, as ranges of figures, and whether a scan is of that kind. Ours.

The figures are `measure_scan`'s and two of the result: `outside_ml`, the volume that network and candidate rule call
in the box around the heart region and outside it, and `agatston_per_ml`, the score of what is called within, per mL of
the region. A training writes their ranges into the weights file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmark.calcium.scoring import STANDARD, score
from benchmark.case import ScanWarning
from benchmark.images.scan_measures import measure_scan

if TYPE_CHECKING:
    import SimpleITK as sitk

NOTABLE, SEVERE = 1.25, 2.0
"""How many times the largest figure of the training scans, or what part of the smallest, is worth a warning."""
FIGURES: Mapping[str, tuple[str, str]] = {
    "noise_hu": ("noise", " HU"),
    "pixel_mm": ("pixel", " mm"),
    "slice_mm": ("slice spacing", " mm"),
    "field_mm": ("field of view", " mm"),
    "dense_share": ("share of bone and contrast medium", ""),
    "blood_hu": ("blood", " HU"),
    "vessel_share": ("vessels' share of the lungs", ""),
    "outside_ml": ("calls outside the heart region", " mL"),
    "agatston_per_ml": ("Agatston score per mL of the heart region", ""),
}
"""What the figures are called, and their units. A scan's length says nothing to what sees a few slices at a time."""
ONLY_TOO_MUCH = ("dense_share",)
"""Where less than ever was learnt from is nothing to doubt: a small field of view shows little bone."""
ONLY_TOO_LITTLE = ("vessel_share",)
"""Where more than ever is nothing to doubt: sick lungs hold more than air and vessels, a mannequin's less."""
LEAST_HIGH: Mapping[str, float] = {"outside_ml": 0.5, "agatston_per_ml": 0.1}
"""Where a training's largest figure is about nothing, this much counts as it."""


@dataclass(frozen=True)
class TrainingDomain:
    """The lowest and the highest of each figure over so many training scans."""

    scans: int
    ranges: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, figures: Sequence[Mapping[str, float]]) -> TrainingDomain:
        """Return the ranges over the figures of scans; a figure that a scan does not give is left aside."""
        values = {name: [each[name] for each in figures if name in each] for name in FIGURES}
        return cls(len(figures), {name: (min(all_), max(all_)) for name, all_ in values.items() if all_})

    def warnings(self, figures: Mapping[str, float]) -> Iterator[ScanWarning]:
        """Yield a warning for each figure of a scan that lies outside the range by more than a factor."""
        for name, (title, unit) in FIGURES.items():
            if name not in figures or name not in self.ranges:
                continue
            value, (low, high) = figures[name], self.ranges[name]
            most = max(high, LEAST_HIGH.get(name, 0.0))
            below = 1.0 if low <= 0 or name in ONLY_TOO_MUCH else low / value if value > 0 else math.inf
            above = value / most if most > 0 and name not in ONLY_TOO_LITTLE else 1.0
            beyond = max(above, below)
            if beyond > NOTABLE * (1 + 1e-6):
                yield ScanWarning(
                    title,
                    "severe" if beyond > SEVERE else "notable",
                    f"{value:.3g}{unit}; the network learnt from {low:.3g} to {high:.3g}{unit}",
                )


def measure_result(
    image: sitk.Image, region: sitk.Image, called: sitk.Image, found: sitk.Image
) -> dict[str, float]:
    """Return all figures of a scan.

    `region` is that of the heart, `called` what network and candidate rule call anywhere, `found` the final mask;
    masks (0: background) on the image's grid.
    """
    import SimpleITK as sitk

    within = sitk.GetArrayViewFromImage(region) != 0
    outside = np.count_nonzero(sitk.GetArrayViewFromImage(called)[~within])
    voxel_ml = float(np.prod(image.GetSpacing())) / 1000
    result = {"outside_ml": outside * voxel_ml}
    if within.any():
        agatston = score(image, sitk.Mask(found, region), STANDARD).total.agatston
        result["agatston_per_ml"] = agatston / (np.count_nonzero(within) * voxel_ml)
    return measure_scan(image, region) | result
