import json
import math
import shutil
import sys
from contextlib import redirect_stderr
from io import StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import UserError
from benchmark.execution.store import Store, json_text, require_writable, write_atomically


def test_json_for_other_programs_has_null_for_what_is_no_finite_number():
    text = json_text({"a": float("nan"), "b": [float("inf"), 1.5, (np.float64("-inf"),)], "c": "NaN"})
    assert json.loads(text, parse_constant=pytest.fail) == {"a": None, "b": [None, 1.5, [None]], "c": "NaN"}


@given(st.dictionaries(st.text(max_size=8), st.floats(allow_nan=False, allow_infinity=False), max_size=5))
def test_floats_come_back_to_the_last_bit(tmp_path_factory, record):
    store = Store(tmp_path_factory.mktemp("store"))
    store.put("features", "k", record)
    found = store.get("features", "k")
    assert found == record
    assert all(math.copysign(1, found[key]) == math.copysign(1, value) for key, value in record.items())


def test_what_is_not_there_is_none(tmp_path):
    assert Store(tmp_path).get("features", "abc") is None


def test_not_a_number_is_refused_instead_of_stored(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        Store(tmp_path).put("features", "k", {"a": math.nan})
    assert Store(tmp_path).get("features", "k") is None


def test_a_copied_store_still_hits(tmp_path):
    Store(tmp_path / "a").put("folds", "key", {"x": 1})
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert Store(tmp_path / "b").get("folds", "key") == {"x": 1}


@given(st.data())
def test_a_record_whose_bytes_are_not_what_was_stored_is_none_and_told(tmp_path_factory, data):
    """Any byte changed, any cut, and the record of another key or kind in its place."""
    folder = tmp_path_factory.mktemp("store")
    store = Store(folder)
    for kind, key in (("features", "key"), ("features", "other"), ("folds", "key")):
        store.put(kind, key, {"value": 1.25, "of": [kind, key]})
    file = folder / "features" / "ke" / "key.json"
    whole = file.read_bytes()
    how = data.draw(st.sampled_from(["changed", "cut", "longer", "another key", "another kind", "empty"]))
    if how == "changed":
        place = data.draw(st.integers(0, len(whole) - 1))
        byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
        file.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
    elif how == "cut":
        file.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    elif how == "longer":
        file.write_bytes(whole + b" ")
    else:
        other = {"another key": "features/ot/other.json", "another kind": "folds/ke/key.json"}.get(how)
        file.write_bytes((folder / other).read_bytes() if other else b"")
    with redirect_stderr(StringIO()) as told:
        assert store.get("features", "key") is None
    assert "key.json: damaged, or not what was stored; it is made again" in told.getvalue()
    store.put("features", "key", {"value": 2})
    assert store.get("features", "key") == {"value": 2}


def test_a_write_that_fails_leaves_the_old_content_and_no_litter(tmp_path, monkeypatch):
    file = tmp_path / "a.csv"
    write_atomically(file, b"old")
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_files_can_be_read_by_whom_the_umask_allows(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_atomically(tmp_path / "stored", b"")
    assert (tmp_path / "stored").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_that_can_be_written_to_is_made_and_left_empty(tmp_path):
    require_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_folder_that_cannot_is_refused_with_the_systems_reason(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"below: nothing can be written there \(Not a directory\)"):
        require_writable(tmp_path / "file" / "below")
