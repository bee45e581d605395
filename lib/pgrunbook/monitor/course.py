"""A run's snapshots as a course: a bounded number of points in time, and the marks where counters began anew.

However many snapshots there are, some hundreds of them are read; the others are looked up where a change lies between
two of those.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from pgrunbook.db import Database, catalog_sql
from pgrunbook.monitor.keep import Name, in_ledger
from pgrunbook.sqlfile import quoted

SPANS, ENDS = 300, 60


class Counted(NamedTuple):
    """A statement's counters as they stood."""

    calls: int
    ms: float
    squares: float


class Table(NamedTuple):
    """A table as it was; while somebody locked it nobody knew its size."""

    bytes: int | None
    rows: int
    writes: int


class Index(NamedTuple):
    """An index as it was; `probes` of its scans were made by earlier looks."""

    bytes: int | None
    scans: int
    probes: int
    valid: bool
    needed: bool


class Plan(NamedTuple):
    """The plan of a question and its estimated cost."""

    plan: str
    cost: float


@dataclass(frozen=True, slots=True)
class Point:
    """One snapshot. Counters may be subtracted from those of a point with the same epoch.

    `epochs` count the marks before: for the database's own counters, and for those of statements. What the role may not
    see, or an extension that is not there would tell, is None or empty; one that is not `sized` saw no table or index.
    `unknown` says by query what it names that is not there.
    """

    id: int
    at: datetime
    server_started: datetime
    epochs: tuple[int, int]
    commits: int
    rollbacks: int
    blocks_hit: int
    blocks_read: int
    temp_bytes: int
    deadlocks: int
    conflicts: int
    database_bytes: int | None
    connections: int
    waiting: int
    longest_s: float | None
    statements_ms: float | None
    statements_calls: int | None
    statements: dict[int, Counted] = field(repr=False)
    tables: dict[str, Table] = field(repr=False)
    indexes: dict[str, Index] = field(repr=False)
    plans: dict[str, Plan] = field(repr=False)
    sized: bool = True
    unknown: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something by which counters begin anew, between the snapshot `before` and `snapshot`."""

    what: str
    snapshot: int
    at: datetime
    before: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    """Points as they were taken, of `snapshots` in all. `between` reads those after one point up to another one."""

    points: tuple[Point, ...]
    marks: tuple[Mark, ...]
    names: dict[int, Name]
    snapshots: int
    between: Callable[[Point, Point], Sequence[Point]]

    @property
    def last(self) -> Point | None:
        return self.points[-1] if self.points else None

    @property
    def tables(self) -> dict[str, str]:
        """The table of each index."""
        return {n.name: n.says for n in self.names.values() if n.kind == "index"}

    def says(self, statement: int) -> str:
        """A statement's name: that of the workload's query, or its text."""
        return self.names[statement].says or self.names[statement].name


@dataclass(frozen=True, slots=True)
class _Marked:
    id: int
    taken_at: datetime
    before: datetime
    server_started: datetime
    moved: bool
    upgraded: bool
    restarted: bool
    reset: bool
    statements_reset: bool
    lost: bool


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the ledger's table `snapshot`."""

    id: int
    at: datetime
    server_started: datetime
    commits: int
    rollbacks: int
    blocks_hit: int
    blocks_read: int
    temp_bytes: int
    deadlocks: int
    conflicts: int
    database_bytes: int | None
    connections: int
    waiting: int
    longest_s: float | None
    statements_ms: float | None
    statements_calls: int | None
    statements: list[int]
    statement_calls: list[int]
    statement_ms: list[float]
    statement_squares: list[float]
    tables: list[int]
    table_bytes: list[int | None]
    table_rows: list[int]
    table_writes: list[int]
    indexes: list[int]
    index_bytes: list[int | None]
    index_scans: list[int]
    index_probes: list[int]
    index_valid: list[bool]
    index_needed: list[bool]
    questions: list[int]
    plans: list[int]
    plan_cost: list[float]
    sized: bool
    unknown: dict[str, str]


_ALIKE = (
    "id", "at", "server_started", "commits", "rollbacks", "blocks_hit", "blocks_read", "temp_bytes", "deadlocks",
    "conflicts", "database_bytes", "connections", "waiting", "longest_s", "statements_ms", "statements_calls",
    "sized", "unknown",
)  # fmt: skip


def load(db: Database, schema: str, runbook: str, run_id: str) -> Course:
    """The course of a run's snapshots, as the ledger has them."""
    run = {"runbook": runbook, "run_id": run_id}
    kinds = {"kinds": ["statement", "table", "index", "question", "plan"]}
    names = {n.id: n for n in db.select(in_ledger(catalog_sql("monitor_names"), schema), Name, kinds)}
    marked = db.select(in_ledger(catalog_sql("monitor_marks"), schema), _Marked, run)
    begin = _beginnings(marked)

    def read(after: Point | None = None, until: Point | None = None) -> list[Point]:
        given = {
            "after": after and after.id, "until": until and until.id,
            "spans": SPANS, "ends": ENDS,
        }  # fmt: skip
        found = db.select(in_ledger(catalog_sql("monitor_course"), schema), _Row, {**run, **given})
        return [_point(row, names, begin) for row in found]

    counting = f"select count(*) from {quoted(schema, 'snapshot')} where runbook = $1 and run_id = $2"  # noqa: S608
    snapshots = int(db.value(counting, [runbook, run_id]))
    return Course(tuple(read()), tuple(m for row in marked for m in _marks(row)), names, snapshots, read)


_Begin = tuple[list[int], list[int]]


def _beginnings(marked: Sequence[_Marked]) -> _Begin:
    """Where the counters of the database begin anew, and where those of its statements do."""
    everything = [m.id for m in marked if m.moved or m.upgraded or m.restarted or m.lost]
    own = [m.id for m in marked if m.reset]
    statements = [m.id for m in marked if m.statements_reset]
    return sorted({*everything, *own}), sorted({*everything, *statements})


def _point(row: _Row, names: dict[int, Name], begin: _Begin) -> Point:
    calls = zip(row.statement_calls, row.statement_ms, row.statement_squares, strict=True)
    tables = zip(row.table_bytes, row.table_rows, row.table_writes, strict=True)
    indexes = zip(row.index_bytes, row.index_scans, row.index_probes, row.index_valid, row.index_needed, strict=True)
    return Point(
        epochs=(bisect_right(begin[0], row.id), bisect_right(begin[1], row.id)),
        **{name: getattr(row, name) for name in _ALIKE},
        statements=dict(zip(row.statements, map(Counted._make, calls), strict=True)),
        tables={names[n].name: Table._make(v) for n, v in zip(row.tables, tables, strict=True)},
        indexes={names[n].name: Index._make(v) for n, v in zip(row.indexes, indexes, strict=True)},
        plans={
            names[q].name: Plan(names[p].name, cost)
            for q, p, cost in zip(row.questions, row.plans, row.plan_cost, strict=True)
        },
    )


def _marks(row: _Marked) -> list[Mark]:
    """What a person calls it; one thing is told once, though it resets several counters."""
    found = []
    if row.moved:
        found.append(("another server", "restored from a copy, or upgraded by dump and restore"))
    if row.upgraded:
        found.append(("another version of the server", ""))
    if row.restarted and not row.moved:
        lost = "; it lost its counters, as after a crash" if row.lost or row.statements_reset else ""
        found.append(("server restarted", f"at {row.server_started:%Y-%m-%d %H:%M} UTC{lost}"))
    if not (row.moved or row.restarted):
        if row.reset or row.lost:
            found.append(("statistics reset", "" if row.reset else "the counters fell: a crash of a backend does that"))
        if row.statements_reset:
            found.append(("statistics of statements reset", ""))
    return [Mark(what, row.id, row.taken_at, row.before, detail) for what, detail in found]
