"""Filtered images to extract from: Laplacian of Gaussian, and the eight parts of a stationary wavelet transform.

Both are PyRadiomics' own, around the ROI: a margin as wide as the filters reach makes the responses within the ROI
those of the whole image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmark.errors import CaseError

if TYPE_CHECKING:
    import SimpleITK as sitk

REACH, WAVELET_VOXELS = 10.0, 8
"""How far filters are taken to reach: standard deviations of a Gaussian; voxels of the wavelet coif1, which has 6."""


def responses(
    image: sitk.Image, region: sitk.Image, sigmas_mm: Sequence[float], wavelet: bool
) -> Iterator[tuple[str, sitk.Image]]:
    """Yield each filtered image in the region's box, and what its features are called by.

    ``log-sigma-3-0-mm-3D`` is normalised across scales (times sigma²); ``wavelet-LLH`` is low, low and high along x, y
    and z. Raises `CaseError` for an image too small for a filter.
    """
    from radiomics import imageoperations

    from benchmark.images.geometry import crop_to_roi

    for sigma in sigmas_mm:
        around, within = crop_to_roi(image, region, margin_mm=REACH * sigma, margin_voxels=4)
        found = list(imageoperations.getLoGImage(around, None, sigma=[sigma]))
        if not found:
            sides = " × ".join(map(str, around.GetSize()))
            raise CaseError(f"{sides} voxels are too few for a Laplacian of Gaussian of {sigma:g} mm")
        yield found[0][1], crop_to_roi(found[0][0], within)[0]
    if wavelet:
        around, within = crop_to_roi(image, region, margin_voxels=WAVELET_VOXELS)
        for response, name, _ in imageoperations.getWaveletImage(around, None):
            yield name, crop_to_roi(response, within)[0]
