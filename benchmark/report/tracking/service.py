"""A tracking server as plain processes: MLflow before PostgreSQL, artifacts in a folder, for this machine alone.

`make tracking`, or `python -m benchmark.report.tracking.service FOLDER PORT`, runs it until Ctrl-C. What it holds lies
in the folder and is there at the next start. PostgreSQL listens on a socket that its owner alone can reach, MLflow on
the loopback address.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.errors import UserError

START_S = 300
"""How long a server may take until it answers, in seconds."""
LAST_S = 10
"""How long the one before it may take to be gone, in seconds."""
_NOBODY = 65534
"""As whom PostgreSQL runs where root starts it, which it refuses."""


def why_no_postgres() -> str:
    """Return why PostgreSQL cannot be started here; empty where it can."""
    if _programs() is None:
        return (
            "PostgreSQL is not installed: apt install postgresql, or put its initdb and postgres on the path"
        )
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "no driver by which PostgreSQL is reached: pip install 'psycopg[binary]'"
    return ""


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run the PostgreSQL whose data lie below `folder`, made if there are none; yield the address of its database.

    Raises `UserError` where it is not installed or does not start.
    """
    if why := why_no_postgres():
        raise UserError(f"tracking: {why}")
    data, programs = folder / "postgres", _programs()
    with tempfile.TemporaryDirectory(
        prefix="cacbench-"
    ) as sockets:  # a socket's path may have 107 characters
        user = _owner(data, Path(sockets))
        if not (data / "PG_VERSION").exists():
            _make(f"{programs}/initdb", data, user)
        _wait_for_the_last(data / "postmaster.pid")
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={sockets}"]
        with _process(
            [f"{programs}/postgres", "-D", str(data), *options], folder / "postgres.log", **user
        ) as one:
            address = f"postgresql://cacbench@/postgres?host={sockets}"
            _wait(one, lambda: _answers(address), folder / "postgres.log")
            yield address


class Server:
    """MLflow's server, whose database and artifacts outlive it."""

    def __init__(self, folder: Path, database: str, port: int) -> None:
        """`database` is an address as SQLAlchemy knows them; artifacts and a log go to `folder`."""
        self.folder, self.database, self.port = folder, database, port
        self.uri = f"http://127.0.0.1:{port}"
        self._running = contextlib.ExitStack()
        self.process: subprocess.Popen[bytes]

    def start(self) -> Server:
        """Start it and wait until it answers. Raises `UserError` where it does not."""
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.database]
        command += ["--artifacts-destination", str(self.folder / "artifacts"), "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        log = self.folder / "server.log"
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        self.process = self._running.enter_context(_process(command, log, env=environment, cwd=self.folder))
        _wait(self.process, lambda: _healthy(self.uri), log)
        return self

    def stop(self) -> None:
        """End it and all that it started."""
        self._running.close()


def _programs() -> Path | None:
    """Return the folder of PostgreSQL's programs: that of the path, else the newest where Debian puts them."""
    found = shutil.which("initdb")
    if found and shutil.which("postgres"):
        return Path(found).parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((file.parent for file in versions), key=lambda place: float(place.parent.name), default=None)


def _owner(*folders: Path) -> dict[str, Any]:
    """Make the folders and return as whom PostgreSQL runs, for `subprocess`: who starts it, but for root nobody."""
    for place in folders:
        place.mkdir(0o700, parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return {}
    for place in folders:
        os.chown(place, _NOBODY, _NOBODY)
        for parent in place.parents:
            if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o001 == 0:
                parent.chmod(parent.stat().st_mode | 0o011)
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}


def _make(initdb: str, data: Path, user: dict[str, Any]) -> None:
    command = [initdb, "-D", str(data), "-U", "cacbench", "-A", "trust", "-E", "UTF8", "--locale=C"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", **user)  # noqa: S603
    if done.returncode:
        raise UserError(f"{data}: no database can be made ({done.stderr.strip().splitlines()[-1]})")


def _wait_for_the_last(lock: Path) -> None:
    """Wait until the PostgreSQL that a lock file names is gone: one just killed may still be listed."""
    try:
        process = int(lock.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    deadline = time.monotonic() + LAST_S
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            with contextlib.suppress(PermissionError):  # it is there, and another user's
                os.kill(process, 0)
            time.sleep(0.2)


@contextlib.contextmanager
def _process(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a session of its own, so that Ctrl-C is for whoever started it; end it and its children."""
    with log.open("ab") as said:
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True, **options
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGINT)  # PostgreSQL's fast way to end
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(process: subprocess.Popen[bytes], answers: Any, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        if answers():
            return
        time.sleep(0.3)
    raise UserError(f"{log}: the server did not start; the end of this log says why")


def _answers(address: str) -> bool:
    import psycopg

    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError:
        return False
    return True


def _healthy(uri: str) -> bool:
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=5) as answer:  # noqa: S310 - on the loopback address
            return bool(answer.read())
    except OSError:
        return False


def main() -> None:
    """Run both until a signal comes or one of them ends."""
    folder, port = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    folder.mkdir(0o700, parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with postgres(folder) as database:
            server = Server(folder, database, port)
            try:
                server.start()
                print(
                    f"{server.uri}: MLflow; runs go there with `export MLFLOW_TRACKING_URI={server.uri}`",
                    flush=True,
                )
                server.process.wait()
            finally:
                server.stop()
    except UserError as error:
        print(f"cacbench: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"cacbench: ended; what was logged is kept in {folder}", file=sys.stderr)


if __name__ == "__main__":
    main()
