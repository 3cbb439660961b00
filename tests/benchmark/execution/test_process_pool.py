import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_work import die_half_way_through_the_reply, end_everything, no_return, square

from benchmark.execution.process_pool import ProcessPool, WorkerDiedError
from benchmark.execution.workers import workers

STUDY = """
from benchmark.execution.workers import workers
from toy_work import a_megabyte
if __name__ == "__main__":
    try:
        with workers(2) as pool:
            print("begun", flush=True)
            for _ in pool.map(a_megabyte, range(10**6)):
                pass
    except KeyboardInterrupt:
        print("interrupted")
"""

END = """
import sys
from benchmark.execution.process_pool import ProcessPool
from benchmark.execution.workers import workers
from toy_work import linger
if __name__ == "__main__":
    try:
        if sys.argv[1] == "ended by its block":
            with workers(2) as pool:
                list(pool.map(linger, range(4)))
                print("done", flush=True)
        else:
            list(ProcessPool(2).map(linger, range(4)))
            print("done", flush=True)
    except KeyboardInterrupt:
        print("interrupted")
"""

STRIKE = """
import signal
import sys
from benchmark.execution.workers import workers
from toy_work import square

left = int(sys.argv[1])

def strike(frame, event, argument):
    global left
    if event == "c_return" and frame.f_code.co_name == "__enter__":
        left -= 1
        if left == 0:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)

if __name__ == "__main__":
    try:
        with workers(2) as pool:
            results = pool.map(square, range(10**6))
            next(results)
            sys.setprofile(strike)
            for _ in results:
                pass
    except KeyboardInterrupt:
        print("interrupted")
"""
"""The moment in which a lock was just taken, and nothing yet sees to its being given back."""


@pytest.fixture
def pool():
    pool = ProcessPool(2)
    yield pool
    pool.shutdown()


def environment():
    return {**os.environ, "PYTHONPATH": f"{Path.cwd()}:{Path.cwd() / 'tests' / 'plugin_package'}"}


def start(script, folder, *arguments):
    (folder / "study.py").write_text(script)
    return subprocess.Popen(
        [sys.executable, "study.py", *arguments], cwd=folder, env=environment(), start_new_session=True,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def test_a_process_that_dies_half_way_through_its_reply_costs_that_item_alone():
    with workers(2) as pool:
        results = dict(pool.map(die_half_way_through_the_reply, range(12)))
    assert isinstance(results.pop(3), WorkerDiedError)
    assert results == {x: bytes(100_000) for x in range(12) if x != 3}


def test_an_item_that_ends_everything_ends_no_process(pool):
    assert str(pool.submit(end_everything, 3).exception()) == "3 ends it"
    assert pool.submit(square, 3).result() == 9


def test_a_result_that_cannot_be_received_is_told_and_costs_nothing_else(pool):
    assert isinstance(pool.submit(no_return, 3).exception(), ValueError)
    assert pool.submit(square, 3).result() == 9


def test_processes_without_work_end_by_themselves(pool):
    list(pool.map(square, range(8)))
    idle = list(pool._idle)
    begin = time.monotonic()
    pool.shutdown()
    assert [worker._process.exitcode for worker in idle] == [0] * len(idle)
    assert time.monotonic() - begin < 10


def test_what_has_begun_is_given_up_at_once_when_the_pool_is_killed(pool):
    begun = [pool.submit(time.sleep, 600) for _ in range(5)]
    time.sleep(0.5)
    begin = time.monotonic()
    pool.kill()
    assert time.monotonic() - begin < 10
    assert all(item.cancelled() or isinstance(item.exception(), WorkerDiedError) for item in begun)


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("end", [os.kill, os.killpg], ids=["the command alone", "its terminal"])
def test_an_interruption_at_any_moment_ends_it_without_a_trace(tmp_path, end, times):
    moments = random.Random(times)
    for _ in range(3):
        process = start(STUDY, tmp_path)
        assert process.stdout.readline() == "begun\n"
        time.sleep(moments.uniform(0, 1.5))
        for _ in range(times):
            end(process.pid, signal.SIGINT)
        said, errors = process.communicate(timeout=30)
        assert (said, errors, process.returncode) == ("interrupted\n", "", 0)


@pytest.mark.slow
def test_an_interruption_while_processes_end_ends_it(tmp_path):
    process = start(END, tmp_path, "ended by its block")
    assert process.stdout.readline() == "done\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("interrupted\n", "")


def test_a_pool_that_nobody_ends_ends_with_the_command(tmp_path):
    assert start(END, tmp_path, "never ended").communicate(timeout=60) == ("done\n", "")


@pytest.mark.parametrize("moment", [1, 2, 3, 4, 5, 20])
def test_an_interruption_that_strikes_where_a_lock_is_taken_ends_it(tmp_path, moment):
    assert start(STRIKE, tmp_path, str(moment)).communicate(timeout=60) == ("interrupted\n", "")


def test_a_script_without_a_guard_ends_in_the_sentence_that_says_so(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from benchmark.execution.workers import workers\n"
        "from toy_work import square\n"
        "with workers(2) as pool:\n"
        "    raise next(pool.map(square, range(40)))[1]\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "UserError: a worker process failed before it could work" in done.stderr.splitlines()[-1]
