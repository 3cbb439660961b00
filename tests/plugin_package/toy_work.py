"""Work for worker processes, importable by them wherever they run."""

import os
import signal
import time


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


def slowly(x):
    time.sleep(0.1)
    return x * x


def no_traveller(_):
    return lambda: None
