"""The files of a scan: which formats there are, which files a folder holds, and what identifies their bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import CaseError

if TYPE_CHECKING:
    import SimpleITK as sitk

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mhd", ".mha")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, or of the digests of all files in a folder, sorted.

    File names and their order do not matter. For a MetaImage header the bytes of the data files it names count too.
    Raises `CaseError` if one of them cannot be read.
    """
    if path.is_dir():
        each = sorted(file_digest(file) for file in files_of(path))
        return hashlib.sha256("".join(each).encode()).hexdigest()
    own = _bytes_digest(path)
    if path.suffix.lower() not in (".mhd", ".mha"):
        return own
    from benchmark.images.volume_files.metaimage import data_files

    data = [_bytes_digest(file) for file in data_files(path)]
    return hashlib.sha256("".join([own, *data]).encode()).hexdigest() if data else own


def voxel_digest(image: sitk.Image) -> str:
    """Return the SHA-256 of a scan's voxels as 32-bit floats, axes turned to left, posterior, superior.

    It is the same whatever file format and header the scan is in, and in whatever order its axes are stored. Geometry
    in mm does not count: a header with another spacing does not make another patient.
    """
    import numpy as np
    import SimpleITK as sitk

    turned = sitk.DICOMOrient(image, "LPS")
    # Formats keep fractions in 32 or 64 bits; whole HU, as nearly all scans have, are exact in both.
    hu = np.asarray(sitk.GetArrayViewFromImage(turned), "<f4")
    return hashlib.sha256(str(hu.shape).encode() + hu.tobytes()).hexdigest()


def files_of(folder: Path) -> list[Path]:
    """Return the files of a folder sorted by name; not hidden ones, nor those in folders below."""
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))


def by_place(file: Path) -> str:
    """Call a file of a folder by its place among the others, sorted by name: a name may be the patient's."""
    files = files_of(file.parent)
    return f"file {files.index(file) + 1} of {len(files)} by name"


def refuse_no_file(path: Path) -> None:
    """Raise `CaseError` for what is not there, and for a pipe, which is waited for, or a device, which never ends."""
    if not path.exists():
        raise CaseError(f"{path.name}: no such file")
    if not path.is_file():
        raise CaseError(f"{path.name}: a pipe or device and no file; give the file itself")


def _bytes_digest(path: Path) -> str:
    refuse_no_file(path)
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CaseError(f"{path.name}: cannot be read ({error.strerror})") from error
