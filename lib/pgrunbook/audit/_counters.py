"""The counters of pg_stat_statements: where they are, since when they count, what is hidden, and what they were before.

A snapshot holds them without any text; the difference to it tells what ran since, over resets and entries that were
thrown away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pgrunbook import errors
from pgrunbook.audit import NotSeen
from pgrunbook.db import Database
from pgrunbook.sqlfile import quoted

LONGEST = 100_000  # bytes of a text that is read
WHAT = "statements"
_LOAD = "shared_preload_libraries = 'pg_stat_statements' in postgresql.conf and a restart"
_CREATE = "create extension pg_stat_statements;"
_NOT_LOADED, _FORBIDDEN = "55000", "42501"
_RESET, _STARTED = "statistics reset", "server start"


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which the statements were counted. `origin` is what it begins with: a reset of the statistics, the
    start of the server, or the snapshot of an earlier run."""

    since: str
    seconds: float
    origin: str


@dataclass(frozen=True, slots=True)
class Source:
    schema: str
    usable: bool
    has_times: bool
    has_info: bool
    loaded: bool
    database: int
    started: datetime
    at: datetime
    path: list[str]


@dataclass(frozen=True, slots=True)
class Counted:
    """A statement's counters; `begun` is since when, None before PostgreSQL 17."""

    id: str
    text: str | None
    length: int
    entries: int
    calls: int
    rows: int
    ms: float
    top_ms: float
    max_ms: float
    blocks: int
    read: int
    temp: int
    begun: datetime | None
    roles: list[str]

    def counters(self) -> dict[str, float]:
        """What a snapshot keeps."""
        return {name: getattr(self, name) for name in ("calls", "rows", "ms", "blocks", "read", "temp")}

    def after(self, old: Mapping[str, float]) -> Counted:
        """What came since; the longest call is known of the whole time only, and can't have taken more than all."""
        fresh = {name: max(value - old[name], 0) for name, value in self.counters().items()}
        part = fresh["ms"] / self.ms if self.ms else 1.0
        kept: dict[str, Any] = {**fresh, "top_ms": self.top_ms * part, "max_ms": min(self.max_ms, fresh["ms"])}
        return replace(self, **kept)


@dataclass(frozen=True, slots=True)
class Told:
    """What the extension tells, `lack` where it tells nothing.

    `reset` is None where it does not say since when it counts; `evicted`: how often it threw entries away; `hidden`:
    the entries of other roles, which show neither text nor id.
    """

    source: Source
    counted: tuple[Counted, ...] = ()
    reset: datetime | None = None
    evicted: int = 0
    hidden: int = 0
    lack: NotSeen | None = None

    @property
    def window(self) -> Window:
        """The time that all counters are about."""
        begin = self.reset or self.source.started
        return Window(begin.isoformat(), _seconds(begin, self.source.at), _RESET if self.reset else _STARTED)


def told(database: Database, *, texts: bool = True) -> Told:
    """Read the counters. Raises `StatementFailed` for what is no lack of the extension or of rights."""
    source = database.exactly("audit_statements_source", Source)
    if lack := _lacks(source):
        return Told(source, lack=lack)
    try:
        return _read(database, source, texts=texts)
    except errors.StatementFailed as e:
        if e.sqlstate not in (_NOT_LOADED, _FORBIDDEN):
            raise
        return Told(source, lack=_refused(e))


def snapshot(told: Told) -> dict[str, Any]:
    """The counters as they are, without any text."""
    return {
        "at": told.source.at.isoformat(),
        "reset": told.reset.isoformat() if told.reset else "",
        "statements": {c.id: c.counters() for c in told.counted if c.id},
    }


def after(told: Told, since: Mapping[str, Any]) -> tuple[list[Counted], Window, list[NotSeen]]:
    """What came after a snapshot; in full where the statistics were reset meanwhile."""
    earlier = datetime.fromisoformat(since["at"])
    if told.reset and told.reset > earlier:
        why = f"the statistics were reset at {told.reset.isoformat()}, after the snapshot of {since['at']}"
        return list(told.counted), told.window, [NotSeen(WHAT, f"{why}: what came then is told")]
    found: list[Counted] = []
    anew = 0
    for one in told.counted:
        old = since["statements"].get(one.id)
        if old and (one.calls < old["calls"] or (one.begun is not None and one.begun > earlier)):
            anew, old = anew + 1, None
        if not old:
            found.append(one)
        elif one.calls > old["calls"]:
            found.append(one.after(old))
    why = f"statements that were reset or forgotten since the snapshot, and are told as they are counted anew: {anew:,}"
    origin = f"run {since['run']}" if since.get("run") else "snapshot"
    window = Window(since["at"], _seconds(earlier, told.source.at), origin)
    return found, window, [NotSeen(WHAT, why)] if anew else []


def hidden(told: Told) -> Iterator[NotSeen]:
    """What the statistics themselves do not show."""
    if told.hidden:
        every = told.hidden + sum(c.entries for c in told.counted)
        why = f"{told.hidden:,} of {every:,} entries belong to other roles, their texts are hidden"
        yield NotSeen(WHAT, why, "grant pg_read_all_stats to the role that audits")
    if told.evicted:
        why = f"statements that were forgotten to make room for others, rare ones: {told.evicted:,} times"
        yield NotSeen(WHAT, why, "raise pg_stat_statements.max (needs a restart)")
    if not told.source.has_info:
        why = (
            "before PostgreSQL 14 nobody tells since when statements are counted: rates count from the server's start, "
            "and may be too high"
        )
        remedy = f"select {quoted(told.source.schema)}.pg_stat_statements_reset(), and look again a day later"
        yield NotSeen(WHAT, why, remedy)


def _lacks(source: Source) -> NotSeen | None:
    if not source.schema:
        first = "" if source.loaded else f"{_LOAD}; then "
        return NotSeen(WHAT, "the extension pg_stat_statements is not in this database", first + _CREATE)
    if not source.usable:
        where = quoted(source.schema)
        remedy = f"grant usage on schema {where} to …, and pg_read_all_stats for the texts of others"
        return NotSeen(WHAT, f"this role may not use the schema {where}, which has pg_stat_statements", remedy)
    if not source.has_times:
        why = "pg_stat_statements has the columns of PostgreSQL 12 or before"
        return NotSeen(WHAT, why, "alter extension pg_stat_statements update;")
    return None


def _refused(error: errors.StatementFailed) -> NotSeen:
    if error.sqlstate == _NOT_LOADED:
        return NotSeen(WHAT, "pg_stat_statements is there, but the server was started without it", _LOAD)
    return NotSeen(WHAT, error.message, "grant execute on function pg_stat_statements to …")


def _read(database: Database, source: Source, *, texts: bool) -> Told:
    reset, evicted = None, 0
    with database.transaction(read_only=True, search_path=f"{quoted(source.schema)}, pg_catalog"):
        given = {"database": source.database, "longest": LONGEST, "texts": texts}
        counted = database.fetch("audit_statements", Counted, **given)
        if source.has_info:
            ((reset, evicted),) = database.rows("select stats_reset, dealloc from pg_stat_statements_info")
        read = replace(
            source, at=database.value("select pg_catalog.clock_timestamp()")
        )  # no entry is younger than that
    shown = tuple(one for one in counted if one.id)
    return Told(read, shown, reset, evicted, hidden=sum(one.entries for one in counted if not one.id))


def _seconds(begin: datetime, end: datetime) -> float:
    return max((end - begin).total_seconds(), 1.0)
