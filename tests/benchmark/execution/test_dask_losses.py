"""What is lost of a Dask cluster: a sentence within a minute, never a silent wait or a traceback."""

import asyncio
import os
import signal
import time
from concurrent.futures import CancelledError, Future
from functools import partial

import numpy as np
import pytest
from toy_work import look_at, note_and_die_at_three, slowly

from benchmark.errors import UserError
from benchmark.execution.process_pool import WorkerDiedError
from benchmark.execution.workers import workers
from tests.benchmark.execution.clusters import cluster

pytest.importorskip("distributed", reason="the extra `dask` is not installed")


def wait_for_workers(pool_address, count):
    from distributed import Client

    with Client(pool_address) as client:
        client.wait_for_workers(count, timeout=60)


def after(results, count, act):
    """Take `count` results, act, and return these with the others."""
    taken = [next(results) for _ in range(count)]
    act()
    return dict([*taken, *results])


def kill(*processes):
    for process in processes:
        process.send_signal(signal.SIGKILL)


def test_half_of_the_workers_gone_changes_nothing_but_time(tmp_path):
    with cluster(tmp_path, 4) as (address, _, started):
        wait_for_workers(address, 4)
        with workers(dask=address) as pool:
            results = after(pool.map(slowly, range(40)), 10, lambda: kill(*started[:2]))
    assert results == {x: x * x for x in range(40)}


@pytest.mark.parametrize("raised", [KeyError("its worker died just then"), CancelledError(), None])
def test_what_is_raised_while_a_result_is_fetched_is_handed_over_as_the_result_is(raised):
    from benchmark.execution.dask_cluster import _hand_over

    async def fetched():
        if raised is not None:
            raise raised
        return 9

    future = Future()
    asyncio.run(_hand_over(fetched(), future))
    assert future.done()
    assert future.cancelled() == isinstance(raised, CancelledError)
    if not future.cancelled():
        assert (future.exception() or future.result()) == (raised or 9)


def test_a_table_that_was_lost_with_its_workers_is_sent_again(tmp_path):
    from distributed import Client

    table = np.ones((1000, 200))
    with cluster(tmp_path, 2, nanny=True) as (address, *_):
        wait_for_workers(address, 2)
        with workers(dask=address) as pool:
            before = dict(pool.map(look_at, [(table,)] * 4))
            with Client(address) as client:
                pids = set(client.run(os.getpid).values())
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            after_it = dict(pool.map(look_at, [(table,)] * 4))
    assert {total for total, *_ in before.values()} == {total for total, *_ in after_it.values()} == {2e5}
    assert pids.isdisjoint(pid for *_, pid in after_it.values())


@pytest.mark.slow
def test_all_workers_gone_end_it_in_a_sentence_within_a_minute(tmp_path):
    with cluster(tmp_path, 2) as (address, _, started):
        wait_for_workers(address, 2)
        begin = time.monotonic()
        sentence = "no worker is left for 40 s; what was finished is kept"
        with pytest.raises(UserError, match=sentence), workers(dask=address) as pool:
            after(pool.map(slowly, range(40)), 4, lambda: kill(*started))
    assert time.monotonic() - begin < 60


def test_the_scheduler_gone_ends_it_in_a_sentence_within_a_minute(tmp_path):
    with cluster(tmp_path, 2) as (address, scheduler, _):
        wait_for_workers(address, 2)
        begin = time.monotonic()
        sentence = "the scheduler is gone; what was finished is kept"
        with pytest.raises(UserError, match=sentence), workers(dask=address) as pool:
            after(pool.map(slowly, range(40)), 4, lambda: kill(scheduler))
    assert time.monotonic() - begin < 60


@pytest.mark.slow
def test_an_item_that_kills_two_workers_is_left_out_and_no_other(tmp_path):
    deaths = tmp_path / "deaths"
    with cluster(tmp_path, 2, nanny=True) as (address, *_):
        wait_for_workers(address, 2)
        with workers(dask=address) as pool:
            results = dict(pool.map(partial(note_and_die_at_three, deaths), range(12)))
    assert isinstance(results.pop(3), WorkerDiedError)
    assert results == {x: x for x in range(12) if x != 3}
    assert deaths.read_text() == "died\n" * 2
