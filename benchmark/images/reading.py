"""Reads images and masks from disk, and refuses what cannot be trusted.

What is wrong with a file is a `CaseError` of one sentence. Each format's own rules are in `volume_files` and in the
modules of DICOM; what all must meet is `Grid.refuse_implausible` and `refuse_no_hu`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.errors import CaseError
from benchmark.images.files import SUFFIXES, refuse_no_file
from benchmark.images.geometry import Grid, refuse_other_grid, resample_mask_to, same_grid
from benchmark.images.hounsfield import refuse_no_hu
from benchmark.images.volume_files import metaimage, nifti, nrrd
from benchmark.images.volume_files.streams import DAMAGED

if TYPE_CHECKING:
    from types import ModuleType

    import SimpleITK as sitk

    from benchmark.case import Anomaly
    from benchmark.images.dicom_selection import SeriesChoice


def read_image(path: str | Path) -> sitk.Image:
    """Read a CT image in HU from a NIfTI, NRRD, MHD or MHA file, or from a folder holding one DICOM series.

    Raises `CaseError` when the file is missing, damaged or not 3-D, when its header gives no spacing in mm or
    contradicts itself, or when its values cannot be HU.
    """
    return read_image_noting(Path(path))[0]


def read_image_noting(
    path: Path, series: SeriesChoice | None = None
) -> tuple[sitk.Image, tuple[Anomaly, ...]]:
    """Do what `read_image` does and return the anomalies met, too; `series` chooses one of a DICOM folder's."""
    image, anomalies = _read_volume(path, series)
    refuse_no_hu(path.name, image)
    return image, anomalies


def read_grid(path: Path, series: SeriesChoice | None = None) -> Grid:
    """Return the grid of an image or mask from its headers alone.

    Raises `CaseError` as `read_image` does, but for what only the voxels' bytes tell.
    """
    if path.is_dir():
        from benchmark.images.dicom_series import read_series_grid

        return read_series_grid(path, series)
    known = _format_of(path)
    try:
        known.check(path)
        grid = _grid_of(path, known)
    except (OSError, RuntimeError) as error:
        raise CaseError(f"{path.name}: {DAMAGED}") from error
    grid.refuse_implausible(path.name)
    return grid


def read_mask(
    path: str | Path, image: sitk.Image | None = None, *, resample: bool = False, empty: bool = False
) -> sitk.Image:
    """Read a label image (0 is background) as unsigned 8- or 16-bit integers.

    With `image` the mask must lie on its grid, or is resampled to it if `resample` says so; it then carries
    the image's geometry to the last bit. Raises `CaseError` when the file cannot be read, when its values are
    not labels, when the grids differ, or when the mask is empty and `empty` does not allow that.
    """
    import SimpleITK as sitk

    path = Path(path)
    mask = _labels(path)
    if image is not None:
        if resample and not same_grid(image, mask):
            mask = resample_mask_to(mask, image)
        refuse_other_grid(image, mask, path.name)
        mask.CopyInformation(image)
    if not (empty or sitk.GetArrayViewFromImage(mask).any()):
        raise CaseError(f"{path.name}: the mask is empty")
    return mask


def _labels(path: Path) -> sitk.Image:
    import SimpleITK as sitk

    mask, _ = _read_volume(path)
    values = sitk.GetArrayViewFromImage(mask)
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= np.iinfo(np.uint16).max and (values == np.round(values)).all()):
        raise CaseError(f"{path.name}: not a mask, its values are not whole labels from 0 up")
    return sitk.Cast(mask, sitk.sitkUInt8 if high <= np.iinfo(np.uint8).max else sitk.sitkUInt16)


def _read_volume(path: Path, series: SeriesChoice | None = None) -> tuple[sitk.Image, tuple[Anomaly, ...]]:
    if path.is_dir():
        from benchmark.images.dicom_selection import ANY
        from benchmark.images.dicom_series import read_series

        volume = read_series(path, series or ANY)
        return volume.image, volume.anomalies
    return _read_file(path), ()


def _read_file(path: Path) -> sitk.Image:
    import SimpleITK as sitk

    known = _format_of(path)
    try:
        known.check(path)
        if known is nifti:
            image = nifti.read(path, _grid_of(path, known))
        else:
            known.check_bytes(path)
            _keep_itk_quiet()
            image = sitk.ReadImage(str(path))
    except (OSError, RuntimeError) as error:
        raise CaseError(f"{path.name}: {DAMAGED}") from error
    Grid.of(image).refuse_implausible(path.name)
    return image


def _format_of(path: Path) -> ModuleType:
    """Return the module that knows the file's format. Raises `CaseError` without a file, and for another format."""
    refuse_no_file(path)
    for module in (nifti, nrrd, metaimage):
        if path.name.lower().endswith(module.SUFFIXES):
            return module
    raise CaseError(
        f"{path.name}: not a known format; give {', '.join(SUFFIXES)} or the folder of a DICOM series"
    )


def _keep_itk_quiet() -> None:
    # Its warnings go to standard error, past every log, and name the file.
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)


def _grid_of(path: Path, known: ModuleType) -> Grid:
    """Return the grid as ITK reads it from the header; of NIfTI-2, which ITK does not know, as nibabel does."""
    import SimpleITK as sitk

    if known is nifti and nifti.is_second(path):
        return nifti.second_grid(path)
    _keep_itk_quiet()
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return Grid.of(reader)
