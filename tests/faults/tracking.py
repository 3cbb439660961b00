"""Faults of what runs are tracked in, and several studies at it together."""

import os
import sqlite3
import threading


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


def database_gone_half_way(trial, random):
    """The tracking database is removed at a random moment of a run."""
    process = trial.start()
    trial.wait(random.uniform(0, trial.takes_s), process)
    (trial.results / "mlflow.db").unlink(missing_ok=True)
    code, _ = trial.finish(process)
    trial.outcome.lost += code != 0
    trial.run_again()


def database_locked(trial, random):
    """Somebody else holds the database for some seconds."""
    lock = sqlite3.connect(trial.results / "mlflow.db", isolation_level=None, check_same_thread=False)
    lock.execute("begin exclusive")
    threading.Timer(random.uniform(5, 15), lock.close).start()
    trial.finish(trial.start())
    trial.run_again()


def artifacts_away(trial, random):
    """Where artifacts go nothing can be written from a random moment on, and then it is there again."""
    place, away = trial.results / "mlartifacts", trial.results / "away"
    process = trial.start()
    trial.wait(random.uniform(0, trial.takes_s), process)
    if place.exists():
        place.rename(away)
    place.write_text("not a folder")
    code, _ = trial.finish(process)
    trial.outcome.lost += code != 0
    place.unlink()
    if away.exists():
        away.rename(place)
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
