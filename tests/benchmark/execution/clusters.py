"""A Dask cluster of processes on this machine, for what only a real one can lose."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": f"{Path.cwd()}:{Path.cwd() / 'tests' / 'plugin_package'}",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",  # as docs/faults.md tells one to set it
}


@contextmanager
def cluster(folder, count, nanny=False):
    """Start a scheduler and workers as processes of their own; yield its address and them.

    What is added to the workers ends with them.
    """
    file = folder / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    scheduler = _started([*command, "--no-dashboard", "--scheduler-file", str(file)], folder)
    started = [worker(folder, nanny) for _ in range(count)]
    try:
        yield _address_in(file), scheduler, started
    finally:
        for process in (*started, scheduler):
            process.kill()  # a nanny's worker ends with it
        for process in (*started, scheduler):
            process.wait(timeout=30)


def worker(folder, nanny=False):
    """Start one more worker of the cluster of a folder."""
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard"]
    named = ["--scheduler-file", str(folder / "scheduler.json"), "--local-directory", str(folder)]
    return _started([*command, *named, "--nanny" if nanny else "--no-nanny"], folder)


def _started(command, folder):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=ENVIRONMENT, cwd=folder, **quiet)


def _address_in(file):
    for _ in range(400):
        if file.exists():
            return json.loads(file.read_text())["address"]
        time.sleep(0.05)
    raise AssertionError("the scheduler did not start")
