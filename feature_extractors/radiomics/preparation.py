"""What comes before radiomics: resampling about the image's middle, and leaving voxels out by their intensity.

As the Image Biomarker Standardisation Initiative defines both (reference manual, arXiv 1612.07003, chapter 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.errors import CaseError

if TYPE_CHECKING:
    import SimpleITK as sitk

Spacing = tuple[float, float, float]


def resampled_about_the_middle(
    image: sitk.Image, region: sitk.Image, spacing: Spacing, interpolator: str
) -> tuple[sitk.Image, sitk.Image]:
    """Return image and region (0 or 1) on a grid of `spacing` (x, y, z mm; 0 keeps an axis) with the same middle.

    The image by `interpolator`, a name of SimpleITK's, rounded to whole HU; the region linearly, where at least one
    half of it is. Beyond the outermost voxels their value goes on. Raises `CaseError` where nothing of the region is
    left.
    """
    import numpy as np
    import SimpleITK as sitk

    old = np.array(image.GetSpacing())
    new = np.where(np.array(spacing) > 0, spacing, old)
    size = np.ceil(np.array(image.GetSize()) * old / new - 1e-6).astype(int)
    middle = np.array(image.TransformContinuousIndexToPhysicalPoint((np.array(image.GetSize()) - 1) / 2))
    axes = np.array(image.GetDirection()).reshape(3, 3)
    resample = sitk.ResampleImageFilter()
    resample.SetSize(size.tolist())
    resample.SetOutputSpacing(new.tolist())
    resample.SetOutputOrigin((middle - axes @ ((size - 1) / 2 * new)).tolist())
    resample.SetOutputDirection(image.GetDirection())
    resample.UseNearestNeighborExtrapolatorOn()
    resample.SetInterpolator(getattr(sitk, interpolator))
    found = sitk.Round(resample.Execute(sitk.Cast(image, sitk.sitkFloat64)))
    resample.SetInterpolator(sitk.sitkLinear)
    # A hair below one half: of a voxel that is half covered the weights need not add to it exactly.
    inside = resample.Execute(sitk.Cast(region != 0, sitk.sitkFloat64)) >= 0.5 - 1e-9
    if not sitk.GetArrayViewFromImage(inside).any():
        raise CaseError(f"resampling to {spacing} mm leaves nothing of the ROI")
    return found, sitk.Cast(inside, sitk.sitkUInt32)


def resegmented(
    image: sitk.Image, region: sitk.Image, hu: tuple[float, float] | None, deviations: float | None
) -> sitk.Image:
    """Return those voxels of the region that lie within `hu`, and within so many standard deviations of its mean.

    Mean and deviation are those of the whole region. Raises `CaseError` where fewer than two voxels are left.
    """
    import numpy as np
    import SimpleITK as sitk

    values, inside = sitk.GetArrayViewFromImage(image), sitk.GetArrayFromImage(region) != 0
    kept = inside.copy()
    if hu is not None:
        kept &= (values >= hu[0]) & (values <= hu[1])
    if deviations is not None:
        within = values[inside].astype(np.float64)
        kept &= np.abs(values - within.mean()) <= deviations * within.std()
    if kept.sum() < 2:
        raise CaseError(f"resegmentation leaves {kept.sum()} of the ROI's {inside.sum()} voxels")
    found = sitk.GetImageFromArray(kept.astype(np.uint32))
    found.CopyInformation(region)
    return found


def lowest(image: sitk.Image, region: sitk.Image) -> float:
    """Return the lowest HU of the region."""
    import SimpleITK as sitk

    values, inside = sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(region) != 0
    return float(values[inside].min())
