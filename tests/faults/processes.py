"""Faults of processes: the command or what works for it is ended, or gets no memory."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path


def workers(process):
    """The processes that do the work; beside them Python has one that looks after what they share."""
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for file in Path(f"/proc/{process.pid}/task").glob("*/children"):  # of each thread its own
            children = map(int, file.read_text().split())
            found += [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return found


def ended_by(how, times=1):
    """The command, and nobody else, gets a signal at a random moment; started again, it gets another one."""

    def fault(trial, random):
        trial.outcome.times = 0
        for _ in range(times):
            process = trial.start()
            trial.wait(random.uniform(0, trial.takes_s / 2), process)  # what is stored is not made again
            if process.poll() is None:
                os.kill(process.pid, how)
                trial.outcome.times += 1
            trial.finish(process)
            trial.note_records()
        trial.run_again(logged=max(1, times - trial.outcome.times + 1))

    return fault


def worker_killed(trial, random, times=6):
    """Workers are killed, as the system does when memory runs out; the command goes on."""
    trial.outcome.times = 0
    process = trial.start()
    for _ in range(times):
        trial.wait_for_more_records(random.randint(2, trial.cases // 2), process)
        time.sleep(random.random() / 10)
        for child in random.sample(found := workers(process), min(1, len(found))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
                trial.outcome.times += 1
    trial.finish(process)
    trial.run_again(logged=2)


def out_of_memory(trial, random):
    """From a random moment on a worker gets no more memory."""
    process = trial.start()
    trial.wait_for_more_records(random.randint(1, trial.cases // 2), process)
    for child in random.sample(found := workers(process), min(1, len(found))):
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(child, resource.RLIMIT_AS, (2**20, resource.RLIM_INFINITY))
    trial.finish(process)
    trial.run_again(logged=2)


def dask_worker_lost(trial, random):
    """One of two workers of a Dask cluster is killed at a random moment."""
    file = trial.folder / "scheduler.json"
    common = {"cwd": trial.folder, "env": trial.environment(), "stderr": subprocess.DEVNULL}
    named = ("--scheduler-file", str(file))
    local = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    one = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(trial.folder / "dask"))
    module = [sys.executable, "-m"]
    started = [subprocess.Popen([*module, "distributed.cli.dask_scheduler", *local, *named], **common)]
    started += [
        subprocess.Popen([*module, "distributed.cli.dask_worker", *named, *one], **common) for _ in range(2)
    ]
    try:
        while not file.exists() or not file.read_text():
            time.sleep(0.1)
        process = trial.start("toy", "--dask", json.loads(file.read_text())["address"])
        trial.wait_for_more_records(random.randint(1, 2 * trial.cases), process)
        started[1].kill()
        trial.finish(process)
        trial.run_again()
    finally:
        for process in started:
            process.kill()
            process.wait()
