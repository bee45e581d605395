"""Databases to test on: empty ones, on the sandbox server or another, reached as a target that is not the sandbox."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fix_servers import SANDBOX, VERSIONS, Server
from pgrunbook import db

# On a test that takes `database` (or `gate`, or `role`): it runs on each version in turn, as `version_place` says.
on_every_version = pytest.mark.parametrize("version", VERSIONS)


@dataclass(frozen=True)
class Place:
    """A database: its name, its target's name (env:…), and a connection string for the test's own sessions."""

    name: str
    target: str
    conninfo: str
    _kept: list[db.Database] = field(default_factory=list, compare=False, repr=False)

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

    def kept(self) -> db.Database:
        """A session of the library's that is kept until the place is left, for what looks often."""
        if not self._kept:
            self._kept.append(self.connect())
            self._kept[0].set("row_security", "on")  # an owner whom policies hold as well sees what they let him see
        return self._kept[0]

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Close what is kept."""
        while self._kept:
            self._kept.pop().close()


@pytest.fixture(scope="session")
def server(server_of: Callable[[int], Server]) -> str:
    """The sandbox server's maintenance database, as a connection string."""
    return server_of(SANDBOX).dsn


@contextlib.contextmanager
def made(server: str) -> Iterator[Place]:
    """An empty database on any server, given as a connection string; dropped afterwards; for fixtures of any scope."""
    name = f"t_{secrets.token_hex(4)}"
    place = Place(name, f"env:PGRB_{name.upper()}", make_conninfo(server, dbname=name))
    maintenance = Place("postgres", "", server)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(place.target.removeprefix("env:"), place.conninfo)
        with maintenance.session() as admin:  # files are copied in half the time that logging their blocks takes
            strategy = "strategy file_copy" if admin.info.server_version >= 150000 else ""
            admin.execute(f"create database {name} {strategy}")
        with place:
            yield place
        maintenance.run(f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def few_statements(server: str) -> None:
    """For modules that read pg_stat_statements: what other tests ran is forgotten.

    Of more than 5,000 statements the server would soon make room itself, and take rare ones that a test looks for.
    """
    with made(server) as place:
        place.run("create extension pg_stat_statements", "select pg_stat_statements_reset()")


@pytest.fixture
def version() -> int:
    """The server's major version; `@on_every_version` on a test runs it, with all its fixtures, on each."""
    return SANDBOX


@pytest.fixture
def database(server_of: Callable[[int], Server], version: int) -> Iterator[Place]:
    """An empty database, dropped afterwards."""
    with made(server_of(version).dsn) as place:
        yield place


@pytest.fixture(params=VERSIONS)
def version_place(request: pytest.FixtureRequest, server_of: Callable[[int], Server]) -> Iterator[Place]:
    """As `database`, on every version in turn; a test that takes it runs once on each.

    18 is in the default run, 13 and 15 under `-m servers`, 14, 16 and 17 under `-m every_version`.
    """
    with made(server_of(request.param).dsn) as place:
        yield place
