"""An array of a megabyte or more travels once, however many tasks hold it."""

import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import pytest
from toy_work import look_at

from benchmark.evaluation.fold import FoldTask
from benchmark.evaluation.protocol import Protocol
from benchmark.execution import large_arrays
from benchmark.execution.large_arrays import ArrayFiles, ArrayNames, mapped, pack, unpack
from benchmark.execution.workers import workers
from benchmark.plugins.registry import build


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder in which temporary ones are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def files(folder):
    return sorted(folder.rglob("*.npy"))


KILLED = """
import numpy as np
from benchmark.execution.workers import workers
from toy_work import look_at

if __name__ == "__main__":
    with workers(2) as pool:
        for _ in pool.map(look_at, [(np.ones((1000, 200)),)] * 1_000_000):
            print("begun", flush=True)
"""


def a_table(value=1.0):
    return np.full((1000, 200), value)


def test_the_folds_of_a_run_carry_their_table_s_name(temporary):
    table, labels = a_table(), np.arange(1000) % 2
    names = tuple(f"feature {column}" for column in range(200))
    tasks = [
        FoldTask(build("classifier", "random_forest"), Protocol(), names, table, labels, rows, rows, seed=0)
        for rows in np.arange(1000).reshape(5, 200)
    ]
    known = ArrayNames(ArrayFiles())
    messages = [pack(task, known.of) for task in tasks]
    assert max(map(len, messages)) < 20_000 < table.nbytes
    assert len(files(temporary)) == 1
    for task, message in zip(tasks, messages, strict=True):
        assert unpack(message, mapped).key() == task.key()


def test_processes_see_the_same_values_and_cannot_write_to_them(temporary):
    one, other, small = a_table(), a_table(2.0), np.ones(10)
    with workers(2) as pool:
        found = dict(pool.map(look_at, [(one,), (one,), (other,), (one,), (small,), (other,)]))
        assert len(files(temporary)) == 2
    assert [found[place][0] for place in range(6)] == [2e5, 2e5, 4e5, 2e5, 10, 4e5]
    assert [found[place][1] for place in range(6)] == [False, False, False, False, True, False]
    assert list(temporary.iterdir()) == []


def test_its_file_goes_when_the_array_does(temporary):
    known = ArrayNames(ArrayFiles())
    one, other = a_table(), a_table()
    assert known.of(one) != known.of(other)
    del one
    gc.collect()
    assert [str(file) for file in files(temporary)] == [known.of(other)]


def test_a_file_that_somebody_removed_is_written_again(temporary):
    table = a_table()
    with workers(2) as pool:
        before = dict(pool.map(look_at, [(table,)]))
        for folder in temporary.iterdir():
            files(folder)[0].unlink()
        mapped.cache_clear()
        assert dict(pool.map(look_at, [(table,)] * 4))[3][0] == before[0][0]


def test_where_no_file_can_be_written_an_array_goes_with_each_task(temporary):
    table = a_table()
    with workers(2) as pool:
        dict(pool.map(look_at, [(a_table(2.0),)]))
        for folder in temporary.iterdir():
            shutil.rmtree(folder)
        found = dict(pool.map(look_at, [(table,)] * 4))
    assert {(total, writeable) for total, writeable, _ in found.values()} == {(2e5, True)}


@pytest.mark.parametrize(
    "array",
    [
        np.ones(10),
        np.full(200_000, "a", dtype=object),
        np.ones((1000, 200)).view(np.recarray),
        np.ma.ones((1000, 200)),
    ],
    ids=["small", "objects", "records", "masked"],
)
def test_what_is_no_large_plain_array_goes_with_its_task(array):
    def refuse(_):
        raise AssertionError("asked for a name")

    same = unpack(pack(array, refuse), refuse)
    assert type(same) is type(array)
    np.testing.assert_array_equal(same, array)


def test_nothing_is_left_of_them_when_the_command_is_killed(temporary):
    script = temporary / "command.py"
    script.write_text(KILLED)
    (temporary / "files").mkdir()
    paths = {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(temporary / "files")}
    command = subprocess.Popen(
        [sys.executable, script], env={**os.environ, **paths}, stdout=subprocess.PIPE, text=True
    )
    assert command.stdout.readline() == "begun\n"
    assert len(files(temporary)) == 1
    command.kill()
    command.communicate()
    for _ in range(100):
        if not files(temporary):
            return
        time.sleep(0.1)
    raise AssertionError(files(temporary))


def test_an_array_in_any_order_and_of_any_type_comes_back_as_it_was(temporary):
    known = ArrayNames(ArrayFiles())
    drawn = np.random.default_rng(0).normal(size=(400, 900))
    for array in (drawn, np.asfortranarray(drawn), drawn[::2, ::2][:, :400].astype(np.complex128), drawn > 0):
        large = np.concatenate([array] * 4)
        np.testing.assert_array_equal(unpack(pack(large, known.of), mapped), large)
        assert unpack(pack(large, known.of), mapped).dtype == large.dtype
    assert large.nbytes > large_arrays.LARGE_BYTES


def test_a_cluster_is_sent_it_once(monkeypatch):
    distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    options = {"processes": False, "protocol": "tcp", "host": "127.0.0.1", "dashboard_address": None}
    sent, scatter = [], distributed.Client.scatter
    monkeypatch.setattr(
        distributed.Client, "scatter", lambda self, *args, **kw: sent.append(1) or scatter(self, *args, **kw)
    )
    table = a_table()
    with (
        distributed.LocalCluster(n_workers=1, scheduler_kwargs={"dashboard": False}, **options) as cluster,
        workers(dask=cluster.scheduler_address) as pool,
    ):
        found = dict(pool.map(look_at, [(table,)] * 6 + [(np.ones(10),)]))
    assert [found[place][0] for place in range(7)] == [2e5] * 6 + [10]
    assert len(sent) == 1
