"""MLflow opened where runs go; its own database and artifacts lie below the results folder wherever that is now."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from benchmark.errors import UserError
from benchmark.execution.store import require_writable
from benchmark.report.tracking.destination import DATABASE, Destination, tracking_uri, without_credentials
from benchmark.report.tracking.turns import turn

ARTIFACTS = "mlartifacts"
_VARIABLE = "MLFLOW_TRACKING_URI"
_LOCATIONS = (
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Where MLflow keeps the absolute places of artifacts, beside the experiments' own."""
_MODELS_VIEW = {"mlflow.experimentKind": "custom_model_development"}
"""Has MLflow's page show an experiment as runs and models, and not as traces of language models."""
PATIENCE_S = 120
"""Making the database takes MLflow some seconds; another process may be at it."""


def open_tracking(where: Destination) -> Any:
    """Return the module mlflow, set to log to `where`; the embedded database is made if there is none.

    Raises one of `failures` where it cannot be used.
    """
    if where.embedded:
        return open_database(where.results)
    mlflow = _mlflow()
    with _alone(where):
        if where.sqlite_file is not None:
            _require_database(where.sqlite_file)
        elif not where.remote and "://" in where.uri and not where.uri.startswith("file:"):
            _require_reachable(where.uri)
        mlflow.MlflowClient(where.uri).search_experiments(max_results=1)
    _use(mlflow, where.uri)
    return mlflow


def open_database(results: Path) -> Any:
    """Return the module mlflow with its store under `results`, made if there is none, set to be used.

    Raises `UserError` where files cannot be written there, or the database is not one or of another version.
    """
    require_writable(results)
    mlflow, uri = _mlflow(), tracking_uri(results)
    with _alone(Destination(results, uri)):
        _require_database(results / DATABASE)
        from alembic.util import CommandError
        from sqlalchemy.exc import SQLAlchemyError

        try:
            mlflow.MlflowClient(uri).search_experiments(max_results=1)
        except (mlflow.MlflowException, SQLAlchemyError, CommandError) as error:
            raise UserError(
                f"{results / DATABASE}: MLflow {mlflow.__version__} cannot use this database "
                f"({first_line(error)}); bring it up to date with `mlflow db upgrade`, or name another --results"
            ) from None
        relocate(results)
    _use(mlflow, uri)
    return mlflow


def failures() -> tuple[type[Exception], ...]:
    """Return what is raised where a database is corrupt, locked or newer, a driver is missing or a server is gone."""
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return (UserError, MlflowException, SQLAlchemyError, CommandError, sqlite3.Error, OSError, ImportError)


def experiment_id(mlflow: Any, name: str, where: Destination) -> str:
    """Return the id of an experiment: made if there is none, restored if it was deleted in MLflow."""
    client = mlflow.MlflowClient()
    with _alone(where):
        found = client.get_experiment_by_name(name)
        if found is None:
            # Of a database elsewhere MLflow would put them into `mlruns` wherever the command stands.
            beside = where.sqlite_file
            home = None if beside is None else _artifacts(beside.parent)
            try:
                return str(client.create_experiment(name, artifact_location=home, tags=_MODELS_VIEW))
            except mlflow.MlflowException:
                # Somebody else at the same server made it in between.
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
            # MLflow keeps the name of a deleted experiment taken, so there is no making another one.
            print(
                f"cacbench: the experiment {name} was deleted in MLflow; it is restored with its runs",
                file=sys.stderr,
            )
        return str(found.experiment_id)


def latest_experiment(where: Destination) -> str:
    """Return the id of the experiment that was logged to last; empty where the database is no SQLite file, or empty."""
    if where.sqlite_file is None:
        return ""
    newest = (
        "SELECT experiment_id FROM runs WHERE lifecycle_stage = 'active' ORDER BY start_time DESC LIMIT 1"
    )
    try:
        with closing(_connect(where.sqlite_file)) as connection:
            return next((str(row[0]) for row in connection.execute(newest)), "")
    except sqlite3.Error:
        return ""  # MLflow's own page says what is wrong


def relocate(results: Path) -> None:
    """Point what MLflow's database says of artifacts to those beside it, where the results folder was moved or copied.

    MLflow writes absolute places and has no call that changes them, so this is SQL on our own file. A place is only
    changed if its artifacts are here, or nowhere. Raises `UserError` where the database cannot be read or changed.
    """
    here = _artifacts(results)
    try:
        # `with connection` is one transaction: all places change or none.
        with closing(_connect(results / DATABASE)) as connection, connection:
            places = connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
            for (home,) in places:
                if home != here and str(home).startswith("file:") and str(home).endswith(f"/{ARTIFACTS}"):
                    _move(connection, home, here)
    except sqlite3.Error as error:
        raise UserError(f"{results / DATABASE}: cannot be used as MLflow's database ({error})") from None


def _move(connection: sqlite3.Connection, home: str, here: str) -> None:
    connection.execute(
        "UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?", (here, home)
    )
    for table, column in _LOCATIONS:
        below = f"SELECT DISTINCT {column} FROM {table} WHERE substr({column}, 1, ?) = ?"  # noqa: S608
        for (old,) in connection.execute(below, (len(home) + 1, f"{home}/")).fetchall():
            new = here + old[len(home) :]
            if _path(new).exists() or not _path(old).exists():
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (new, old))  # noqa: S608


def _require_database(file: Path) -> None:
    """Raise `UserError` unless `file` is, or can become, a database; MLflow would try again for an hour."""
    try:
        with closing(_connect(file)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            connection.rollback()
    except sqlite3.Error as error:
        raise UserError(
            f"{file}: cannot be used as MLflow's database ({error}); move it away, or name another --results"
        ) from None


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=PATIENCE_S)


def _require_reachable(uri: str) -> None:
    """Connect to a database and leave it again; MLflow would try for minutes."""
    from sqlalchemy import create_engine

    engine = create_engine(uri)
    engine.connect().close()
    engine.dispose()


@contextmanager
def _alone(where: Destination) -> Iterator[None]:
    """Let one process at a time make a database and its experiments: MLflow's own ways to do so collide."""
    if (file := where.sqlite_file) is None:  # a server sees to that itself
        yield
        return
    with turn(file.with_name(f".{file.name}.lock"), "the database", PATIENCE_S):
        yield


def _artifacts(results: Path) -> str:
    return (results / ARTIFACTS).resolve().as_uri()


def _path(uri: str) -> Path:
    return Path(url2pathname(urlparse(uri).path))


def first_line(error: Exception) -> str:
    """Return the first line of an error's text that says what happened, without credentials."""
    lines = str(error).strip().splitlines() or [""]
    # SQLAlchemy begins with when it noticed.
    telling = (line for line in lines if not line.startswith("(raised as a result of"))
    return without_credentials(next(telling, lines[0]))


def _use(mlflow: Any, uri: str) -> None:
    """Have mlflow use a store. It puts the address into the environment, where it would look like a user's wish."""
    before = os.environ.get(_VARIABLE)
    mlflow.set_tracking_uri(uri)
    os.environ.pop(_VARIABLE, None)
    if before is not None:
        os.environ[_VARIABLE] = before


def _mlflow() -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # MLflow's own seven tries keep people waiting for four minutes where a server is gone.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    import logging

    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # It would print the traceback of what is told in a sentence here.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    return mlflow
