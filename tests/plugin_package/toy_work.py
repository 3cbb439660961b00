"""Work for worker processes, importable by them wherever they run."""

import multiprocessing.connection
import os
import signal
import threading
import time


def square(x):
    return x * x


def process(_):
    return os.getpid()


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


def note_and_die_at_three(file, x):
    if x == 3:
        with file.open("a") as deaths:
            deaths.write("died\n")
    return die_at_three(x)


def slowly(x):
    time.sleep(0.1)
    return x * x


def linger(_):
    """Keep the process from ending for a while when its work is done."""
    threading.Thread(target=time.sleep, args=(5,)).start()


def no_traveller(_):
    return lambda: None


def a_megabyte(_):
    return bytes(1_000_000)


def die_half_way_through_the_reply(x):
    """As a process that memory runs out for, or that is ended, while it writes a result longer than a pipe holds."""

    def half(connection, content):
        os.write(connection.fileno(), content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    if x == 3:
        multiprocessing.connection.Connection._send = half
    return bytes(100_000)


def end_everything(x):
    raise SystemExit(f"{x} ends it")


def no_return(_):
    return NoReturn()


class NoReturn:
    """Can be sent and not be received."""

    def __reduce__(self):
        return int, ("three",)


def look_at(held):
    """Say what came of an array: its sum, whether it could be written to, and where it was worked on."""
    (array,) = held
    return float(array.sum()), array.flags.writeable, os.getpid()
