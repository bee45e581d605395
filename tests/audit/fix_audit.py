"""A lint on its own, and what it looks at, made at little cost: `from fix_audit import found`."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from typing import Any

import psycopg

from fix_databases import Place
from pgrunbook.audit import Facts, Finding, Lint, lints, look
from pgrunbook.db import Database

NO_FACTS = Facts()


def lint(name: str) -> Lint:
    """A lint by its name."""
    return next(lint for lint in lints() if lint.name == name)


def found(where: Place | Database, name: str, facts: Facts = NO_FACTS) -> dict[str, Finding]:
    """A lint's findings by their object; a lint that fails, or says one object twice, fails the test."""
    if isinstance(where, Place):
        with where.connect(read_only=True) as session:
            return found(session, name, facts)
    (looked,) = look(where, [lint(name)], facts, timeout_s=30)
    assert not looked.failed, f"{name}: {looked.failed} {looked.remedy}"
    by_object = {finding.object: finding for finding in looked.findings}
    assert len(by_object) == len(looked.findings), [finding.object for finding in looked.findings]
    return by_object


@contextlib.contextmanager
def stranger(place: Place) -> Iterator[Database]:
    """A session of the library's as a role that was granted nothing, and no longer has what PUBLIC has."""
    role = f"stranger_{secrets.token_hex(4)}"
    place.run(f"create role {role} nologin", "revoke all on schema public from public")
    try:
        with place.connect(read_only=True) as session:
            session.execute(f"set role {role}")
            yield session
    finally:
        place.run(f"drop role {role}")


def counted(place: Place, *statements: str) -> None:
    """Run statements in one session; what they did is in the statistics when this returns."""
    with place.session() as session:
        collected, pid = session.info.server_version < 150000, session.info.backend_pid
        for statement in statements:
            session.execute(statement)
        if not collected:  # flushed when the session is idle, before it says so
            session.execute("select pg_stat_force_next_flush()")
    if collected:  # the collector hears of it when the session ends, and writes it down when it is asked anew
        with place.session() as session:
            _until(session, f"not exists (select from pg_stat_activity where pid = {pid})")
            (gone,) = session.execute("select clock_timestamp()").fetchone()
            _until(session, f"pg_stat_get_snapshot_timestamp() > '{gone}'")


def _until(session: psycopg.Connection, condition: str) -> None:
    """Wait for what becomes true by itself, in some milliseconds as a rule."""
    end = time.monotonic() + 60
    while session.execute(f"select {condition}").fetchone() != (True,):
        assert time.monotonic() < end, f"waited in vain: {condition}"
        time.sleep(0.02)


def pretend(place: Place, relation: str, rows: int, pages: int | None = None) -> None:
    """Make the catalog say that a table or an index has so many rows, and pages of 8 kB (100 rows each)."""
    place.run(
        f"update pg_class set reltuples = {rows}, relpages = {rows // 100 + 1 if pages is None else pages}"
        f" where oid = '{relation}'::regclass"
    )


def oid(place: Place, relation: str) -> int:
    """The number of a table, as the facts name it."""
    return place.run(f"select '{relation}'::regclass::oid::int8")[0][0]


def attnum(place: Place, relation: str, column: str) -> int:
    """The number of a column, as the facts name it."""
    return place.run(
        f"select attnum from pg_attribute where attrelid = '{relation}'::regclass and attname = '{column}'"
    )[0][0]


def statement(id: str, **fields: Any) -> dict[str, Any]:  # noqa: A002
    """A fact of `statements`: a parsed SELECT that was called once, but for what `fields` say."""
    return {
        "id": id, "text": "select", "kind": "select", "calls": 1, "rows": 1, "ms": 1.0, "mean_ms": 1.0, "max_ms": 1.0,
        "blocks": 1, "read": 0, "temp": 0, "share": 0.0, "roles": ["postgres"], "relations": [], "writes": None,
        "sets": [], "star": False, "limited": False, "offset": False, "aggregate": False, "ordered": False,
        "locking": False, "seconds": 86400.0, "parsed": True,
    } | fields  # fmt: skip


def predicate(id: str, relation: int, column: int, op: str = "eq", **fields: Any) -> dict[str, Any]:  # noqa: A002
    """A fact of `predicates`: a column compared with a parameter, but for what `fields` say."""
    return {
        "id": id, "relation": relation, "column": column, "name": "", "op": op, "position": 1, "descending": False,
        "expression": "", "with_relation": None, "with_column": None, "bound": True,
    } | fields  # fmt: skip
