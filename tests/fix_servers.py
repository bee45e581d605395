"""Debian's PostgreSQL 15 in a throw-away cluster, reached over TCP with a password through a pg_service.conf."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
SERVICE, PASSWORD = "rehearsal", "correct horse"


@dataclass(frozen=True)
class Server:
    """A running server; `dsn` connects as its superuser, the service as the owner of one database."""

    port: int
    folder: pathlib.Path
    dsn: str

    def run(self, *arguments: str) -> str:
        """A client program's output, connected through the service."""
        done = subprocess.run(
            [str(BIN / arguments[0]), *arguments[1:]], check=True, capture_output=True, text=True, timeout=120
        )
        return done.stdout


def _as_postgres(*words: str | pathlib.Path) -> None:
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*prefix, *map(str, words)], check=False, capture_output=True, text=True, cwd="/", timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def postgres_15() -> Iterator[Server]:
    """The server, and the environment that leads libpq to it; a missing server is a failure."""
    assert (BIN / "postgres").exists(), "Debian's PostgreSQL 15 is missing: apt-get install postgresql-15"
    place = pathlib.Path(tempfile.mkdtemp(prefix="pgrb15-"))
    place.chmod(0o777)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = place / "data"
    _as_postgres(BIN / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
    (data / "pg_hba.conf").write_text(
        "local all postgres trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    )
    options = f"-p {port} -k {place} -c listen_addresses=127.0.0.1 -c fsync=off"
    _as_postgres(BIN / "pg_ctl", "-D", data, "-w", "-o", options, "-l", place / "log", "start")
    dsn = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"create role deployer login password '{PASSWORD}'")
        admin.execute("create database voip owner deployer")
    (place / "pg_service.conf").write_text(
        f"[{SERVICE}]\nhost=127.0.0.1\nport={port}\ndbname=voip\nuser=deployer\n"
        f"[refused]\nhost=127.0.0.1\nport={port}\ndbname=voip\nuser=deployer\npassword=wrong\n"
    )
    (place / "pgpass").write_text(f"127.0.0.1:{port}:*:deployer:{PASSWORD}\n")
    (place / "pgpass").chmod(0o600)
    kept = {k: os.environ.get(k) for k in ("PGSERVICEFILE", "PGPASSFILE")}
    os.environ |= {"PGSERVICEFILE": str(place / "pg_service.conf"), "PGPASSFILE": str(place / "pgpass")}
    try:
        yield Server(port, place, dsn)
    finally:
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
        _as_postgres(BIN / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(place, ignore_errors=True)
