"""Whether an image's values are Hounsfield units, judged by how many voxels are what every chest holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.errors import CaseError

if TYPE_CHECKING:
    import SimpleITK as sitk

PADDING_HU = -1100
"""Below it nothing is imaged: air is -1000, so these voxels are what a scanner writes outside its field of view."""
AIRY_HU = -50
"""Air, lung and fat lie below it."""
SOFT_HU = (-50, 500)
"""Where blood, muscle and heart lie, with contrast medium or without."""
DENSE_HU = 1000
"""Above it are cortical bone and metal: under 1 % of the voxels of real scans."""
AIRY_SHARE, SOFT_SHARE = 0.01, 0.05
"""The smallest shares of the imaged voxels: 16 scans, one of them of a phantom, have 0.43 to 0.84
and 0.16 to 0.55, a tight crop less air."""
DENSE_SHARE = 0.1
"""The largest share: real scans have up to 0.012, and one that is 1024 too high has all its soft tissue there."""

SLICES = 8
"""How many slices, evenly spaced, the shares are taken of."""


def refuse_no_hu(name: str, image: sitk.Image) -> None:
    """Raise `CaseError` if the values of an image cannot be those of a CT of a body in HU.

    Catches values scaled to 0...1, -1...1 or 0...255, stored values without their intercept or with it twice, and
    MR images, whether or not a few padded voxels are low.
    """
    import SimpleITK as sitk

    values = sitk.GetArrayViewFromImage(image)
    some = values[:: -(-len(values) // SLICES)]
    if values.dtype.kind != "f":
        values = some  # only a float may be infinite in one voxel
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise CaseError(f"{name}: it holds values that are not finite (NaN or infinite)")
    if low == high:
        raise CaseError(f"{name}: the image is constant ({low:g} everywhere)")
    below = {hu: np.count_nonzero(some < hu) for hu in (PADDING_HU, AIRY_HU, SOFT_HU[1], DENSE_HU)}
    imaged = some.size - below[PADDING_HU]
    airy, soft = below[AIRY_HU] - below[PADDING_HU], below[SOFT_HU[1]] - below[AIRY_HU]
    dense = some.size - below[DENSE_HU]
    enough = airy >= AIRY_SHARE * imaged > 0 and soft >= SOFT_SHARE * imaged
    if not enough or dense > DENSE_SHARE * imaged:
        shares = [f"{100 * count / max(imaged, 1):.3g} %" for count in (airy, soft, dense)]
        raise CaseError(
            f"{name}: the image has no HU range: its values run from {low:g} to {high:g}, and of its imaged voxels "
            f"{shares[0]} are air, lung or fat, {shares[1]} soft tissue and {shares[2]} denser than {DENSE_HU} HU, "
            "where a CT has at least 1 %, 5 % and at most 10 %; rescale it to HU"
        )
