import numpy as np
import pandas as pd

from benchmark.report.tables import read_tables, write_tables

VALUES = np.random.default_rng(0).normal(0, 1, 6) * 10.0 ** np.arange(-9, 9, 3)
WRITTEN = pd.DataFrame(
    {
        "case_id": ["NA", "null", "nan", "1e5", "007", "7"],
        "group": ["1", "2", "", "3", "1", "NA"],
        "score": VALUES,
        "fold": range(6),
        "p": [0.5, None, 1e-300, np.inf, 1, 0],
        "significant": [True, False] * 3,
        "detail": ["a, b", "", "1", "x", "y", "z"],
    }
)


def test_a_table_is_read_back_to_the_last_bit_and_with_every_name(tmp_path):
    write_tables({"all": WRITTEN}, tmp_path)
    read = read_tables(tmp_path)["all"]
    pd.testing.assert_frame_equal(read, WRITTEN, check_dtype=False)
    assert (read["score"].to_numpy() == VALUES).all()
    assert read["fold"].dtype == "int64"
    assert read["significant"].dtype == bool


def test_a_table_without_rows_keeps_its_columns(tmp_path):
    write_tables({"none": WRITTEN[:0]}, tmp_path)
    assert list(read_tables(tmp_path)["none"].columns) == list(WRITTEN.columns)
