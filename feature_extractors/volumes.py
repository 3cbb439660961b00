"""What 3-D encoders are given of a scan: the box around a region, another spacing. Arrays are (z, y, x)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark.errors import CaseError
from benchmark.images.geometry import bounding_box

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def box_around(mask: NDArray[np.bool_], spacing: tuple[float, ...], margin_mm: float) -> tuple[slice, ...]:
    """Return the box of the true voxels and a margin, cut at the volume's border. Raises `CaseError` without any."""
    if (box := bounding_box(mask)) is None:
        raise CaseError("the ROI is empty")
    margins = [round(margin_mm / mm) for mm in spacing]
    return tuple(slice(max(s.start - m, 0), s.stop + m) for s, m in zip(box, margins, strict=True))


def resampled(
    volume: NDArray[Any], spacing: tuple[float, ...], wanted: tuple[float, ...]
) -> NDArray[np.float32]:
    """Resample linearly from the first voxel on, as MONAI's Spacing does."""
    import numpy as np
    from scipy.ndimage import affine_transform

    ratio = np.asarray(wanted) / np.asarray(spacing)
    shape = tuple(int(np.round((n - 1) / r + 1)) for n, r in zip(volume.shape, ratio, strict=True))
    return affine_transform(volume.astype(np.float32), ratio, output_shape=shape, order=1, mode="nearest")


def cube_about(
    volume: NDArray[Any], spacing: tuple[float, ...], box: tuple[slice, ...], voxels: int, mm: float
) -> NDArray[np.float32]:
    """Resample linearly to a cube of `voxels` of `mm` a side about the middle of `box`; beyond, it is the minimum."""
    import numpy as np
    from scipy.ndimage import affine_transform

    ratio = mm / np.asarray(spacing)
    middle = np.array([(part.start + part.stop - 1) / 2 for part in box])
    return affine_transform(
        volume,
        ratio,
        offset=middle - ratio * (voxels - 1) / 2,
        output_shape=(voxels,) * 3,
        output=np.float32,
        order=1,
        cval=float(volume.min()),
    )
