"""A case's radiology report as a manifest names it: the text itself, or a text file."""

from __future__ import annotations

from pathlib import Path

from benchmark.errors import UserError
from benchmark.table_file import Row

LONGEST = 1_000_000
"""Bytes of a file that may still be a report."""


def report_of(row: Row, folder: Path) -> str:
    """Return the report of a row's columns ``report`` or ``report_file``; '' where both are empty.

    Raises `UserError` with the line and the file, never with what stands in it.
    """
    text, name = row.cells.get("report", ""), row.cells.get("report_file", "")
    if text and name:
        raise UserError(f"{row.place}: both report and report_file are filled in; keep one")
    return _read(row, folder / name) if name else text


def _read(row: Row, path: Path) -> str:
    try:
        if path.stat().st_size > LONGEST:
            raise UserError(
                f"{row.place}: report_file {path} is larger than 1 MB; give the report as text alone"
            )
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{row.place}: report_file {path} is no text in UTF-8; save it as such") from None
    except OSError as error:
        raise UserError(
            f"{row.place}: report_file {path} cannot be read ({error.strerror}); correct the path or leave it empty"
        ) from None
