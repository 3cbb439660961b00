"""Faults of files: the disk is full, what is stored is damaged, moved or copied, or of another time."""

import contextlib
import os
import resource
import shutil
import subprocess
import time
from pathlib import Path

DAYS_S = 86_400


def disk_full(trial, random):
    """No file can grow beyond a few hundred bytes to a few kilobytes, as on a disk that is full."""
    limit = random.randint(100, 4000)
    process = trial.start()
    trial.wait_for_more_records(random.randint(1, trial.cases), process)
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    trial.finish(process)
    trial.run_again()


def stored(trial):
    """What a later start reads: the store, and what was written of each report."""
    return [
        file for file in sorted(trial.results.rglob("*"))
        if file.is_file() and ("store" in file.parts or ".written" in file.parts)
    ]  # fmt: skip


def files_damaged(trial, random, share=0.8):
    """Bits flip, bytes go, files are emptied or swapped in everything that is stored."""
    trial.finish(trial.start())
    files = stored(trial)
    damaged = random.sample(files, max(1, int(share * len(files))))
    for file in damaged:
        content = bytearray(file.read_bytes())
        at = random.randrange(max(1, len(content)))
        kind = random.choice(("flip", "cut", "empty", "swap", "digit"))
        if kind == "flip" and content:
            content[at] ^= 1 << random.randrange(8)
        elif kind == "swap":
            content = random.choice(files).read_bytes()
        elif kind == "digit":
            content = bytes(content).replace(b"1", b"7")
        else:
            content = content[: at if kind == "cut" else 0]
        file.write_bytes(content)
    trial.outcome.times = len(damaged)
    trial.run_again(logged=2, kept=False)


def folder_moved(trial, random):
    """The folder is called otherwise after a run."""
    trial.finish(trial.start())
    trial.folder = trial.folder.rename(trial.folder.with_name(f"{trial.folder.name}-moved"))
    trial.run_again()


def folder_copied(trial, random):
    """A copy is run, which must leave the original as it is."""
    trial.finish(trial.start())
    original = {file: file.read_bytes() for file in trial.results.rglob("*") if file.is_file()}
    shutil.copytree(trial.folder, copy := trial.folder.with_name(f"{trial.folder.name}-copy"))
    trial.folder = copy
    trial.run_again()
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


def clock_set_back(trial, random):
    """The clock goes back by hours to weeks while the command runs; what it finds is then from the future."""
    back_s = random.randint(3600, 30 * DAYS_S)
    process = trial.start(**turned_back(trial.folder, 0))
    trial.wait_for_more_records(random.randint(1, 2 * trial.cases), process)
    (trial.folder / "clock").write_text(str(back_s))
    trial.finish(process)
    trial.run_again(**turned_back(trial.folder, back_s))


def turned_back(folder, seconds):
    """What makes the clocks that a process reads slow by what a file says; the system's own is everybody's."""
    library, file = folder / "clock.so", folder / "clock"
    if not library.exists():
        source = Path(__file__).with_name("clock.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    file.write_text(str(seconds))
    return {"LD_PRELOAD": str(library), "CACBENCH_CLOCK": str(file)}


def times_in_the_future(trial, random):
    """Files are newer than the clock says it is, as after a copy from a machine whose clock is ahead."""
    trial.finish(trial.start())
    trial.note_records()
    ahead = time.time() + random.randint(3600, 30 * DAYS_S)
    for file in trial.results.rglob("*"):
        os.utime(file, (ahead, ahead))
    trial.records = {file: file.stat().st_mtime_ns for file in trial.records}
    trial.run_again()
