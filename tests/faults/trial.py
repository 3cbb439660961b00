"""One trial: a study is run, something is done to it, it is run again and held against an undisturbed run."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUDY = """
name: {name}
cohort: {{use: toy_cohort, zero: {cases}, nonzero: {cases}}}
segmenters: {{toy_centre: {{}}}}
extractors: {{moments: {{use: toy_moments, segmenter: toy_centre}}}}
classifiers: {{toy_nearest: {{}}}}
protocol: {{folds: 3, inner_folds: 2}}
"""
WATCHED = """
import faulthandler, signal
faulthandler.register(signal.SIGUSR2, all_threads=True)
import cacbench
cacbench.main()
"""
COMMAND = [sys.executable, "-c", WATCHED, "run"]
SILENT_S = 240
"""A run hangs that uses less than `STILL_S` of processor time in so many seconds: it waits for what does not come."""
STILL_S = 1.0
LONGEST_CPU_S = 600
"""Or more processor time than this in all, where an undisturbed run takes 15 to 25 s."""


@dataclass
class Outcome:
    """What a fault did, counted over its trials."""

    times: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    hung: int = 0
    traceback: int = 0

    def add(self, other):
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


class Trial:
    """A folder with a study, and what an undisturbed run of it gave."""

    def __init__(self, folder, reference=None, cases=12):
        self.folder, self.reference, self.cases = folder, reference, cases
        folder.mkdir(parents=True)
        self.outcome = Outcome(times=1)
        self.takes_s = 10.0
        """How long an undisturbed run takes."""
        self.records = {}
        """When each record was made that was seen so far."""
        self.declare("toy")

    def declare(self, name):
        (self.folder / f"{name}.yaml").write_text(STUDY.format(name=name, cases=self.cases))

    @property
    def results(self):
        return self.folder / "results"

    def environment(self, **more):
        return {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'plugin_package'}", **more}

    def start(self, name="toy", *how, **environment):
        """Start the study `name`, on two processes or `how` says, with more variables in its environment."""
        command = [
            *COMMAND,
            f"{name}.yaml",
            *(how or ("--jobs", "2")),
            "--results",
            str(self.results),
            "--quiet",
        ]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment(**environment), stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    def finish(self, process):
        """Wait for a process; return its exit code and what it said. A hang and a traceback are counted.

        A hang is told by processor time, not by the clock: on a machine that others load a run can take an hour.
        """
        said = said_in_time(process)
        if said is None:
            process.send_signal(signal.SIGUSR2)  # says where each thread stands
            time.sleep(2)
            os.killpg(process.pid, signal.SIGKILL)
            said = process.communicate()[1]
            self.outcome.hung += 1
            print(said, file=sys.stderr)
        if "Traceback" in said:
            self.outcome.traceback += 1
            print(said, file=sys.stderr)
        return process.returncode, said

    def wait_for_more_records(self, count, process):
        """Wait until a process has made so many records more than there are, or ended."""
        count += len(self._stored())
        while process.poll() is None and len(self._stored()) < count:
            time.sleep(0.02)

    def wait(self, seconds, process):
        """Wait so long, or until a process has ended."""
        begin = time.monotonic()
        while process.poll() is None and time.monotonic() - begin < seconds:
            time.sleep(0.02)

    def note_records(self):
        """Remember the records that are there now and when they were made."""
        for file in self._stored():
            self.records.setdefault(file, file.stat().st_mtime_ns)

    def _stored(self):
        return list(self.results.glob("store/*/*/[0-9a-f]*"))

    def run_again(self, names=("toy",), logged=1, kept=True, **environment):
        """Run to the end and count what differs from undisturbed results, and records made twice where `kept`.

        `logged`: how often it may stand in MLflow; results that were computed again are, on purpose, logged again.
        """
        self.note_records()
        for name in names:
            code, said = self.finish(self.start(name, **environment))
            if code != 0:
                self.outcome.lost += 1
                print(said, file=sys.stderr)
        if kept:
            self.outcome.lost += sum(map(self._made_again, self.records))
        self.check(names, logged)

    def _made_again(self, file):
        return not file.exists() or file.stat().st_mtime_ns != self.records[file]

    def check(self, names=("toy",), logged=1):
        if self.reference is None:
            return
        for name in names:
            self.outcome.wrong += tables(self.results / name) != self.reference
            finished = tracked(self.results / "mlflow.db", name)
            self.outcome.lost += finished == 0
            self.outcome.duplicated += max(0, finished - logged)
        leftovers = [file for file in self.results.rglob(".*") if re.fullmatch(r"\..+\.\d+", file.name)]
        self.outcome.lost += bool(leftovers)


def said_in_time(process):
    """Wait for a process and return what it said, None where it hangs."""
    before, since = 0.0, time.monotonic()
    while True:
        try:
            return process.communicate(timeout=1)[1]
        except subprocess.TimeoutExpired:
            used = used_s(process.pid)
        if used - before >= STILL_S or used < before:  # a worker that ended takes its time with it
            before, since = used, time.monotonic()
        if time.monotonic() - since > SILENT_S or used > LONGEST_CPU_S:
            return None


def used_s(session):
    """The processor time of all processes of a session, in seconds."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            values = (
                file.read_text().rpartition(")")[2].split()
            )  # from the third on: a name can hold anything
            ticks += sum(map(int, values[11:15])) if int(values[3]) == session else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def tables(folder):
    """The digest of every table of a study's results, but for how long things took."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted((folder / "tables").glob("*.csv"))
        if b"seconds" not in file.read_bytes().partition(b"\n")[0]
    }


def tracked(database, name):
    """How often a study's own run stands in MLflow's database as finished, repeats of it aside."""
    with sqlite3.connect(database, timeout=30) as connection:
        (count,) = connection.execute(
            "select count(*) from runs where status = 'FINISHED' and name = ? and lifecycle_stage = 'active'",
            (name,),
        ).fetchone()
    return count


def copied(base, folder, cases=12):
    """A trial that begins with the database of an undisturbed run and nothing else: to make one takes half a minute."""
    trial = Trial(folder, base.reference, cases)
    trial.takes_s = base.takes_s
    trial.results.mkdir()
    shutil.copy(base.empty_database, trial.results / "mlflow.db")
    return trial
