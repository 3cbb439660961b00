"""MLflow's database and artifacts, below the results folder wherever that is now."""

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

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
_LOCATIONS = (
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Where MLflow keeps the absolute places of artifacts, beside the experiments' own."""
_PATIENCE_S = 120
"""Making the database takes MLflow some seconds; another process may be at it."""


def tracking_uri(results: Path) -> str:
    """Return the URI of the MLflow store under the results folder."""
    from sqlalchemy.engine import URL, make_url

    file = str((results / DATABASE).resolve())
    plain = f"sqlite:///{file}"
    if make_url(plain).database == file:
        return plain
    # A path with `?` or with `%` and two digits. The driver is named because MLflow makes the parent folder of what
    # follows `sqlite:///` and would take the escaped path for a path.
    return URL.create("sqlite+pysqlite", database=file).render_as_string()


def open_database(results: Path) -> Any:
    """Return the module mlflow with its store under `results`, made if there is none, set to be used.

    Raises `UserError` where files cannot be written there, or the database is not one or of another version.
    """
    require_writable(results)
    with _alone(results):
        _require_database(results / DATABASE)
        mlflow, uri = _mlflow(), tracking_uri(results)
        from alembic.util import CommandError
        from sqlalchemy.exc import SQLAlchemyError

        try:
            mlflow.MlflowClient(uri).search_experiments(max_results=1)
        except (mlflow.MlflowException, SQLAlchemyError, CommandError) as error:
            raise UserError(
                f"{results / DATABASE}: MLflow {mlflow.__version__} cannot use this database "
                f"({_first_line(error)}); bring it up to date with `mlflow db upgrade`, or name another --results"
            ) from None
        relocate(results)
    mlflow.set_tracking_uri(uri)
    return mlflow


def experiment_id(mlflow: Any, name: str, results: Path) -> str:
    """Return the id of an experiment: made if there is none, restored if it was deleted in MLflow."""
    client = mlflow.MlflowClient()
    with _alone(results):
        found = client.get_experiment_by_name(name)
        if found is None:
            return str(client.create_experiment(name, artifact_location=_artifacts(results)))
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
            # MLflow keeps the name of a deleted experiment taken, so there is no making another one.
            print(
                f"cacbench: the experiment {name} was deleted in MLflow; it is restored with its runs",
                file=sys.stderr,
            )
        return str(found.experiment_id)


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
    return sqlite3.connect(file, timeout=_PATIENCE_S)


@contextmanager
def _alone(results: Path) -> Iterator[None]:
    """Let one process at a time make the database and its experiments: MLflow's own ways to do so collide."""
    from filelock import FileLock, Timeout

    lock = FileLock(results / f".{DATABASE}.lock", timeout=_PATIENCE_S)
    try:
        with lock:
            yield
    except Timeout:
        raise UserError(
            f"{lock.lock_file}: another cacbench has held the database for {_PATIENCE_S} s; end it, or name another "
            "--results"
        ) from None


def _artifacts(results: Path) -> str:
    return (results / ARTIFACTS).resolve().as_uri()


def _path(uri: str) -> Path:
    return Path(url2pathname(urlparse(uri).path))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _mlflow() -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import logging

    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return mlflow
