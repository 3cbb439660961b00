"""The files of a scan: which formats there are, which files a folder holds, and what identifies their bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from benchmark.errors import CaseError

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mhd", ".mha")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, or of the digests of all files in a folder, sorted.

    File names and their order do not matter. For an MHD header the bytes of its data file count too.
    """
    if path.is_dir():
        each = sorted(file_digest(file) for file in files_of(path))
        return hashlib.sha256("".join(each).encode()).hexdigest()
    if path.suffix.lower() == ".mhd":
        both = _bytes_digest(path) + _bytes_digest(_mhd_data(path))
        return hashlib.sha256(both.encode()).hexdigest()
    return _bytes_digest(path)


def files_of(folder: Path) -> list[Path]:
    """Return the files of a folder sorted by name; not hidden ones, nor those in folders below."""
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))


def _mhd_data(path: Path) -> Path:
    """Return the data file that an MHD header names."""
    lines = [line.partition("=") for line in path.read_text("latin-1").splitlines()]
    names = [value.strip() for key, _, value in lines if key.strip() == "ElementDataFile"]
    data = path.parent / "".join(names)
    if not data.is_file():
        raise CaseError(f"{path.name}: its header must name one data file beside it (ElementDataFile)")
    return data


def _bytes_digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CaseError(f"{path.name}: cannot be read ({error.strerror})") from error
