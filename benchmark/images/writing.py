"""Writes images, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import SimpleITK as sitk

COMPRESSION = 3


def write_nifti(image: sitk.Image, file: Path) -> None:
    """Write a compressed NIfTI file through a temporary one beside it; nothing but voxels and geometry is written."""
    import SimpleITK as sitk

    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    partial = file.with_name(f".{file.name.removesuffix('.nii.gz')}.partial.nii.gz")
    sitk.WriteImage(image, str(partial), True, COMPRESSION)
    partial.replace(file)
