"""One look at a database: a short read-only transaction, in which nothing is run that an application would run.

It never waits long: what somebody locks is left out and said to be, and so is what the role may not see.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import postgast

from pgrunbook import errors
from pgrunbook.audit import NotSeen, statements
from pgrunbook.audit._predicates import parse
from pgrunbook.db import Database
from pgrunbook.measure.workload import BindSet
from pgrunbook.monitor import questions
from pgrunbook.monitor.questions import Planned
from pgrunbook.plan import Identity
from pgrunbook.runbook import Query
from pgrunbook.sqlfile import quoted

TABLES, INDEXES, OTHERS = 40, 120, 20
_CANDIDATES = 3 * OTHERS  # of the heaviest statements some are housekeeping
_LONGEST, _SHOWN = 100_000, 300
_NO_STATISTICS = ("55000", "42501")  # the server was started without them; the role may not
_LOG = "the server does not count them; its log has them: look there for 'row-level security' and 'permission denied'"


@dataclass(frozen=True, slots=True)
class Watching:
    """What a look is to look at: the workload with its sampled values, the run's indexes, tables by name, schemas.

    `texts` are the statements that earlier looks know by their ids; an empty text is that of housekeeping. Statements
    on the `ledger`, a schema, are none of the application's.
    """

    identity: Identity
    schemas: Sequence[str]
    ledger: str = "pgrunbook"
    workload: Sequence[Query] = ()
    binds: Mapping[str, Sequence[BindSet]] = field(default_factory=dict)
    indexes: Sequence[str] = ()
    tables: Sequence[str] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """The database's counters, and what goes on at this moment. `longest_s` is the age of the oldest transaction."""

    at: datetime
    server_started: datetime
    counted_since: datetime | None
    commits: int
    rollbacks: int
    blocks_hit: int
    blocks_read: int
    temp_bytes: int
    deadlocks: int
    conflicts: int
    connections: int
    connections_allowed: int
    waiting: int
    longest_s: float | None
    database_bytes: int | None


@dataclass(frozen=True, slots=True)
class TableSeen:
    """A table's size, rows and writes; of one that is locked the size is None."""

    oid: int
    table: str
    bytes: int | None
    rows: int
    writes: int


@dataclass(frozen=True, slots=True)
class IndexSeen:
    """An index; of one that is locked the size is None. One that is `needed` enforces something.

    `probes` are the scans that this look itself made by asking the planner.
    """

    index: str
    table: str
    bytes: int | None
    scans: int
    probes: int
    valid: bool
    needed: bool


@dataclass(frozen=True, slots=True)
class StatementSeen:
    """A statement's calls at top level, their times added up, and the squares of their times.

    `says` is the workload query's name, or the text.
    """

    id: str
    says: str
    calls: int
    ms: float
    squares: float


@dataclass(frozen=True, slots=True)
class Statements:
    """What the server counts of statements; `asides` are the ids of housekeeping, which nobody needs to read again."""

    since: datetime | None = None
    seen: tuple[StatementSeen, ...] = ()
    asides: tuple[str, ...] = ()
    calls: int | None = None
    ms: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw, and what it could not see. `seconds` is how long it took."""

    system_identifier: str
    version: int
    state: State
    statements: Statements
    tables: tuple[TableSeen, ...]
    indexes: tuple[IndexSeen, ...]
    plans: tuple[Planned, ...]
    not_seen: tuple[NotSeen, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Extension:
    schema: str
    has_info: bool
    database: int


@dataclass(frozen=True, slots=True)
class _Counted:
    id: str
    calls: int
    ms: float
    squares: float
    all_calls: int
    all_ms: float


@dataclass(frozen=True, slots=True)
class _Text:
    id: str
    text: str | None


def look(db: Database, watching: Watching) -> Look:
    """Look once. Raises `StatementFailed` only where not even the database's own counters can be read."""
    started = time.monotonic()
    not_seen: list[NotSeen] = []
    with db.transaction(read_only=True, lock_timeout="500ms", statement_timeout="5s"):
        if watching.identity.superuser:  # what we ask is no part of what the application asks
            db.rows("select pg_catalog.set_config('pg_stat_statements.track', 'none', true)")
        asked = questions.ask(db, watching.workload, watching.binds)
        not_seen += asked.not_seen
        tables: list[TableSeen] = []
        indexes: list[IndexSeen] = []
        with _seeing("tables and indexes", not_seen), db.transaction():
            named = [*asked.tables, *watching.tables]
            tables = db.fetch("monitor_tables", TableSeen, schemas=list(watching.schemas), named=named, most=TABLES)
            oids = [t.oid for t in tables]
            indexes = db.fetch("monitor_indexes", IndexSeen, tables=oids, named=list(watching.indexes), most=INDEXES)
        counted = Statements()
        with _seeing("statements", not_seen), db.transaction():
            counted = _statements(db, watching, asked.ids, not_seen)
        state = db.exactly("monitor_state", State)
    locked = [t.table for t in tables if t.bytes is None] + [i.index for i in indexes if i.bytes is None]
    if locked:
        not_seen.append(NotSeen("sizes", f"somebody locks {', '.join(locked)}"))
    if not watching.identity.sees_all_activity:
        why = "this role does not see when the transactions of others began"
        not_seen.append(NotSeen("longest transaction", why, f"grant pg_read_all_stats to {quoted(db.user)}"))
    not_seen.append(NotSeen("policy errors", _LOG))
    return Look(
        watching.identity.system_identifier,
        watching.identity.version,
        state,
        counted,
        tuple(tables),
        tuple(indexes),
        asked.plans,
        tuple(not_seen),
        time.monotonic() - started,
    )


@contextlib.contextmanager
def _seeing(what: str, not_seen: list[NotSeen]) -> Iterator[None]:
    """What the server refuses, or keeps waiting for, is not seen; the rest is."""
    try:
        yield
    except errors.StatementFailed as e:
        not_seen.append(NotSeen(what, e.message, e.remedy))


def _statements(db: Database, watching: Watching, ids: Mapping[str, str], not_seen: list[NotSeen]) -> Statements:
    """The workload's statements and the heaviest of the others."""
    source = db.one("monitor_extension", _Extension)
    if source is None:
        *_, lacking = statements.read(db)
        not_seen += lacking
        return Statements()
    try:
        with db.transaction(rollback=True, search_path=f"{quoted(source.schema)}, pg_catalog"):
            since = db.value("select stats_reset from pg_stat_statements_info") if source.has_info else None
            most = _CANDIDATES + len(ids)
            found = db.fetch("monitor_statements", _Counted, database=source.database, ids=list(ids), most=most)
            unknown = [c.id for c in found if c.id not in ids and c.id not in watching.texts]
            texts = db.fetch("monitor_texts", _Text, database=source.database, ids=unknown) if unknown else []
    except errors.StatementFailed as e:
        if e.sqlstate not in _NO_STATISTICS:
            raise
        *_, lacking = statements.read(db)  # it knows what lacks, and what mends it
        not_seen += lacking
        return Statements()
    if not ids and watching.workload:
        why = "the server does not tell by which ids it counts them: only the heaviest statements are watched"
        not_seen.append(NotSeen("times of the workload", why, "PostgreSQL 14 does, with compute_query_id = on"))
    if not watching.identity.sees_all_activity:
        remedy = f"grant pg_read_all_stats to {quoted(db.user)}"
        not_seen.append(NotSeen("statements", "those of other roles are hidden from this one", remedy))
    says = {**watching.texts, **{t.id: _shown(t.text, watching.ledger) for t in texts}, **ids}
    own = [c for c in found if c.id in ids]
    others = [c for c in found if c.id not in ids and says.get(c.id)][:OTHERS]
    return Statements(
        since,
        tuple(StatementSeen(c.id, says[c.id], c.calls, c.ms, c.squares) for c in own + others),
        tuple(t.id for t in texts if not says[t.id]),
        found[0].all_calls if found else None,
        found[0].all_ms if found else None,
    )


def _shown(text: str | None, ledger: str) -> str:
    """A statement's text on one line without constants; empty for housekeeping and what reads catalog or ledger alone.

    >>> _shown("select a  from t where b = 'secret'", "l"), _shown("commit", "l"), _shown("select 1 from l.run", "l")
    ('select a from t where b = $1', '', '')
    """
    if not text or len(text) > _LONGEST:
        return ""
    try:
        parsed = parse(text)
        plain = postgast.normalize(text)
    except postgast.PgQueryError:
        return ""
    if parsed is None or parsed.internal or parsed.query is None:
        return ""
    named = [source.table for source in parsed.sources if source.table]
    if not named or all(schema in ("pg_catalog", ledger) or name.startswith("pg_") for schema, name in named):
        return ""
    words = " ".join(plain.split())
    return words if len(words) <= _SHOWN else f"{words[: _SHOWN - 1]}…"
