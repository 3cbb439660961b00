"""Versions of a scan and its region that are turned, shifted, grown and shrunk by a little.

The perturbations of Zwanenburg et al., Sci Rep 2019;9:614, which tell from versions of one image how robust a feature
is, as a second scan of the patient would.
"""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any

from pydantic import Field, model_validator

from benchmark.plugins.declaration import Declaration, Once

Fraction = Annotated[float, Field(ge=0, lt=1)]
Change = Annotated[float, Field(gt=-1, lt=10)]


class Perturbation(Declaration):
    """What is done to the scan and its region, every kind with every other; 0 of each is the scan as it is."""

    rotations_degrees: Annotated[tuple[float, ...], Once] = Field(
        (0.0,), min_length=1, description="turns in the axial plane, in degrees"
    )
    translations: Annotated[tuple[Fraction, ...], Once] = Field(
        (0.0,),
        min_length=1,
        description="shifts of the grid in parts of a voxel, along each axis with every other; by slice in the plane",
    )
    growth_mm: Annotated[tuple[float, ...], Once] = Field(
        (0.0,),
        min_length=1,
        description="how far the region grows, or shrinks below 0, in mm; at least a voxel, and never by more than a "
        "fifth of its volume where it shrinks",
    )
    growth_fraction: Annotated[tuple[Change, ...], Once] = Field(
        (0.0,), min_length=1, description="by what part of its volume the region grows, or shrinks below 0"
    )

    @model_validator(mode="after")
    def _grown_in_one_way(self) -> Perturbation:
        if any(self.growth_mm) and any(self.growth_fraction):
            raise ValueError("a region grows in mm or by a part of its volume: leave one of them out")
        return self

    def places(self, by_slice: bool) -> list[tuple[float, tuple[float, float, float]]]:
        """Return each turn in degrees with each shift (z, y, x) in parts of a voxel."""
        across = (0.0,) if by_slice else self.translations
        shifts = list(product(across, self.translations, self.translations))
        return list(product(self.rotations_degrees, shifts))

    def settings(self) -> dict[str, Any]:
        """Return mirp's keywords of what is done to the region."""
        kind, sizes = (
            ("fraction", self.growth_fraction) if any(self.growth_fraction) else ("distance", self.growth_mm)
        )
        return {"perturbation_roi_adapt_type": kind, "perturbation_roi_adapt_size": list(sizes)}
