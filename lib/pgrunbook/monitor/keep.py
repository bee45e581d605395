"""Looks in the ledger: one row each, all or nothing, and the oldest thinned out by the same transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from pgrunbook import errors
from pgrunbook.db import Database, catalog_sql
from pgrunbook.description import Monitor
from pgrunbook.ledger import WATCHING, Ledger
from pgrunbook.lock import release, try_lock
from pgrunbook.monitor.look import Look
from pgrunbook.sqlfile import quoted

_AT_ONCE = 500  # snapshots that one of them throws away


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot in the ledger, and how many older ones went for it."""

    id: int
    at: datetime
    thinned: int


@dataclass(frozen=True, slots=True)
class Name:
    """A name that snapshots hold by its id. `probes` are the scans of an index that looks made themselves so far."""

    id: int
    kind: str
    name: str
    says: str
    probes: int = 0


@dataclass(frozen=True, slots=True)
class _Publication:
    name: str
    all_tables: bool


@dataclass(frozen=True, slots=True)
class _Thinned:
    number: int


def in_ledger(query: bytes, schema: str) -> bytes:
    """A query of the catalog's over the ledger's tables."""
    return query.replace(b"{schema}", quoted(schema).encode())


def prepare(db: Database, ledger: Ledger) -> None:
    """Make the tables of the ledger where they are missing.

    Raises `BadTarget` where this role may not, or where a publication would take new tables along.
    """
    if db.value("select pg_catalog.current_setting('transaction_read_only')") == "on":
        raise errors.BadTarget(
            f"{quoted(db.user)} can only read here, and a snapshot is written to the ledger",
            remedy=f"alter role {quoted(db.user)} set default_transaction_read_only = off; or another role; "
            "of a standby watch the primary",
        )
    if not ledger.exists(WATCHING):
        found = db.fetch("publications", _Publication, schema=ledger.schema)
        if db.version >= 150000:
            found += db.fetch("schema_publications", _Publication, schema=ledger.schema)
        if any_of := next((p.name for p in found), ""):
            command = f"pgrunbook ledger sql --schema {ledger.schema}"
            raise errors.BadTarget(
                f"publication {any_of} would take the ledger's new tables along, and its subscribers stop without them",
                remedy=f"make them on every subscriber, then here: {command} | psql …",
            )
        ledger.create(WATCHING)
    if not ledger.usable(WATCHING):
        raise ledger.not_allowed("it is there, without the privileges")


def may_look(db: Database, runbook: str) -> bool:
    """Whether nobody else takes a snapshot for this runbook; from then on we do, until `looked`."""
    return try_lock(db, f"{runbook} (monitor)")


def looked(db: Database, runbook: str) -> None:
    """Let the next one look, which may come at once."""
    release(db, f"{runbook} (monitor)")


def texts(db: Database, schema: str) -> dict[str, str]:
    """The statements that the ledger knows by their ids, housekeeping with an empty text."""
    query = in_ledger(catalog_sql("monitor_names"), schema)
    return {n.name: n.says for n in db.select(query, Name, {"kinds": ["statement", "aside"]})}


def keep(
    db: Database, ledger: Ledger, runbook: str, run_id: str, look: Look, about: Monitor, now: datetime | None = None
) -> Kept:
    """Write a look, and thin out older ones, in one transaction. `now` stands for the server's clock."""
    at = now or look.state.at
    with db.transaction():
        # other runbooks' monitors write the same names: one after the other, so that no two wait for each other
        try:
            db.execute(f"lock table {quoted(ledger.schema, 'watched')} in share row exclusive mode")
        except errors.LockNotAvailable as e:
            raise errors.Aborted(
                f"the ledger's table watched is locked by somebody else: {e.message}",
                remedy="take the snapshot again when that session has ended; nothing was kept of this one",
            ) from None
        ids = _named(db, ledger.schema, look)
        values = _row(look, ids) | {"runbook": runbook, "run_id": run_id, "taken_at": at}
        number = _insert(db, ledger.schema, values)
        _count_probes(db, ledger.schema, look, ids)
        return Kept(number, at, _thin(db, ledger.schema, runbook, run_id, about, at))


_Ids = dict[tuple[str, str], Name]


def _named(db: Database, schema: str, look: Look) -> _Ids:
    """The ids of all names of a look."""
    wanted = dict(_names(look))
    given = {
        "kinds": [kind for kind, _ in wanted],
        "names": [name for _, name in wanted],
        "says": list(wanted.values()),
    }
    found = {(n.kind, n.name): n for n in db.select(in_ledger(catalog_sql("monitor_add_names"), schema), Name, given)}
    stale = [(n.id, wanted[key]) for key, n in found.items() if n.says != wanted[key]]
    if stale:
        db.rows(
            f"update {quoted(schema, 'watched')} w set says = n.says"  # noqa: S608
            " from unnest($1::int[], $2::text[]) n(id, says) where w.id = n.id",
            [[number for number, _ in stale], [says for _, says in stale]],
        )
    return found


def _names(look: Look) -> Iterable[tuple[tuple[str, str], str]]:
    for statement in look.statements.seen:
        yield ("statement", statement.id), statement.says
    for aside in look.statements.asides:
        yield ("aside", aside), ""
    for table in look.tables:
        yield ("table", table.table), ""
    for index in look.indexes:
        yield ("index", index.index), index.table
    for planned in look.plans:
        yield ("question", planned.question), planned.query
        yield ("plan", planned.plan), ""


def _row(look: Look, ids: _Ids) -> dict[str, Any]:
    """A look's columns."""
    state, counted = look.state, look.statements
    return {
        "system_identifier": look.system_identifier,
        "version": look.version,
        "server_started": state.server_started,
        "counted_since": state.counted_since,
        "statements_since": counted.since,
        "commits": state.commits,
        "rollbacks": state.rollbacks,
        "blocks_hit": state.blocks_hit,
        "blocks_read": state.blocks_read,
        "temp_bytes": state.temp_bytes,
        "deadlocks": state.deadlocks,
        "conflicts": state.conflicts,
        "database_bytes": state.database_bytes,
        "connections": state.connections,
        "waiting": state.waiting,
        "longest_s": state.longest_s,
        "statements_ms": counted.ms,
        "statements_calls": counted.calls,
        "statements": [ids["statement", s.id].id for s in counted.seen],
        "statement_calls": [s.calls for s in counted.seen],
        "statement_ms": [s.ms for s in counted.seen],
        "statement_squares": [s.squares for s in counted.seen],
        "tables": [ids["table", t.table].id for t in look.tables],
        "table_bytes": [t.bytes for t in look.tables],
        "table_rows": [t.rows for t in look.tables],
        "table_writes": [t.writes for t in look.tables],
        "indexes": [ids["index", i.index].id for i in look.indexes],
        "index_bytes": [i.bytes for i in look.indexes],
        "index_scans": [i.scans for i in look.indexes],
        "index_probes": [ids["index", i.index].probes for i in look.indexes],
        "index_valid": [i.valid for i in look.indexes],
        "index_needed": [i.needed for i in look.indexes],
        "questions": [ids["question", p.question].id for p in look.plans],
        "plans": [ids["plan", p.plan].id for p in look.plans],
        "plan_cost": [p.cost for p in look.plans],
        "not_seen": json.dumps([asdict(n) for n in look.not_seen]),
    }


def _insert(db: Database, schema: str, values: dict[str, Any]) -> int:
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    sql = f"insert into {quoted(schema, 'snapshot')} ({', '.join(values)}) values ({places}) returning id"  # noqa: S608
    return int(db.value(sql, list(values.values())))


def _count_probes(db: Database, schema: str, look: Look, ids: _Ids) -> None:
    """Remember which scans were ours: the server adds them when the look's transaction ends, so to the next reading."""
    own: Sequence[tuple[int, int]] = [(ids["index", i.index].id, i.probes) for i in look.indexes if i.probes]
    if own:
        db.rows(
            f"update {quoted(schema, 'watched')} w set probes = w.probes + n.probes"  # noqa: S608
            " from unnest($1::int[], $2::int8[]) n(id, probes) where w.id = n.id",
            [[number for number, _ in own], [probes for _, probes in own]],
        )


def _thin(db: Database, schema: str, runbook: str, run_id: str, about: Monitor, now: datetime) -> int:
    given = {
        "runbook": runbook,
        "run_id": run_id,
        "raw_before": now - timedelta(days=about.raw_days),
        "hourly_before": now - timedelta(days=about.hourly_days),
        "kept_after": now - timedelta(days=about.retention_days),
        "most": _AT_ONCE,
    }
    (thinned,) = db.select(in_ledger(catalog_sql("monitor_thin"), schema), _Thinned, given)
    return thinned.number
