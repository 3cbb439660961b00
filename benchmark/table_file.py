"""Tables that people wrote, CSV or xlsx: every cell as text, so that a case called NA, 007 or 1e5 keeps its name.

Blanks around a cell do not matter, nor do the empty rows and nameless columns that Excel leaves at the edges. A cell
becomes a number where it is needed, by `number`, and nowhere else.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
"""A decimal number as YAML 1.2 writes it; Python would also read ``1_000``, ``nan`` and the digits of other scripts."""
FORMULA = re.compile(r"'*[=+@\t\r-]")
"""How what Excel, LibreOffice and Google Sheets run as a formula begins, apostrophes before it or not."""
LARGEST_BYTES, LARGEST_CELLS = 1 << 28, 10_000_000
"""What a workbook unpacks to at most, and the cells of its first sheet, empty ones among them counted."""
_Lines = Iterator[tuple[int, list[str]]]


@dataclass(frozen=True)
class Row:
    """One row: where it stands, as a message says it, and its cells by column, '' where empty."""

    place: str
    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """The columns in the file's order, and the rows that hold anything."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(path: Path, what: str, needed: Sequence[str] = ()) -> Table:
    """Read a CSV in UTF-8, or the first sheet of an xlsx file; `what` it lists is for the messages.

    Raises `UserError` for a file that is missing, unreadable or empty, a column of `needed` that is not there, a column
    that is there twice or has values and no name, and a row that is longer or shorter than the header.
    """
    sheet = path.suffix.lower() == ".xlsx"
    lines = _sheet_lines(path, what) if sheet else _csv_lines(path, what)
    first, header = next(lines, (1, []))
    if not any(header):
        raise UserError(f"{path}: is empty; start it with the header {','.join(needed)},…")
    named = [name for name in header if name]
    place = f"{path}, {'row' if sheet else 'line'}"
    for name in needed:
        if name not in named:
            remedy = "add it" if sheet else "separate columns with commas"
            raise UserError(f"{place} {first}: no column {name!r}, only {', '.join(named)}; {remedy}")
    if twice := next((name for name, count in Counter(named).items() if count > 1), None):
        raise UserError(f"{place} {first}: column {twice!r} is there twice; remove one")
    rows = (_row(f"{place} {line}", line, header, cells) for line, cells in lines if any(cells))
    return Table(path, tuple(named), tuple(rows))


def number(text: str) -> float | None:
    """Return the decimal number that a cell holds, or None: ``1_000``, ``nan``, ``inf`` and 1e999 are none."""
    value = float(text) if NUMBER.fullmatch(text) else math.nan
    return value if math.isfinite(value) else None


def whole_number(text: str) -> int | None:
    """Return the whole number from 0 up that a cell holds, or None. 3.0 is one: spreadsheets write it so."""
    value = number(text)
    return int(value) if value is not None and value >= 0 and value == int(value) else None


def _row(place: str, line: int, header: Sequence[str], cells: list[str]) -> Row:
    """Return a row by column. Raises `UserError` where it does not fit the header."""
    if any(cells[len(header) :]) or len(cells) < len(header):
        raise UserError(
            f"{place}: has more or fewer values than the header has columns; quote values with commas"
        )
    for position, (name, cell) in enumerate(zip(header, cells, strict=False), start=1):
        if cell and not name:
            raise UserError(
                f"{place}: column {position} has the value {cell!r} and no name; name it in the header or empty it"
            )
    return Row(place, line, {name: cell for name, cell in zip(header, cells, strict=False) if name})


def _csv_lines(path: Path, what: str) -> _Lines:
    """Yield line numbers and stripped cells of a CSV file."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True, skipinitialspace=True)
            for cells in reader:
                yield reader.line_num, [_unguarded(cell.strip()) for cell in cells]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file of {what}; give the path of a CSV file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a readable CSV file in UTF-8 ({error})") from error


def _sheet_lines(path: Path, what: str) -> _Lines:
    """Yield row numbers and the cells of the first sheet as text, all rows as long as the longest."""
    from openpyxl import load_workbook

    try:
        _refuse_large(path)
        book = load_workbook(path, read_only=True, data_only=True)
        rows, cells = [], 0
        for row in book.worksheets[0].iter_rows(values_only=True):
            rows.append([_text(value) for value in row])
            cells += len(row)
            if cells > LARGEST_CELLS:
                raise ValueError("its sheet reaches further than any table; remove what is in a far cell")
        book.close()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file of {what}; give the path of an xlsx file") from None
    except Exception as error:  # openpyxl raises a dozen kinds on damaged parts
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: not a readable xlsx file ({reason})") from error
    width = _width(rows)
    yield from enumerate((row[:width] + [""] * (width - len(row)) for row in rows), start=1)


def _refuse_large(path: Path) -> None:
    """Raise `ValueError` for a workbook that unpacks to more than any table: a small file may."""
    from zipfile import ZipFile

    with ZipFile(path) as packed:
        if sum(part.file_size for part in packed.infolist()) > LARGEST_BYTES:
            raise ValueError(f"it unpacks to more than {LARGEST_BYTES >> 20} MiB")


def _width(rows: Iterable[Sequence[str]]) -> int:
    """Return how many columns hold anything: a sheet's used range may reach further."""
    return max((place + 1 for row in rows for place, cell in enumerate(row) if cell), default=0)


def _text(value: Any) -> str:
    """Return a sheet's cell as text; a number keeps its last bit."""
    return "" if value is None else _unguarded(str(value).strip())


def guarded(text: Any) -> Any:
    """Return a cell of text as it is written: one that a spreadsheet would run as a formula gets an apostrophe.

    Numbers stay what they are, and `read_table` takes the apostrophe away again, so that nothing else changes.
    """
    if isinstance(text, str) and FORMULA.match(text) and number(text) is None:
        return f"'{text}"
    return text


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def csv_of_rows(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Return rows as CSV, empty where a row lacks a column, safe to open in a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(guarded, columns))
    writer.writerows([guarded(row.get(name, "")) for name in columns] for row in rows)
    return text.getvalue()


def csv_of(table: pd.DataFrame) -> str:
    """Return a table as CSV without its index, safe to open in a spreadsheet; floats read back to the last bit."""
    written = table.rename(columns=guarded)
    for place, kind in enumerate(table.dtypes):
        if kind.kind not in "biufcM":
            written.isetitem(place, [guarded(value) for value in table.iloc[:, place]])
    return written.to_csv(index=False, lineterminator="\n")
