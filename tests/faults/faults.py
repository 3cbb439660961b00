"""The faults by name: each does something to a trial, then has it run again."""

import signal

from tests.faults.files import (
    clock_set_back,
    disk_full,
    files_damaged,
    folder_copied,
    folder_moved,
    not_writable,
    times_in_the_future,
)
from tests.faults.processes import dask_worker_lost, ended_by, out_of_memory, worker_killed
from tests.faults.tracking import (
    artifacts_away,
    database_damaged,
    database_gone_half_way,
    database_locked,
    studies_at_once,
)

FAULTS = {
    "the command killed (SIGKILL)": ended_by(signal.SIGKILL, times=12),
    "a worker killed": worker_killed,
    "a worker out of memory": out_of_memory,
    "SIGTERM": ended_by(signal.SIGTERM, times=6),
    "SIGINT": ended_by(signal.SIGINT, times=6),
    "disk full": disk_full,
    "stored files damaged": files_damaged,
    "files from the future": times_in_the_future,
    "the clock set back": clock_set_back,
    "database corrupt, newer or gone": database_damaged,
    "database gone half-way": database_gone_half_way,
    "database locked": database_locked,
    "artifacts away and back": artifacts_away,
    "two studies at once, the same": studies_at_once(2, same=True),
    "two studies at once": studies_at_once(2, same=False),
    "five studies at once": studies_at_once(5, same=False),
    "five studies at once, the same": studies_at_once(5, same=True),
    "folder moved": folder_moved,
    "folder copied": folder_copied,
    "nothing can be written": not_writable,
    "a Dask worker lost": dask_worker_lost,
}
