"""Processes that work, each behind a pipe of its own and a thread that waits for it.

`concurrent.futures.ProcessPoolExecutor` has one pipe for all results: a process that is killed while it writes there
leaves half a message, and whoever reads it waits for ever for the other half, at Ctrl-C and when memory runs out. A
process that dies there takes the work of all others with it, too. Here the end of a process is the end of its pipe.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from benchmark.errors import UserError
from benchmark.execution.large_arrays import ArrayFiles, ArrayNames, clear_up, mapped, pack, unpack

PATIENCE_S = 10.0
"""How long a process without work may take to end, in seconds."""
UNGUARDED = (
    "a worker process failed before it could work: each imports the script that starts it, so what a script does must "
    'stand below `if __name__ == "__main__":`; or use `jobs=1`'
)


class WorkerDiedError(Exception):
    """A worker process was killed while it worked on an item, most often for want of memory."""

    def __init__(self, reason: str = "its worker process was killed (out of memory?)") -> None:
        super().__init__(reason)


class ProcessPool(ThreadPoolExecutor):
    """An executor over `jobs` processes. They are spawned: to fork one that holds threads (torch, MLflow) can hang."""

    def __init__(self, jobs: int) -> None:
        """Refuse, by a `UserError`, a process that such a pool has just started and that imports the script."""
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise UserError(UNGUARDED)
        super().__init__(jobs, initializer=_leave_ctrl_c_to_the_main_thread)
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._killed = threading.Event()
        self._files = ArrayFiles()
        self._arrays = ArrayNames(self._files)
        # Whatever kept `shutdown` from its end: Python waits at its own for processes, and these for the end of a pipe.
        atexit.register(self.kill)

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a process call `function`. The result is `WorkerDiedError` where that process is killed."""
        return super().submit(self._in_a_process, function, args, kwargs)

    def _in_a_process(self, *call: Any) -> Any:
        message = pack(call, self._arrays.of)
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = _Worker()
        self._busy.add(worker)
        try:
            if self._killed.is_set():
                worker.kill()
            reply = worker.ask(message)
        finally:
            self._busy.discard(worker)
        self._idle.append(worker)
        result, error = pickle.loads(reply)  # noqa: S301 - of a process of ours
        if error is not None:
            raise error
        return result

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work; end the processes when what has begun is done."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        for worker in self._idle:
            worker.connection.close()
        while self._idle:
            self._idle.pop().join()
        self._files.close()
        atexit.unregister(self.kill)

    def kill(self) -> None:
        """End at once: what has begun comes back as `WorkerDiedError`."""
        super().shutdown(wait=False, cancel_futures=True)
        self._killed.set()
        for worker in [*self._busy, *self._idle]:
            worker.kill()
        self.shutdown()


class _Worker:
    """A process, and this end of its pipe."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,))
        self._process.start()
        self._began = False
        theirs.close()  # or the pipe would not end with the process

    def ask(self, message: Any) -> bytes:
        """Return what the process replies to a message. Raises `WorkerDiedError` where it ends before it does.

        Raises `UserError` where it could not begin and was not killed: no other would.
        """
        try:
            if not self._began:
                self.connection.recv_bytes()
                self._began = True
            self.connection.send_bytes(message)
            return self.connection.recv_bytes()
        except (OSError, EOFError):
            self.connection.close()
            self.join()
            if not self._began and (self._process.exitcode or 0) > 0:
                raise UserError(UNGUARDED) from None
            raise WorkerDiedError from None

    def kill(self) -> None:
        self._process.kill()

    def join(self) -> None:
        """Wait until the process, whose pipe is closed, has ended; for a while, then it is killed."""
        self._process.join(PATIENCE_S)
        self._process.kill()
        self._process.join()


def _leave_ctrl_c_to_the_main_thread() -> None:
    """Keep SIGINT from this thread and so from the processes that it starts, from their first moment.

    Ctrl-C reaches every process of a terminal, and the parent alone decides what is given up.
    """
    if hasattr(signal, "pthread_sigmask"):
        resource_tracker.ensure_running()  # its start, by the first process, would let SIGINT through again
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _serve(connection: Connection) -> None:
    """Work in a process: say that it begins, then reply to each call with (result, None) or (None, error)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        connection.send_bytes(b"begun")
        while True:
            connection.send_bytes(_reply(connection.recv_bytes()))
    except (OSError, EOFError):
        clear_up()


def _reply(message: bytes) -> Any:
    try:
        function, args, kwargs = unpack(message, mapped)
        return ForkingPickler.dumps((function(*args, **kwargs), None))
    except BaseException as error:  # whatever it is, the process can do the next item
        try:
            return ForkingPickler.dumps((None, error))
        except Exception:
            return ForkingPickler.dumps((None, RuntimeError(f"{type(error).__name__}: {error}")))


def _end_with_the_parent() -> None:
    """Wait until the parent is gone, killed perhaps, and end: nobody would take the results."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        clear_up()
        os._exit(1)
