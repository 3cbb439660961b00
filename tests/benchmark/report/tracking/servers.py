"""A real `mlflow server` on the loopback address, on SQLite or PostgreSQL, that tests start and stop."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import psutil


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def kill(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def family(process):
    """Return the ids of a process and of all that it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
    return [process.pid]


class Server:
    """An MLflow server whose database and artifacts outlive it."""

    def __init__(self, folder, database=None):
        self.folder, self.port = folder, free_port()
        self.database = database or f"sqlite:///{folder}/server.db"
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self):
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.database]
        command += ["--artifacts-destination", str(self.folder / "artifacts"), "--workers", "1"]
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        log = (self.folder / "server.log").open("w")
        self.process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(self.port)],
            stdout=log,
            stderr=log,
            env=environment,
            cwd=self.folder,
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).read()
                return self
            time.sleep(0.5)
        raise AssertionError((self.folder / "server.log").read_text())

    def pids(self):
        return family(self.process)

    def stop(self):
        kill(self.pids())
        self.process.wait(30)


def why_no_postgres():
    """Return why PostgreSQL cannot be started here; empty where it can."""
    if not (shutil.which("initdb") and shutil.which("postgres")):
        return "no initdb and postgres on the path: apt install postgresql"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "no psycopg, by which SQLAlchemy reaches PostgreSQL: pip install 'psycopg[binary]'"
    if os.geteuid() == 0 and not (shutil.which("setpriv") and shutil.which("psql")):
        return "PostgreSQL refuses to run as root, and there is no setpriv to become somebody else"
    return ""


@contextlib.contextmanager
def postgres(folder):
    """Run a PostgreSQL of its own below `folder`; yield the address of an empty database."""
    # It refuses to run as root, so root becomes nobody.
    become = (
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.geteuid() == 0 else []
    )
    data, port = folder / "postgres", free_port()
    data.mkdir()
    if become:
        os.chown(data, 65534, 65534)
        for parent in data.parents:
            if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o001 == 0:
                parent.chmod(parent.stat().st_mode | 0o011)
    subprocess.run(
        [*become, "initdb", "-D", data, "-U", "cacbench", "-A", "trust"], check=True, capture_output=True
    )
    options = ["-c", "unix_socket_directories=", "-c", "listen_addresses=127.0.0.1", "-c", f"port={port}"]
    log = (folder / "postgres.log").open("w")
    process = subprocess.Popen([*become, "postgres", "-D", data, *options], stdout=log, stderr=log)
    try:
        address = f"postgresql://cacbench@127.0.0.1:{port}/postgres"
        deadline = time.monotonic() + 60
        while subprocess.run(["psql", address, "-c", "select 1"], capture_output=True).returncode:
            assert time.monotonic() < deadline, (folder / "postgres.log").read_text()
            time.sleep(0.3)
        yield address
    finally:
        kill(family(process))
        process.wait(30)
