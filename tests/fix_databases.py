"""Databases to test on: empty ones of the sandbox server, reached as a target that is not the sandbox."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from pgrunbook import db, sandbox


@dataclass(frozen=True)
class Place:
    """A database: its name, its target's name (env:…), and a connection string for the test's own sessions."""

    name: str
    target: str
    conninfo: str

    def session(self, **settings: str) -> psycopg.Connection:
        """A session of the test's own, in autocommit."""
        return psycopg.connect(self.conninfo, autocommit=True, **settings)

    def run(self, *statements: str) -> list[tuple]:
        """Run statements; the rows of the last one."""
        with self.session() as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def connect(self, **options: object) -> db.Database:
        """A session of the library's."""
        return db.connect(db.parse_target(self.target), search_path=["public"], **options)


@pytest.fixture(scope="session")
def server() -> str:
    """The sandbox server's maintenance database, as a connection string."""
    sandbox.start()
    return sandbox.conninfo()


@contextlib.contextmanager
def made(server: str) -> Iterator[Place]:
    """An empty database, dropped afterwards; for fixtures of any scope."""
    name = f"t_{secrets.token_hex(4)}"
    variable = f"PGRB_{name.upper()}"
    with pytest.MonkeyPatch.context() as patch, psycopg.connect(server, autocommit=True) as admin:
        patch.setenv(variable, sandbox.conninfo(name))
        admin.execute(f"create database {name}")
        yield Place(name, f"env:{variable}", os.environ[variable])
        admin.execute(f"drop database {name} with (force)")


@pytest.fixture
def database(server: str) -> Iterator[Place]:
    """An empty database, dropped afterwards."""
    with made(server) as place:
        yield place
