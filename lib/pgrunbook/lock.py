"""One run at a time: a session advisory lock per runbook and database."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from pgrunbook import errors
from pgrunbook.db import Database


@dataclass(frozen=True, slots=True)
class _Holder:
    pid: int
    application: str
    role: str
    since: str


def whole_run(name: str) -> str:
    """The name of the lock that `run` and `demo` hold over all stages, beside the stages' own."""
    return f"{name} (whole run)"


def lock_key(name: str) -> int:
    """The advisory lock's key: 63 bits of SHA-256, so that it is the same everywhere."""
    return int.from_bytes(hashlib.sha256(f"pgrunbook:{name}".encode()).digest()[:8]) >> 1


def hold_lock(session: Database, name: str, *, wait_s: float = 2.0) -> None:
    """Take the runbook's advisory lock for the session's life. Raises `Busy` naming the holder.

    Polls: a session that waits in pg_advisory_lock holds a snapshot, and a concurrent build would wait for it.
    """
    key, deadline = lock_key(name), time.monotonic() + wait_s
    while not session.value("select pg_catalog.pg_try_advisory_lock($1)", [key]):
        if time.monotonic() > deadline:
            holder = session.one("lock_holder", _Holder, key=key)
            who = (
                f"pid {holder.pid} ({holder.application}, {holder.role}) since {holder.since}" if holder else "somebody"
            )
            raise errors.Busy(
                f"runbook {name} is at work on this database already: {who}",
                remedy="wait for it" + (f", or end it: select pg_terminate_backend({holder.pid})" if holder else ""),
            )
        time.sleep(0.2)
