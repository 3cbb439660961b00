"""NIfTI: a header that agrees with itself and with the number of bytes behind it.

ITK fills the missing part of a truncated file with zeros, does not mind a damaged gzip stream or NaN, takes a spacing
of 0 for 1 mm, and the spacings of `pixdim` or of the sform matrix as it sees fit where they differ. It cannot read
NIfTI-2, which is read with nibabel. The format: https://nifti.nimh.nih.gov/nifti-1.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from isal import igzip, isal_zlib

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
LARGEST_NUMBER = 8
"""Bytes: larger ones are no voxels to ITK."""
LONGEST_HEADER = 1 << 26
"""Bytes before the voxels: extensions may stand there."""
MOST_UNPACKED = 1032
"""How many bytes at most a byte of gzip can mean (https://zlib.net/zlib_tech.html)."""
AGREEMENT = 0.01
"""How far spacings that a header gives twice may differ, as a fraction."""

_UNPACKING_FAILED: Any = isal_zlib.error


def check(path: Path) -> None:
    """Raise `CaseError` unless the header is that of a 3-D volume in mm and agrees with itself."""
    header = _header(path)
    shape, stored = header.get_data_shape(), header.get_data_dtype()
    if int(header["bitpix"]) != 8 * stored.itemsize:
        raise CaseError(f"{path.name}: datatype and bitpix of its header contradict each other; {DAMAGED}")
    if len(shape) != 3 or stored.kind not in "iuf" or stored.itemsize > LARGEST_NUMBER:
        raise CaseError(
            f"{path.name}: not a 3-D image of one value per voxel: its shape is {shape}, its values {stored}"
        )
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


def read(path: Path, grid: Grid) -> sitk.Image:
    """Read the voxels onto its grid; `check` has passed.

    They are those of ITK to the last bit, but unpacked once, with their checksum. Raises `CaseError` unless the file
    holds the bytes that its header promises, no more and no fewer, all finite.
    """
    import SimpleITK as sitk

    header = _header(path)
    voxels = _voxels(path, header)
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise CaseError(f"{path.name}: {NOT_FINITE}")
    image = sitk.GetImageFromArray(_scaled(voxels, header))
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    return image


def _voxels(path: Path, header: Any) -> NDArray[Any]:
    """Return what is stored, (z, y, x)."""
    if not int(header["sizeof_hdr"]) <= header["vox_offset"] <= LONGEST_HEADER:
        raise CaseError(
            f"{path.name}: its voxels would begin inside its header or far behind it; write it as one NIfTI file"
        )
    shape = header.get_data_shape()
    offset = int(header["vox_offset"])
    expected = offset + math.prod(shape) * int(header["bitpix"]) // 8
    # Before memory is taken for them: a header of some bytes can promise gigabytes.
    most = path.stat().st_size * (MOST_UNPACKED if path.suffix.lower() == ".gz" else 1)
    if most < expected:
        raise CaseError(f"{path.name}: truncated, {most} of {expected} bytes; fetch or write it again")
    try:
        with _opened(path) as stream:
            content = stream.read(expected)
            further = len(stream.read(1))  # reaches the checksum, too
    except (EOFError, OSError, _UNPACKING_FAILED) as error:
        raise CaseError(f"{path.name}: a truncated or damaged gzip file; fetch or write it again") from error
    if len(content) < expected:
        raise CaseError(
            f"{path.name}: truncated, {len(content)} of {expected} bytes; fetch or write it again"
        )
    if further:
        raise CaseError(f"{path.name}: more bytes than its header means; {DAMAGED}")
    stored: NDArray[Any] = np.frombuffer(content, header.get_data_dtype(), offset=offset)
    return stored.astype(stored.dtype.newbyteorder("="), copy=False).reshape(shape[::-1])


def _scaled(voxels: NDArray[Any], header: Any) -> NDArray[Any]:
    """Return the values that the header's slope and intercept make of them: as 32-bit floats, which ITK gives."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if not math.isfinite(slope) or slope == 0 or (slope, intercept) == (1, 0):
        return voxels
    kind = np.dtype(np.float64 if voxels.dtype == np.float64 else np.float32)
    exact: NDArray[np.float64] = voxels.astype(kind).astype(np.float64)
    return (exact * slope + intercept).astype(kind)


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
    unpacking: Any = igzip.open
    return cast("BinaryIO", unpacking(path) if path.suffix.lower() == ".gz" else path.open("rb"))


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
