"""A copy of a sandbox database, to try on what nobody may have to keep."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from pgrunbook import db, errors
from pgrunbook.db import Database, Target
from pgrunbook.lock import try_lock
from pgrunbook.sqlfile import quoted

_MARK = " what-if "
_IN_USE = "55006"
_PATIENCE_S = 5.0  # as long as CREATE DATABASE itself waits for sessions that go


@contextmanager
def cloned(target: Target, database: str, *, search_path: Sequence[str] = ()) -> Iterator[Database]:
    """A session on a copy of a database of the sandbox, which is dropped afterwards, whatever happened.

    Copying needs the database to itself: the caller closes its own sessions first. Raises `WrongUsage` where somebody
    is connected, and for a target that is not the sandbox.
    """
    if not target.is_sandbox:
        raise errors.WrongUsage(
            f"target {target.name} is not the sandbox: nothing is copied there",
            remedy="restore a backup elsewhere, and name the service that leads there",
        )
    name = f"{database[:40]}{_MARK}{secrets.token_hex(4)}"
    with db.connect(target, application_name="pgrunbook what-if") as admin:
        _sweep(admin)
        try_lock(admin, name)  # as long as it is held the copy is nobody's leftover
        _require_alone(admin, database)
        try:
            admin.execute(f"create database {quoted(name)} template {quoted(database)}")
            session = db.connect(target, database=name, application_name="pgrunbook what-if", search_path=search_path)
            with session as clone:
                yield clone
        except errors.StatementFailed as e:
            if e.sqlstate == _IN_USE:  # somebody came between the look and the copy
                _require_alone(admin, database)
            raise
        finally:
            admin.execute(f"drop database if exists {quoted(name)} with (force)")


def _require_alone(admin: Database, database: str) -> None:
    """Raise `WrongUsage` while others are connected; a session that was closed just now takes a moment to go."""
    deadline = time.monotonic() + _PATIENCE_S
    while others := admin.rows(
        "select pid, application_name from pg_catalog.pg_stat_activity"
        " where datname = $1 and backend_type = 'client backend' order by pid limit 3",
        [database],
    ):
        if time.monotonic() > deadline:
            shown = ", ".join(f"pid {pid} ({application or 'no name'})" for pid, application in others)
            raise errors.WrongUsage(
                f"database {database} can't be copied while somebody is connected to it: {shown}",
                remedy="close these sessions (a notebook's kernel, psql), and ask again",
            )
        time.sleep(0.02)


def _sweep(admin: Database) -> None:
    """Drop the copies of processes that were killed. Locks are a database's own: all ask in the same one."""
    for (name,) in admin.rows("select datname from pg_catalog.pg_database where datname like $1", [f"%{_MARK}%"]):
        if try_lock(admin, name):
            with suppress(errors.StatementFailed):  # another process sweeps as well
                admin.execute(f"drop database if exists {quoted(name)} with (force)")
