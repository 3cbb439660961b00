import os
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from toy_work import die_at_three, fail_at_three, no_traveller, process, square, threads

from benchmark.errors import UserError
from benchmark.execution.isolation import apart
from benchmark.execution.process_pool import WorkerDiedError
from benchmark.execution.workers import Workers, workers


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


def test_a_single_process_is_this_one_and_one_of_its_own_where_that_is_asked_for():
    with workers(1) as pool:
        assert dict(pool.map(process, range(3))) == dict.fromkeys(range(3), os.getpid())
    with apart(), workers(1) as pool:
        found = set(dict(pool.map(process, range(3))).values())
        assert len(found) == 1
        assert os.getpid() not in found
    with workers(1) as pool:
        assert dict(pool.map(process, [0])) == {0: os.getpid()}


def test_a_killed_worker_that_was_the_only_one_costs_the_item_that_killed_it_and_no_other():
    with apart(), workers(1) as pool:
        results = dict(pool.map(die_at_three, range(6)))
    assert isinstance(results.pop(3), WorkerDiedError)
    assert results == {x: x for x in range(6) if x != 3}


class LosesTheFirst(ThreadPoolExecutor):
    """Loses a result as Dask's executor does where its worker dies before the result is fetched."""

    lost = False

    def submit(self, function, *args):
        if self.lost:
            return super().submit(function, *args)
        self.lost, future = True, Future()
        future.set_exception(TypeError("cannot unpack non-iterable int object"))
        return future


def test_a_result_that_is_lost_on_its_way_is_made_again():
    assert dict(Workers(LosesTheFirst(), jobs=2).map(square, range(6))) == {x: x * x for x in range(6)}


def test_a_result_that_cannot_travel_is_told_as_such():
    with workers(2) as pool:
        (_, result), *_ = pool.map(no_traveller, [0])
    assert not isinstance(result, WorkerDiedError)
    assert "pickle" in str(result)


def test_threads_and_processes_never_exceed_the_cores():
    with workers(2) as pool:
        (_, count), *_ = pool.map(threads, [0])
    assert 2 * int(count) <= max(2, os.cpu_count())


def test_a_dask_cluster_does_the_same_work():
    distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    options = {"processes": False, "protocol": "tcp", "host": "127.0.0.1", "dashboard_address": None}
    with (
        distributed.LocalCluster(n_workers=1, scheduler_kwargs={"dashboard": False}, **options) as cluster,
        workers(dask=cluster.scheduler_address) as pool,
    ):
        results = dict(pool.map(fail_at_three, range(6)))
    assert isinstance(results.pop(3), ValueError)
    assert results == {x: x for x in range(6) if x != 3}


@pytest.mark.slow
def test_a_dask_scheduler_that_does_not_answer_is_the_users_mistake():
    pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    with pytest.raises(UserError, match="no scheduler answers"), workers(dask="tcp://127.0.0.1:9"):
        pass
