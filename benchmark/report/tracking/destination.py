"""Where runs are logged: what the command line says, else MLflow's environment variables, else the results folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

DATABASE = "mlflow.db"


@dataclass(frozen=True)
class Destination:
    """A tracking server or database, and the experiment there if it is not the study's own."""

    results: Path
    uri: str
    experiment: str = ""
    """Takes the place of the study's name; empty: it does not."""
    register: bool = False
    """Whether models are registered, too, in the registry that MLFLOW_REGISTRY_URI names or the tracking server's."""

    @property
    def embedded(self) -> bool:
        """Whether it is the database below the results."""
        return self.uri == tracking_uri(self.results)

    @property
    def remote(self) -> bool:
        """Whether it is a server with a page of its own."""
        return self.uri.startswith(("http://", "https://"))

    @property
    def sqlite_file(self) -> Path | None:
        """The file of an SQLite database, None where it is something else."""
        if not self.uri.startswith("sqlite"):
            return None
        from sqlalchemy.engine import make_url

        return Path(make_url(self.uri).database or ":memory:")

    @property
    def place(self) -> str:
        """What people are told: the database's file, or the address without user and password."""
        return str(self.results / DATABASE) if self.embedded else without_credentials(self.uri)

    def seen_by(self, experiment: str, run: str) -> str:
        """Return where a run can be looked at: an address, or a command."""
        if self.remote:
            return f"{self.place.rstrip('/')}/#/experiments/{experiment}/runs/{run}"
        if self.embedded:
            return f"{self.place}: cacbench ui --results {self.results}"
        return f"{self.place}: cacbench ui --tracking-uri with this address"


def destination(
    results: Path, uri: str | None = None, experiment: str | None = None, register: bool = False
) -> Destination:
    """Return where to log: `uri` and `experiment` if given, else the environment's, else the results folder.

    MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME are read here and nowhere else. MLflow itself reads
    MLFLOW_REGISTRY_URI and how to sign in.
    """
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or tracking_uri(results)
    experiment = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or ""
    return Destination(results, uri, experiment, register)


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


def without_credentials(text: str) -> str:
    """Return a text without the user names and passwords of the addresses in it."""
    return re.sub(r"//[^/\s]+@", "//", text)
