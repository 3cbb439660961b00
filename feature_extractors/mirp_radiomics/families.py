"""mirp's families of features, and IBSI's ways of pooling texture matrices by its names."""

from __future__ import annotations

from typing import Literal

Family = Literal[
    "morphological", "local_intensity", "statistics", "intensity_histogram", "intensity_volume_histogram",
    "glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm",
]  # fmt: skip
FAMILIES: tuple[Family, ...] = Family.__args__  # type: ignore[attr-defined]
Matrices = Literal["2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg", "3D_comb"]
IN_MIRP: dict[Matrices, tuple[str, str]] = {
    "2D_avg": ("2d_average", "2d"),
    "2D_comb": ("2d_slice_merge", "2d"),
    "2_5D_avg": ("2.5d_direction_merge", "2.5d"),
    "2_5D_comb": ("2.5d_volume_merge", "2.5d"),
    "3D_avg": ("3d_average", "3d"),
    "3D_comb": ("3d_volume_merge", "3d"),
}
"""IBSI's ways of making one value of many matrices, by mirp's names: for those with directions, for those without."""
