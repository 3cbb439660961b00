import csv
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from benchmark.cohorts.manifest import ManifestCohort
from benchmark.errors import UserError
from benchmark.table_file import csv_of, csv_of_rows, number, read_table, whole_number

ODD = ["NA", "null", "nan", "1e5", "007", "None", "True", "1_000", "-", "2026-01-01"]


def cells(table):
    return [tuple(row.cells.values()) for row in table.rows]


def written(folder, text):
    file = folder / "t.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def sheet(folder, *rows):
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(folder / "t.xlsx")
    return folder / "t.xlsx"


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_name_that_looks_like_something_else_stays_what_it_is(tmp_path, kind):
    if kind == "csv":
        file = written(tmp_path, "case_id\n" + "\n".join(ODD))
    else:
        file = sheet(tmp_path, ["case_id"], *([name] for name in ODD))
    assert cells(read_table(file, "cases")) == [(name,) for name in ODD]


def test_what_excel_leaves_at_the_edges_is_passed_over(tmp_path):
    text = "\ufeffcase_id , image,,,\r\n a , b c ,,,\r\n,,,,\r\n\r\n d,e,,,\r\n,,,,\r\n"
    table = read_table(written(tmp_path, text), "cases", ("case_id", "image"))
    assert table.columns == ("case_id", "image")
    assert cells(table) == [("a", "b c"), ("d", "e")]
    assert [row.line for row in table.rows] == [2, 5]


def test_a_sheet_is_read_like_a_csv(tmp_path):
    file = sheet(tmp_path, ["a ", "b", None], [1, 2.5, None], [None, None, None], [0.1, None, None])
    table = read_table(file, "scores")
    assert cells(table) == [("1", "2.5"), ("0.1", "")]
    assert table.rows[1].place == f"{file}, row 4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty; start it with the header id,x"),
        (",,\n1,2,3", "is empty"),
        ("id,y\n", "line 1: no column 'x', only id, y; separate columns with commas"),
        ("id,x,x\n", "line 1: column 'x' is there twice; remove one"),
        ("id,x\n1,2\n1,2,3\n", "line 3: has more or fewer values"),
        ("id,x\n1\n", "line 2: has more or fewer values"),
        (
            "id,x,\n1,2,3\n",
            "line 2: column 3 has the value '3' and no name; name it in the header or empty it",
        ),
        (b"id,x\n\xff,1\n", "not a readable CSV file in UTF-8"),
        ('id,x\n"1,2\n', "not a readable CSV file"),
    ],
)
def test_a_table_that_is_none_is_refused_with_file_place_and_remedy(tmp_path, text, message):
    file = written(tmp_path, text)
    with pytest.raises(UserError) as error:
        read_table(file, "cases", ("id", "x"))
    assert str(error.value).startswith(str(file))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["none.csv", "none.xlsx"])
def test_a_missing_table_is_named_with_what_it_lists(tmp_path, name):
    with pytest.raises(UserError, match=f"{name}: no such file of folds; give the path of"):
        read_table(tmp_path / name, "folds")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_to_its_last_bit(value):
    assert number(repr(value)) == value


@pytest.mark.parametrize(
    "text", ["1_000", "nan", "inf", "-inf", "1e999", "１２", "1:30", "0x10", "1,5", "", "+"]
)
def test_what_only_python_or_nobody_reads_as_a_number_is_none(text):
    assert number(text) is None
    assert whole_number(text) is None


def test_a_whole_number_may_be_written_as_a_spreadsheet_does():
    assert [whole_number(text) for text in ("3", "3.0", "0", "-1", "2.5")] == [3, 3, 0, None, None]


# Spreadsheets

FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    "'=1",
    "''=1",
    "-",
    "- 1",
    "\t=1",
    "-inf",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_a_spreadsheet_would_run_is_written_as_text_and_read_as_it_was(tmp_path, text):
    table = pd.DataFrame({text: [text, "plain"], "number": [-1.5, 2.0], "text of numbers": ["-1.5", "+2e3"]})
    content = csv_of(table)
    cell = next(csv.reader(content.splitlines()[1:]))[0]
    assert not cell.startswith(("=", "+", "-", "@", "\t"))
    assert content.splitlines()[1].endswith(",-1.5,-1.5"), "numbers stay numbers"
    read = read_table(written(tmp_path, content), "cases")
    assert cells(read)[0] == (text, "-1.5", "-1.5")
    rows = [{"case_id": text, "x": "1"}, {"case_id": "b"}]
    assert cells(read_table(written(tmp_path, csv_of_rows(("case_id", "x"), rows)), "cases")) == [
        (text, "1"),
        ("b", ""),
    ]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=5))
def test_every_text_reads_back(texts):
    texts = [text.strip() or "x" for text in texts]
    with tempfile.TemporaryDirectory() as folder:
        content = csv_of(pd.DataFrame({"a": texts}))
        assert [cell for (cell,) in cells(read_table(written(Path(folder), content), "cases"))] == texts


def test_twenty_thousand_columns_are_read_in_a_time_that_grows_with_their_number(tmp_path):
    def work(columns):
        header = ",".join(["case_id", "image", *(f"feature_{number}" for number in range(columns))])
        file = written(tmp_path, f"{header}\n" + f"a,a.nii{',1' * columns}\n" * 1)
        lines = 0

        def count(frame, event, arg):
            nonlocal lines
            lines += event == "call"

        sys.setprofile(count)
        try:
            ManifestCohort(path=file).cases()
        finally:
            sys.setprofile(None)
        return lines

    few, many = work(200), work(20_000)
    assert many < 110 * few, "a hundred times as many columns"
    (said,) = ManifestCohort(path=tmp_path / "t.csv").notices()
    assert "feature_19 and 19980 more;" in said
