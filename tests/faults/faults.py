"""The faults: each does something to a trial, then has it run again."""

import contextlib
import os
import resource
import shutil
import signal
import sqlite3
import threading
import time
from pathlib import Path


def workers(process):
    """The processes that do the work; beside them Python has one that looks after what they share."""
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return [
            int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]
    except FileNotFoundError:
        return []


def ended_by(how):
    """The command gets a signal at a random moment, and nobody else does."""

    def fault(trial, random):
        process = trial.start()
        trial.wait_for_records(random.randint(1, 4 * trial.cases), process)
        time.sleep(random.random() / 2)
        if process.poll() is None:
            os.kill(process.pid, how)
        trial.finish(process)
        trial.outcome.lost += trial.run_again()

    return fault


def worker_killed(trial, random):
    """A worker is killed, as the system does when memory runs out; the command goes on."""
    process = trial.start()
    trial.wait_for_records(random.randint(1, 3 * trial.cases), process)
    for child in random.sample(found := workers(process), min(1, len(found))):
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue
    trial.finish(process)
    trial.outcome.lost += trial.run_again()


def disk_full(trial, random):
    """No file can grow beyond a few hundred bytes to a few kilobytes, as on a disk that is full."""
    limit = random.randint(100, 4000)
    process = trial.start()
    trial.wait_for_records(random.randint(1, trial.cases), process)
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    trial.finish(process)
    trial.outcome.lost += trial.run_again()


def files_damaged(trial, random, share=0.1):
    """Bits flip, bytes go, files are emptied or swapped in everything that is stored."""
    trial.finish(trial.start())
    files = [
        file for file in trial.results.rglob("*")
        if file.is_file() and ("store" in file.parts or ".written" in file.parts)
    ]  # fmt: skip
    damaged = random.sample(files, max(1, int(share * len(files))))
    for file in damaged:
        content = bytearray(file.read_bytes())
        at = random.randrange(len(content))
        kind = random.choice(("flip", "cut", "empty", "swap", "digit"))
        if kind == "flip":
            content[at] ^= 1 << random.randrange(8)
        elif kind == "swap":
            content = random.choice(files).read_bytes()
        elif kind == "digit":
            content = bytes(content).replace(b"1", b"7")
        else:
            content = content[: at if kind == "cut" else 0]
        file.write_bytes(content)
    trial.outcome.times = len(damaged)
    trial.run_again(logged=2)


def database_damaged(trial, random):
    """The tracking database is garbage, of a newer version, or gone."""
    trial.finish(trial.start())
    database = trial.results / "mlflow.db"
    kind = random.choice(("garbage", "newer", "gone"))
    if kind == "garbage":
        database.write_bytes(os.urandom(4096))
    elif kind == "gone":
        database.unlink()
    else:
        with sqlite3.connect(database) as connection:
            connection.execute("update alembic_version set version_num = 'ffffffffffff'")
    code, _ = trial.finish(trial.start())
    trial.outcome.lost += code != 0
    trial.outcome.wrong += not (trial.results / "toy" / "study.json").exists()
    if kind != "gone":
        database.unlink()
    trial.run_again()


def database_locked(trial, random):
    """Somebody else holds the database for some seconds."""
    lock = sqlite3.connect(trial.results / "mlflow.db", isolation_level=None, check_same_thread=False)
    lock.execute("begin exclusive")
    threading.Timer(random.uniform(5, 15), lock.close).start()
    trial.finish(trial.start())
    trial.run_again()


def studies_at_once(count, *, same):
    """Several studies start together in one folder of results."""

    def fault(trial, random):
        names = ["toy"] * count if same else ["toy", *(f"toy{number}" for number in range(1, count))]
        for name in names:
            trial.declare(name)
        processes = [trial.start(name) for name in names]
        for process in processes:
            code, _ = trial.finish(process)
            trial.outcome.lost += code != 0 and not same  # of the same study one may give way, in a sentence
        trial.run_again(dict.fromkeys(names))

    return fault


def folder_moved(trial, random):
    """The folder is called otherwise after a run."""
    trial.finish(trial.start())
    trial.folder = trial.folder.rename(trial.folder.with_name(f"{trial.folder.name}-moved"))
    trial.outcome.lost += trial.run_again()


def folder_copied(trial, random):
    """A copy is run, which must leave the original as it is."""
    trial.finish(trial.start())
    original = {file: file.read_bytes() for file in trial.results.rglob("*") if file.is_file()}
    shutil.copytree(trial.folder, copy := trial.folder.with_name(f"{trial.folder.name}-copy"))
    trial.folder = copy
    trial.outcome.lost += trial.run_again()
    trial.outcome.wrong += any(
        not file.exists() or file.read_bytes() != content for file, content in original.items()
    )


def not_writable(trial, random):
    """Nothing can be written where results should go."""
    shutil.rmtree(trial.results)
    trial.results.write_text("a file")
    code, _ = trial.finish(trial.start())
    trial.outcome.wrong += code != 2
    trial.results.unlink()
    trial.run_again()


FAULTS = {
    "the command killed (SIGKILL)": ended_by(signal.SIGKILL),
    "a worker killed": worker_killed,
    "SIGTERM": ended_by(signal.SIGTERM),
    "SIGINT": ended_by(signal.SIGINT),
    "disk full": disk_full,
    "stored files damaged": files_damaged,
    "database corrupt, newer or gone": database_damaged,
    "database locked": database_locked,
    "two studies at once, the same": studies_at_once(2, same=True),
    "two studies at once": studies_at_once(2, same=False),
    "five studies at once": studies_at_once(5, same=False),
    "folder moved": folder_moved,
    "folder copied": folder_copied,
    "nothing can be written": not_writable,
}
