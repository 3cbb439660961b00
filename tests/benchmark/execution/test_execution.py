import io
import os
from dataclasses import dataclass

import numpy as np
import pytest

from benchmark.errors import CaseError, UserError
from benchmark.execution.execution import Bundle, Execution, Failure, open_execution, reason_of
from benchmark.execution.process_pool import WorkerDiedError
from benchmark.execution.store import Codec, Store, as_bytes
from benchmark.execution.workers import workers


@dataclass(frozen=True)
class Square:
    """The square of a number; odd ones fail in one of the ways a task can fail."""

    number: int
    error: type[Exception] | None = None
    unread: bool = False

    def key(self):
        if self.unread:
            raise CaseError("no such file")
        return f"square{self.number}"


def square(task):
    if task.error is not None:
        raise task.error(f"{task.number} is\nodd")
    return {"square": task.number**2}


@pytest.fixture(params=[1, 2])
def execution(request, tmp_path):
    with workers(request.param) as pool:
        yield Execution(Store(tmp_path), pool)


def test_what_the_store_has_is_not_computed_again(execution):
    first = execution.records("squares", square, {n: Square(n) for n in (3, 1, 2)})
    assert first.records == {n: {"square": n * n} for n in (1, 2, 3)}
    assert first.computed == 3
    second = execution.records("squares", square, {n: Square(n) for n in (1, 2, 4)})
    assert (second.records[4], second.computed) == ({"square": 16}, 1)
    assert execution.records("cubes", square, {1: Square(1)}).computed == 1


def test_every_error_has_one_meaning(execution):
    tasks = {
        "read": Square(1, unread=True),
        "case": Square(3, CaseError),
        "other": Square(5, ZeroDivisionError),
        "good": Square(2),
    }
    done = execution.records("squares", square, tasks)
    assert done.records == {"good": {"square": 4}}
    assert done.failures == {
        "read": Failure("no such file", "read"),
        "case": Failure("3 is odd"),
        "other": Failure("unexpected ZeroDivisionError: 5 is odd"),
    }
    again = execution.records("squares", square, tasks | {"other": Square(5)})
    assert again.records["other"] == {"square": 25}, "a failure is never stored"


def test_only_what_was_foreseen_may_be_left_out_of_what_is_learnt(execution):
    done = execution.results("squares", square, {"a": Square(1, CaseError), "b": Square(2)})
    assert done.left_out() == {"a": "1 is odd"}
    done = execution.results("squares", square, {"a": Square(1, CaseError), "c": Square(3, OSError)})
    with pytest.raises(UserError, match="c: unexpected OSError: 3 is odd; it must not be left out for that"):
        done.left_out()


def test_the_users_mistake_ends_the_work(execution):
    with pytest.raises(UserError, match="7 is"):
        execution.records("squares", square, {7: Square(7, UserError)})


def test_the_reason_of_a_dead_worker_is_a_sentence():
    assert reason_of(WorkerDiedError("its worker process was killed")) == "its worker process was killed"
    assert len(reason_of(ValueError("x" * 900))) < 330


def test_results_come_in_the_order_of_the_tasks_and_nothing_is_kept(execution, tmp_path):
    done = execution.results("squares", square, {n: Square(n) for n in (5, 3, 9, 1)})
    assert list(done.records) == [5, 3, 9, 1]
    assert list(tmp_path.iterdir()) == []


def powers(task):
    number, exponents = task
    return {e: Failure("too large", "power") if number**e > 99 else number**e for e in exponents}


def test_a_bundle_makes_the_records_that_are_lacking_and_no_others(execution):
    asked = []

    def bundle(number, exponents):
        def task(lacking):
            asked.append((number, lacking))
            return number, lacking

        return Bundle({e: f"{number}^{e}" for e in exponents}, task)

    first = execution.parts("powers", powers, {3: bundle(3, (1, 2)), 9: bundle(9, (2, 3))}, lambda _, r: r)
    assert first.records == {(3, 1): 3, (3, 2): 9, (9, 2): 81}
    assert first.failures == {(9, 3): Failure("too large", "power")}
    asked.clear()
    second = execution.parts("powers", powers, {3: bundle(3, (1, 2, 4)), 9: bundle(9, (2,))}, lambda _, r: r)
    assert asked == [(3, (4,))]
    assert (second.records[3, 4], second.computed) == (81, 1)


def array(task):
    return np.arange(task.number)


def test_a_codec_decides_how_a_record_is_stored(execution):
    def encode(values):
        file = io.BytesIO()
        np.save(file, values)
        return file.getvalue()

    codec = Codec("npy", encode, lambda content: np.load(io.BytesIO(content)))
    for computed in (1, 0):
        done = execution.records("arrays", array, {4: Square(4)}, codec)
        assert (done.records[4].tolist(), done.computed) == ([0, 1, 2, 3], computed)


def test_bytes_come_back_as_they_are(tmp_path):
    Store(tmp_path).put("regions", "k", b"\x00z", as_bytes("z"))
    assert Store(tmp_path).get("regions", "k", as_bytes("z")) == b"\x00z"
    assert Store(tmp_path).get("regions", "k") is None


def test_the_cost_is_told_once_and_measured_on_the_second_task_of_each_process(execution):
    said = []

    class Seen:
        def __call__(self, text=""):
            said.append(text)

    from contextlib import contextmanager

    @contextmanager
    def progress(stage, total):
        yield Seen()

    shown = Execution(execution.store, execution.workers, progress)
    jobs = execution.workers.jobs
    tell = lambda measured, total, jobs: f"{[item['square'] for item in measured]} {total} {jobs}"  # noqa: E731
    done = dict(shown.do("squares", square, {n: Square(n) for n in range(20)}, tell))
    assert done == {n: {"square": n * n} for n in range(20)}
    assert len(said) == 20
    (told,) = filter(None, said)
    assert sorted(told.split(" 20 ")[0].strip("[]").split(", ")) == sorted(["1", "9"][:jobs])


def pid(task):
    return os.getpid()


def test_opened_execution_has_its_store_in_the_results_and_as_many_processes_as_asked(tmp_path):
    with open_execution(tmp_path, 1) as execution:
        assert execution.store.folder == tmp_path / "store"
        assert set(execution.results("pids", pid, {1: Square(1)}).records.values()) == {os.getpid()}
