"""Reads images and masks from disk, and refuses what cannot be trusted.

ITK fills the missing part of a truncated NIfTI file with zeros and does not mind a damaged gzip stream, so
both are checked here. Everything that is wrong with a file is a `CaseError` of one sentence.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.errors import CaseError
from benchmark.images.files import SUFFIXES

if TYPE_CHECKING:
    import SimpleITK as sitk

    from benchmark.case import Anomaly
    from benchmark.images.dicom_selection import SeriesChoice

ZERO_SPACING = "a voxel spacing in its header is zero"
NOT_FINITE = "it holds values that are not finite (NaN or infinite)"
NIFTI_FLOATS = {"16": "f4", "64": "f8"}


def read_image(path: Path) -> sitk.Image:
    """Read a CT image in HU from a NIfTI, NRRD, MHD or MHA file, or from a folder holding one DICOM series.

    Raises `CaseError` when the file is missing, damaged or not 3-D, or when its values cannot be HU.
    """
    return read_image_noting(path)[0]


def read_image_noting(
    path: Path, series: SeriesChoice | None = None
) -> tuple[sitk.Image, tuple[Anomaly, ...]]:
    """Do what `read_image` does and return the anomalies met, too; `series` chooses one of a DICOM folder's."""
    image, anomalies = _read_volume(path, series)
    _refuse_values(path, image)
    return image, anomalies


def read_mask(
    path: Path, image: sitk.Image | None = None, *, resample: bool = False, empty: bool = False
) -> sitk.Image:
    """Read a label image (0 is background) as unsigned 8- or 16-bit integers.

    With `image` the mask must lie on its grid, or is resampled to it if `resample` says so; it then carries
    the image's geometry to the last bit. Raises `CaseError` when the file cannot be read, when its values are
    not labels, when the grids differ, or when the mask is empty and `empty` does not allow that.
    """
    import SimpleITK as sitk

    from benchmark.images.geometry import refuse_other_grid, resample_mask_to, same_grid

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
    if not path.exists():
        raise CaseError(f"{path.name}: no such file")
    if not path.name.lower().endswith(SUFFIXES):
        raise CaseError(
            f"{path.name}: not a known format; give {', '.join(SUFFIXES)} or the folder of a DICOM series"
        )
    return _read_file(path), ()


def _read_file(path: Path) -> sitk.Image:
    import SimpleITK as sitk

    if path.suffix.lower() == ".nrrd":
        _refuse_detached(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    _refuse_itk_error(path, reader.ReadImageInformation)
    if reader.GetDimension() != 3 or reader.GetNumberOfComponents() != 1:
        values = (
            ""
            if reader.GetNumberOfComponents() == 1
            else f" with {reader.GetNumberOfComponents()} values per voxel"
        )
        raise CaseError(f"{path.name}: not a 3-D image but {reader.GetDimension()}-D{values}")
    if path.name.lower().endswith((".nii", ".nii.gz")):
        _refuse_broken_nifti(path, {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()})
    return _refuse_itk_error(path, reader.Execute)


def _refuse_detached(path: Path) -> None:
    """Refuse an NRRD header whose voxels are in another file, which the header's digest would not cover."""
    with path.open("rb") as stream:
        header = stream.read(1 << 16).partition(b"\n\n")[0].lower()
    if b"\ndata file:" in header or b"\ndatafile:" in header:
        raise CaseError(f"{path.name}: its voxels are in another file; save it as one NRRD file")


def _refuse_itk_error(path: Path, action: Callable[[], Any]) -> Any:
    try:
        return action()
    except RuntimeError as error:
        if "spacing" in str(error).lower():
            raise CaseError(f"{path.name}: {ZERO_SPACING}") from error
        raise CaseError(f"{path.name}: damaged or truncated; fetch or write it again") from error


def _refuse_broken_nifti(path: Path, header: dict[str, str]) -> None:
    """Refuse what ITK mends in silence: missing bytes and NaN, read as 0, and a spacing of 0, read as 1 mm."""
    voxels = math.prod(int(header[f"dim[{axis}]"]) for axis in (1, 2, 3))
    offset = int(float(header["vox_offset"]))
    expected = offset + voxels * int(header["bitpix"]) // 8
    try:
        found = _checked_size(path, offset, NIFTI_FLOATS.get(header["datatype"]))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CaseError(f"{path.name}: a truncated or damaged gzip file; fetch or write it again") from error
    if found < expected:
        raise CaseError(f"{path.name}: truncated, {found} of {expected} bytes; fetch or write it again")


def _checked_size(path: Path, offset: int, floats: str | None) -> int:
    """Return the unpacked size of a NIfTI file; check its checksum, spacings and numbers on the way.

    `floats` is the NumPy type of the numbers from `offset` on, if these may be NaN.
    """
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
        head = stream.read(offset)
        order, kind, place = _nifti_spacings(head)
        if (np.frombuffer(head, order + kind, 3, place) == 0).any():
            raise CaseError(f"{path.name}: {ZERO_SPACING}")
        size = len(head)
        while block := stream.read(1 << 20):
            size += len(block)
            numbers = np.frombuffer(block[: len(block) // 8 * 8], order + (floats or "i1"))
            if floats and not np.isfinite(numbers).all():
                raise CaseError(f"{path.name}: {NOT_FINITE}")
    return size


def _nifti_spacings(head: bytes) -> tuple[str, str, int]:
    """Return the byte order of a NIfTI-1 or NIfTI-2 header, and the type and place of its three spacings."""
    order = "<" if int.from_bytes(head[:4], "little") in (348, 540) else ">"
    second = 540 in (int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big"))
    return (order, "f8", 112) if second else (order, "f4", 80)


def _refuse_values(path: Path, image: sitk.Image) -> None:
    """Refuse an image whose values are not those of a CT in HU.

    The rule: finite, not constant, something below -50 HU (every CT holds air, lung or fat) and something
    above 0 HU (soft tissue). It catches values scaled to 0...1, -1...1 or 0...255, and stored values
    without their intercept.
    """
    import SimpleITK as sitk

    values = sitk.GetArrayViewFromImage(image)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise CaseError(f"{path.name}: {NOT_FINITE}")
    if low == high:
        raise CaseError(f"{path.name}: the image is constant ({low:g} everywhere)")
    if low > -50 or high < 0:
        raise CaseError(
            f"{path.name}: the image has no HU range: its values run from {low:g} to {high:g}, where a CT "
            "in HU has air or fat below -50 and tissue above 0; rescale it to HU"
        )
