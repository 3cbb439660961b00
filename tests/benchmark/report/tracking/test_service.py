import stat
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import psutil
import pytest
import yaml

from benchmark.errors import UserError
from benchmark.report.tracking import service

ROOT = Path(__file__).resolve().parents[4]
needs_postgres = pytest.mark.skipif(bool(service.why_no_postgres()), reason=service.why_no_postgres())


@needs_postgres
def test_a_database_is_reached_by_its_owner_alone_and_keeps_what_it_holds(tmp_path):
    import psycopg

    for number in range(2):
        with service.postgres(tmp_path) as address:
            sockets = Path(parse_qs(urlparse(address).query)["host"][0])
            assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
            with psycopg.connect(address) as connection:
                connection.execute("create table if not exists kept (number int)")
                connection.execute("insert into kept values (%s)", [number])
                (server,) = connection.execute("select pg_backend_pid()").fetchone()
                assert connection.execute("select count(*) from kept").fetchone() == (number + 1,)
                postgres = psutil.Process(server).ppid()
            assert not [one for one in psutil.net_connections("tcp") if one.pid == postgres]
        assert not sockets.exists()
    assert stat.S_IMODE((tmp_path / "postgres").stat().st_mode) == 0o700


@needs_postgres
def test_a_database_of_another_version_is_a_sentence(tmp_path):
    with service.postgres(tmp_path):
        pass
    (tmp_path / "postgres" / "PG_VERSION").write_text("7\n")
    with (
        pytest.raises(UserError, match=r"postgres.log: the server did not start"),
        service.postgres(tmp_path),
    ):
        pass


def test_without_postgresql_one_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(service, "_programs", lambda: None)
    with pytest.raises(UserError, match="apt install postgresql"), service.postgres(tmp_path):
        pass


def test_the_compose_file_serves_this_machine_alone_what_is_installed_here():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert services["mlflow"]["ports"] == ["127.0.0.1:5000:5000"]
    assert "ports" not in services["database"]
    pins = (ROOT / "constraints.txt").read_text().split()
    (command,) = (part for part in services["mlflow"]["command"] if "pip install" in part)
    for name in ("mlflow", "psycopg"):
        (pin,) = (line for line in pins if line.startswith(f"{name}=="))
        assert pin in command.replace("[binary]", "")
