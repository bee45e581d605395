"""One run at a time: a session advisory lock per runbook and database."""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import dataclass

from pgrunbook import errors
from pgrunbook.db import Database

_POLL_FROM_S, _POLL_TO_S = 0.01, 0.2  # a runner that was killed a moment ago lets go at once, a busy one does not


@dataclass(frozen=True, slots=True)
class Holder:
    """The session that holds a lock."""

    pid: int
    application: str
    role: str
    since: str

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.application}, {self.role}) since {self.since}"


def whole_run(name: str) -> str:
    """The name of the lock that `run` and `demo` hold over all stages, beside the stages' own."""
    return f"{name} (whole run)"


def at_work(name: str) -> str:
    """The name of the lock that the working session itself holds: it outlives a killed runner as long as its statement.

    It is only ever tried for, never waited for.
    """
    return f"{name} (at work)"


def lock_key(name: str) -> int:
    """The advisory lock's key: 63 bits of SHA-256, so that it is the same everywhere."""
    return int.from_bytes(hashlib.sha256(f"pgrunbook:{name}".encode()).digest()[:8]) >> 1


def try_lock(session: Database, name: str) -> bool:
    """Take a lock for the session's life if it is free."""
    return bool(session.value("select pg_catalog.pg_try_advisory_lock($1)", [lock_key(name)]))


def release(session: Database, name: str) -> None:
    """Give a lock back before the session ends: its backend may be there for a moment after the client has gone."""
    with contextlib.suppress(errors.PgRunbookError):  # lost with its session, or going with it
        session.rows("select pg_catalog.pg_advisory_unlock($1)", [lock_key(name)])


def holder_of(session: Database, name: str) -> Holder | None:
    """Who holds a lock; None where nobody does."""
    return session.one("lock_holder", Holder, key=lock_key(name))


def hold_lock(session: Database, name: str, *, wait_s: float = 2.0) -> None:
    """Take the runbook's advisory lock for the session's life. Raises `Busy` naming the holder.

    Polls: a session that waits in pg_advisory_lock holds a snapshot, and a concurrent build would wait for it.
    """
    deadline, pause = time.monotonic() + wait_s, _POLL_FROM_S
    while not try_lock(session, name):
        if time.monotonic() > deadline:
            holder = holder_of(session, name)
            raise errors.Busy(
                f"runbook {name} is at work on this database already: {holder or 'somebody'}",
                remedy="wait for it" + (f", or end it: select pg_terminate_backend({holder.pid})" if holder else ""),
            )
        time.sleep(pause)
        pause = min(pause * 2, _POLL_TO_S)
