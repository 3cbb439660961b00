"""NIfTI: a header that agrees with itself and with the number of bytes behind it.

ITK fills the missing part of a truncated file with zeros, does not mind a damaged gzip stream or NaN, takes a spacing
of 0 for 1 mm, and the spacings of `pixdim` or of the sform matrix as it sees fit where they differ. It cannot read
NIfTI-2, which is read with nibabel. The format: https://nifti.nimh.nih.gov/nifti-1.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from benchmark.errors import CaseError
from benchmark.images.geometry import Grid, refuse_sheared
from benchmark.images.volume_files.streams import DAMAGED, ZERO_SPACING, refuse_large

if TYPE_CHECKING:
    import SimpleITK as sitk
    from numpy.typing import NDArray

SUFFIXES = (".nii", ".nii.gz")
NOT_FINITE = "it holds values that are not finite (NaN or infinite)"
MILLIMETRES = (0, 2)
"""The codes of an unnamed unit, which everybody takes for mm, and of mm; 1 is metre, 3 micrometre."""
LONGEST_HEADER = 1 << 26
"""Bytes before the voxels: extensions may stand there."""
AGREEMENT = 0.01
"""How far spacings that a header gives twice may differ, as a fraction."""


def check(path: Path) -> None:
    """Raise `CaseError` unless the header is that of a 3-D volume in mm and agrees with itself."""
    header = _header(path)
    shape = header.get_data_shape()
    if int(header["bitpix"]) != 8 * header.get_data_dtype().itemsize:
        raise CaseError(f"{path.name}: datatype and bitpix of its header contradict each other; {DAMAGED}")
    if len(shape) != 3 or header["datatype"] in (128, 2304):
        raise CaseError(f"{path.name}: not a 3-D image of one value per voxel: its shape is {shape}")
    if min(shape) < 1:
        raise CaseError(f"{path.name}: a size in its header is not positive: {shape}")
    if int(header["xyzt_units"]) & 7 not in MILLIMETRES:
        raise CaseError(
            f"{path.name}: its spacings are in another unit than mm; convert them, or correct the header's unit"
        )
    refuse_large(path.name, math.prod(shape) * int(header["bitpix"]) // 8)
    _refuse_contradictions(path, header)
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope != 0 and math.isnan(slope) != math.isnan(intercept):
        raise CaseError(
            f"{path.name}: of slope and intercept in its header one is no number; correct the header"
        )


def check_bytes(path: Path) -> None:
    """Raise `CaseError` unless the file holds the bytes its header promises, no more and no fewer, all finite."""
    header = _header(path)
    if not int(header["sizeof_hdr"]) <= header["vox_offset"] <= LONGEST_HEADER:
        raise CaseError(
            f"{path.name}: its voxels would begin inside its header or far behind it; write it as one NIfTI file"
        )
    offset = int(header["vox_offset"])
    expected = offset + math.prod(header.get_data_shape()) * int(header["bitpix"]) // 8
    floats = header.get_data_dtype() if header.get_data_dtype().kind == "f" else None
    try:
        with _opened(path) as stream:
            size = len(stream.read(offset))
            while size <= expected and (block := stream.read(1 << 20)):
                size += len(block)
                if floats and not np.isfinite(np.frombuffer(block[: len(block) // 8 * 8], floats)).all():
                    raise CaseError(f"{path.name}: {NOT_FINITE}")
    except (EOFError, zlib.error, OSError) as error:
        raise CaseError(f"{path.name}: a truncated or damaged gzip file; fetch or write it again") from error
    if size < expected:
        raise CaseError(f"{path.name}: truncated, {size} of {expected} bytes; fetch or write it again")
    if size > expected:
        raise CaseError(f"{path.name}: more bytes than its header means; {DAMAGED}")


def is_second(path: Path) -> bool:
    """Say whether the file is NIfTI-2."""
    return int(_header(path)["sizeof_hdr"]) == 540


def second_grid(path: Path) -> Grid:
    """Return the grid of a NIfTI-2 file; its axes point right and anterior, ITK's left and posterior."""
    header = _header(path)
    matrix = np.diag([-1.0, -1.0, 1.0]) @ header.get_best_affine()[:3]
    spacing = np.linalg.norm(matrix[:, :3], axis=0)
    direction = (matrix[:, :3] / spacing).ravel()
    return Grid(
        header.get_data_shape(), *(tuple(item.tolist()) for item in (spacing, matrix[:, 3], direction))
    )


def read_second(path: Path) -> sitk.Image:
    """Read a NIfTI-2 file."""
    import nibabel
    import SimpleITK as sitk

    file: Any = nibabel.load(path)
    grid, image = second_grid(path), sitk.GetImageFromArray(np.asarray(file.dataobj).transpose())
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    return image


def _header(path: Path) -> Any:
    """Return the header as it stands in the file; nibabel would mend it otherwise."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    try:
        with _opened(path) as stream:
            start = stream.read(540)
            second = 540 in (int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big"))
            kind: Any = Nifti2Header if second else Nifti1Header
            header = kind(start[: 540 if second else 348], check=False)  # extensions may follow it
            with np.errstate(invalid="ignore"):  # of quaternions that are no numbers, which are refused
                header.get_data_dtype(), header.get_sform(), header.get_qform()
    except Exception as error:  # nibabel raises a dozen kinds on bytes that are no NIfTI header
        raise CaseError(f"{path.name}: {DAMAGED}") from error
    if int(header["sizeof_hdr"]) not in (348, 540) or header["magic"].item()[:3] not in (b"n+1", b"n+2"):
        raise CaseError(f"{path.name}: no NIfTI header with its voxels behind it; {DAMAGED}")
    return header


def _opened(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb"))


def _refuse_contradictions(path: Path, header: Any) -> None:
    """Refuse spacings that are zero or no number, or that differ between pixdim and matrices, and sheared axes."""
    spacing = np.asarray(header["pixdim"][1:4], float)
    if (spacing == 0).any():
        raise CaseError(f"{path.name}: {ZERO_SPACING}")
    if not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise CaseError(
            f"{path.name}: a voxel spacing in its header is no positive number; correct the header"
        )
    given = {"sform": header.get_sform(coded=True)[0], "qform": header.get_qform(coded=True)[0]}
    matrices = {name: matrix[:3, :3] for name, matrix in given.items() if matrix is not None}
    for name, matrix in matrices.items():
        steps = np.linalg.norm(matrix, axis=0)
        if not (np.abs(steps - spacing) <= AGREEMENT * spacing).all():
            raise CaseError(
                f"{path.name}: its header contradicts itself: {_mm(spacing)} by pixdim, {_mm(steps)} by {name}"
            )
        refuse_sheared(path.name, (matrix / steps).ravel().tolist())
    if len(matrices) == 2:
        first, second = (matrix / spacing for matrix in matrices.values())
        if not (np.abs(first - second) <= AGREEMENT).all():
            raise CaseError(
                f"{path.name}: its header contradicts itself: sform and qform turn the axes differently"
            )


def _mm(spacing: NDArray[np.float64]) -> str:
    return " × ".join(f"{mm:.5g}" for mm in spacing) + " mm"
