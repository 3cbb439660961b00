"""One-size preprocessing: the same cube for every encoder, instead of what each was trained to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, PositiveFloat, model_validator

from benchmark.plugins.declaration import mistake
from feature_extractors.embedding import FrozenEmbedding
from feature_extractors.volumes import box_around, cube_about

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_VOXELS = 16
"""A side that is halved four times must have."""


class OneSize(FrozenEmbedding):
    """An embedding that sees the scan natively, or, as a declared variant, the cube that all encoders see.

    Scaling of HU, orientation and normalisation stay the encoder's own.
    """

    native_only: ClassVar[tuple[str, ...]] = ("margin_mm",)
    """Parameters that say what is seen natively, so that they and a cube exclude one another."""

    cube_voxels: int | None = Field(
        None,
        ge=LEAST_VOXELS,
        le=512,
        description="one size for all encoders: a cube of so many voxels a side about the middle of the region, with "
        "what the scan holds there; null: native, as the encoder was trained",
    )
    cube_mm: PositiveFloat = Field(
        1.5, description="side of a voxel of the cube, where `cube_voxels` is given"
    )

    @model_validator(mode="after")
    def _is_native_or_a_cube(self) -> Self:
        fields = type(self).model_fields
        for name in self.native_only if self.cube_voxels is not None else ():
            if getattr(self, name) != fields[name].default:
                raise mistake(
                    name,
                    message="says what the encoder sees natively, and `cube_voxels` shows a cube: leave one out",
                )
        return self

    @property
    def cube_size(self) -> tuple[int, float] | None:
        """Voxels a side and mm a voxel; None where the scan is seen natively."""
        return None if self.cube_voxels is None else (self.cube_voxels, self.cube_mm)

    def cube(
        self, volume: NDArray[Any], spacing: tuple[float, ...], inside: NDArray[np.bool_] | None
    ) -> NDArray[np.float32] | None:
        """Return the cube of a volume (z, y, x) in HU, about the middle of the box of `inside`, or of the volume.

        None where the scan is seen natively. Raises `CaseError` where nothing is inside.
        """
        if self.cube_size is None:
            return None
        whole = tuple(slice(0, length) for length in volume.shape)
        box = whole if inside is None else box_around(inside, spacing, 0.0)
        return cube_about(volume, spacing, box, *self.cube_size)
