"""Prints and writes the fault table: `python -m tests.faults.run [--minutes 5] [--times 50] [--add] [NAME …]`.

Each trial is a line of a log beside the table, with the seed it was drawn from and a digest of the code that it was of.
`--add` goes on with the log that is there, and the table sums what it holds, so that it can be made in pieces. Nothing
is left out: a trial that failed stays in it until whoever mended what it found throws the log away.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from dataclasses import asdict, fields
from pathlib import Path

from tests.faults.faults import FAULTS
from tests.faults.trial import ROOT, Outcome, Trial, copied, tables


class Base:
    """An undisturbed run, and its database as it was before anything was logged."""

    def __init__(self, folder, cases=12):
        trial, begin = Trial(folder / "undisturbed", cases=cases), time.monotonic()
        code, said = trial.finish(trial.start())
        assert code == 0, said
        self.takes_s = time.monotonic() - begin
        self.results = trial.results
        self.reference = tables(trial.results / "toy")
        self.empty_database = folder / "empty.db"
        self._empty(trial.results / "mlflow.db")

    def _empty(self, database):
        shutil.copy(database, self.empty_database)
        with sqlite3.connect(self.empty_database) as connection:
            names = [
                name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")
            ]
            for name in names:
                if name != "alembic_version" and not name.startswith("sqlite"):
                    connection.execute(f'delete from "{name}"')


def attempt(fault, base, folder, seed, cases=12):
    """Do one trial of a fault and return its outcome."""
    trial = copied(base, folder, cases)
    fault(trial, random.Random(seed))
    return trial.outcome


def table(outcomes):
    """The table as Markdown."""
    columns = [field.name for field in fields(Outcome)]
    rows = [
        [name, *(str(getattr(outcome, column)) for column in columns)] for name, outcome in outcomes.items()
    ]
    lines = [["fault", *columns], ["---", *["---:"] * len(columns)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def code():
    """A digest of what does the work and keeps it: the room of execution."""
    files = sorted((ROOT / "benchmark" / "execution").glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]


def read(log):
    """The outcomes of a log, summed by fault in the order of the list of faults, and how many trials are of each."""
    trials = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    outcomes = {name: Outcome() for name in FAULTS if any(trial["fault"] == name for trial in trials)}
    for trial in trials:
        outcomes[trial["fault"]].add(Outcome(**trial["outcome"]))
    return outcomes, Counter(trial["fault"] for trial in trials)


def due(options):
    """Return the name of the fault that is tried next and its seed, or None if each was tried often enough."""
    outcomes, trials = read(options.log)
    lacking = [
        name
        for name in options.names
        if options.times is None or outcomes.get(name, Outcome(times=0)).times < options.times
    ]
    if not lacking:
        return None
    name = min(lacking, key=lambda name: trials[name])
    return name, options.seed + sum(trials.values())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=list(FAULTS), help="faults; default: all")
    parser.add_argument("--minutes", type=float, default=60, help="begin no trial after them")
    parser.add_argument("--times", type=int, help="end when each fault was tried so often")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/faults.md"))
    parser.add_argument("--add", action="store_true", help="to what the log beside the table holds")
    options = parser.parse_args()
    options.log = options.out.with_suffix(".jsonl")
    options.log.parent.mkdir(parents=True, exist_ok=True)
    if not options.add:
        options.log.unlink(missing_ok=True)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        base = Base(Path(place))
        while time.monotonic() - begin < 60 * options.minutes and (drawn := due(options)):
            note(options.log, *drawn, base, Path(place))
    text = table(read(options.log)[0])
    options.out.write_text(text)
    print(text)


def note(log, name, seed, base, place):
    """Do a trial and write its line."""
    begin = time.monotonic()
    folder = place / str(seed)
    outcome = attempt(FAULTS[name], base, folder, seed)
    took_s = time.monotonic() - begin
    line = {"fault": name, "seed": seed, "code": code(), "took_s": round(took_s), "load": os.getloadavg()[0]}
    with log.open("a") as file:
        file.write(json.dumps(line | {"outcome": asdict(outcome)}) + "\n")
    print(f"{took_s:4.0f} s {name}: {outcome}", flush=True)


if __name__ == "__main__":
    main()
