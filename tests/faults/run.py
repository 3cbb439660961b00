"""Prints and writes the fault table: `python -m tests.faults.run [--minutes 5] [--seed 1] [--out FILE] [NAME …]`."""

import argparse
import random
import shutil
import sqlite3
import tempfile
import time
from dataclasses import fields
from pathlib import Path

from tests.faults.faults import FAULTS
from tests.faults.trial import Outcome, Trial, copied, tables


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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=list(FAULTS))
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/faults.md"))
    options = parser.parse_args()
    begin, outcomes, turn = time.monotonic(), {}, 0
    with tempfile.TemporaryDirectory() as place:
        base = Base(Path(place))
        while time.monotonic() - begin < 60 * options.minutes:
            name = options.names[turn % len(options.names)]
            outcome = attempt(FAULTS[name], base, Path(place) / str(turn), options.seed + turn)
            outcomes.setdefault(name, Outcome()).add(outcome)
            print(f"{time.monotonic() - begin:4.0f} s {name}: {outcome}", flush=True)
            turn += 1
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(table(outcomes))
    print(table(outcomes))


if __name__ == "__main__":
    main()
