import os
import signal
import time

import pytest

from benchmark.execution import WorkerDiedError, workers


def square(x):
    return x * x


def threads(_):
    return os.environ["OMP_NUM_THREADS"]


def fail_at_three(x):
    if x == 3:
        raise ValueError("three is bad")
    return x


def die_at_three(x):
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
    return x


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_item_comes_back_with_its_position(jobs):
    with workers(jobs) as pool:
        assert dict(pool.map(square, range(20))) == {x: x * x for x in range(20)}
        assert dict(pool.map(square, [])) == {}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failing_item_comes_back_as_its_error_and_stops_nothing(jobs):
    with workers(jobs) as pool:
        results = dict(pool.map(fail_at_three, range(6)))
    assert isinstance(results.pop(3), ValueError)
    assert results == {x: x for x in range(6) if x != 3}


def test_a_killed_worker_costs_the_item_that_killed_it_and_no_other():
    with workers(2) as pool:
        results = dict(pool.map(die_at_three, range(12)))
    assert isinstance(results.pop(3), WorkerDiedError)
    assert results == {x: x for x in range(12) if x != 3}


def test_threads_and_processes_never_exceed_the_cores():
    with workers(2) as pool:
        (_, count), *_ = pool.map(threads, [0])
    assert 2 * int(count) <= max(2, os.cpu_count())
