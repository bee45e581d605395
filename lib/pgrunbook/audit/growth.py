"""How fast tables grow: rows a day, with the interval that was seen, from two sources that read no table.

*Snapshots.* An audit keeps what the statistics counted for each table; the next one has a rate from the difference:
rows inserted less rows deleted, or estimated rows where the counters began anew. The interval is the slowest and the
fastest of the neighbouring pairs. Two snapshots make one pair, which shows no spread: the interval is then from
nothing to twice the rate. Less than a week between the first and the last does not know the weekend.

*A time column.* Where the rows follow one, the statistics' histogram says how many rows are younger than a week, a
month, a quarter of the data: the rate is the middle of the three. The interval holds these, the rates of the last six
months one by one, and the rate of the next quarter if it changes as the last one did. The histogram is a sample of
30,000 rows at the usual target, and it knows only rows that are still there: where the statistics count deletes as
well as inserts, the rate is less by that share. It ends at the newest row that ANALYZE saw.

Both are straight lines through the past. A projection from them says where that line leads; it is no forecast.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from pgrunbook import errors
from pgrunbook.audit import NotSeen, distribution
from pgrunbook.audit.distribution import DAY, Distribution, TimeColumn
from pgrunbook.db import Database
from pgrunbook.sqlfile import quoted

_LEAST_ROWS = 100
_MOST_TABLES = 2000
_WINDOWS = (7.0, 30.0, 90.0)
_STRETCH = 30.0
_STRETCHES = 6
_LEAST_SPAN = 1 / 24  # days
_TRUSTED_SPAN = 1.0  # days after which counters are worth more than a column, which does not know of deletes
_TIMEOUT = "30s"
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the statistics know it: estimated rows, and the rows counted since they began; `name` is unquoted."""

    relation: int
    table: str
    name: str
    partitioned: bool
    rows: int
    bytes: int
    live: int
    inserted: int
    updated: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Rate:
    """Rows a day with the interval that was seen, and from when to when (seconds since 1970) it was looked at."""

    a_day: float
    low: float
    high: float
    since: float
    until: float


def snapshot(database: Database) -> dict[str, Any]:
    """What a later audit needs to know a rate by: the counters of the largest 2,000 tables of 100 rows or more."""
    at, reset = _clock(database)
    kept = ("table", "rows", "bytes", "inserted", "deleted", "live")
    tables = [{k: v for k, v in asdict(t).items() if k in kept} for t in tables_of(database)]
    return {"at": datetime.fromtimestamp(at, UTC).isoformat(), "reset": reset, "tables": tables}


def tables_of(database: Database, *, least: int = _LEAST_ROWS, most: int = _MOST_TABLES) -> list[Table]:
    """The largest tables, partitions summed into theirs."""
    return database.fetch("audit_growth", Table, least=least, most=most)


def read(database: Database, snapshots: Sequence[Mapping[str, Any]] = ()) -> tuple[list[dict[str, Any]], list[NotSeen]]:
    """The growth of every table that a rate is known of, and of which it is not, and why.

    `snapshots` are those of earlier audits, in any order; the present is added. Where they span a day or more they go
    before a column.
    """
    try:
        with database.transaction(read_only=True, statement_timeout=_TIMEOUT, jit="off"):
            return _read(database, snapshots)
    except errors.StatementFailed as e:
        return [], [NotSeen("growth of tables", e.message, e.remedy)]


def _read(database: Database, snapshots: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[NotSeen]]:
    now, reset = _clock(database)
    tables = tables_of(database, most=_MOST_TABLES + 1)
    more, tables = len(tables) > _MOST_TABLES, tables[:_MOST_TABLES]
    columns = distribution.time_columns(database, [t.relation for t in tables])
    courses = _courses(tables, snapshots, now, reset)
    facts: list[dict[str, Any]] = []
    for table in tables:
        known = distribution.followed(columns.get(table.relation, []), now)
        counted = rate_of_course(courses.get(table.table, []))
        seen = rate_of_column(known, table) if known else None
        column = known.column if known else ""
        if counted and (seen is None or counted.until - counted.since >= _TRUSTED_SPAN * DAY):
            facts.append(_fact(table, counted, "snapshots", column))
        elif seen:
            facts.append(_fact(table, seen, "column", column))
    return facts, [*_unknown(database, tables, facts, columns), *_not_all(more), *_sequences(database)]


def _clock(database: Database) -> tuple[float, str]:
    """The server's time in seconds since 1970, and since when its statistics count."""
    ((at, reset),) = database.rows(
        "select extract(epoch from pg_catalog.clock_timestamp())::float8, coalesce(stats_reset::text, '')"
        " from pg_catalog.pg_stat_database where datname = pg_catalog.current_database()"
    )
    return float(at), str(reset)


def rate_of_column(known: Distribution, table: Table) -> Rate | None:
    """Rows a day over the last week, month and quarter of the data; None where all rows came within a day."""
    newest, oldest = known.newest, known.oldest
    span = (newest - oldest) / DAY
    if span < 1:
        return None
    windows = _windows(span)
    rates = [_between(known, w, 0) for w in windows]
    length, count = (_STRETCH, min(_STRETCHES, int(span / _STRETCH))) if span >= 4 * _STRETCH else (span / 4, 4)
    stretches = [_between(known, (n + 1) * length, n * length) for n in range(count)]
    seen = [*rates, *stretches, 2 * stretches[0] - stretches[3]]
    stays = 1 - _deleted_share(table)
    return Rate(
        a_day=statistics.median(rates) * stays,
        low=max(0.0, min(seen)) * stays,
        high=max(seen),
        since=newest - max(windows) * DAY,
        until=newest,
    )


def _between(known: Distribution, first: float, last: float) -> float:
    """Rows a day from so many days before the newest row until so many."""
    newest = known.newest
    return (known.until(newest - last * DAY) - known.until(newest - first * DAY)) / (first - last)


def _windows(span: float) -> list[float]:
    """The windows to look back, in days; where there are less than 90 days of data, all of them and what differs.

    >>> _windows(400), _windows(60), _windows(8)
    ([7.0, 30.0, 90.0], [7.0, 30.0, 60], [8, 4.0])
    """
    if span >= max(_WINDOWS):
        return list(_WINDOWS)
    shorter = [w for w in _WINDOWS if w <= span / 1.5]
    return [*shorter, span] if shorter else [span, span / 2]


def _deleted_share(table: Table) -> float:
    """How many rows are deleted for each that comes, where enough came since the statistics began to tell."""
    if table.inserted < max(_LEAST_ROWS, table.rows / 100) or table.deleted < table.inserted / 100:
        return 0.0
    return min(1.0, table.deleted / table.inserted)


@dataclass(frozen=True, slots=True)
class Point:
    """A table at a time: what the statistics estimated and counted. `live` is None where it was not kept."""

    at: float
    reset: str
    rows: int
    inserted: int
    deleted: int
    live: int | None = None


def _courses(
    tables: Iterable[Table], snapshots: Iterable[Mapping[str, Any]], now: float, reset: str
) -> dict[str, list[Point]]:
    """Each table's points in time, the present last."""
    courses: dict[str, list[Point]] = {}
    for kept in sorted(snapshots, key=lambda s: datetime.fromisoformat(s["at"])):
        at = datetime.fromisoformat(kept["at"]).timestamp()
        for t in kept["tables"] if at < now else ():
            point = Point(at, kept.get("reset", ""), t["rows"], t["inserted"], t["deleted"], t.get("live"))
            courses.setdefault(t["table"], []).append(point)
    for table in tables:
        if table.table in courses:
            point = Point(now, reset, table.rows, table.inserted, table.deleted, table.live)
            courses[table.table].append(point)
    return courses


def rate_of_course(course: Sequence[Point]) -> Rate | None:
    """Rows a day through a table's points; None where they span less than an hour.

    >>> day = 86400.0
    >>> rate_of_course([Point(0, "", 100, 100, 0), Point(day, "", 100, 150, 10), Point(2 * day, "", 200, 210, 10)])
    Rate(a_day=50.0, low=40.0, high=60.0, since=0, until=172800.0)
    >>> rate_of_course([Point(0, "a", 100, 100, 0), Point(day, "b", 130, 5, 0)])  # counted anew: estimates
    Rate(a_day=30.0, low=0.0, high=60.0, since=0, until=86400.0)
    """
    span = (course[-1].at - course[0].at) / DAY if course else 0.0
    if span < _LEAST_SPAN:
        return None
    kept = _apart(course, max(_LEAST_SPAN, span / 20) * DAY)
    days = [(p.at - kept[0].at) / DAY for p in kept]
    rows = [0.0]
    for a, b in pairwise(kept):
        rows.append(rows[-1] + _gained(a, b))
    slope = statistics.linear_regression(days, rows).slope
    pairs = [(y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairwise(zip(days, rows, strict=True))]
    if len(pairs) == 1:
        pairs = [0.0, 2 * slope]
    return Rate(slope, min(*pairs, slope), max(*pairs, slope), kept[0].at, kept[-1].at)


def _apart(course: Sequence[Point], least: float) -> list[Point]:
    """Without points that follow too soon on the one before: two audits in a row would make a wild pair."""
    kept = [course[0]]
    kept += [p for p in course[1:-1] if p.at - kept[-1].at >= least and course[-1].at - p.at >= least]
    return [p for n, p in enumerate(kept) if n == 0 or p.at - kept[n - 1].at >= least] + [course[-1]]


def _gained(a: Point, b: Point) -> float:
    """Rows won between two points: counted, or estimated where the counters began anew or never counted."""
    counted = a.reset == b.reset and b.inserted >= a.inserted and b.deleted >= a.deleted and b.inserted + b.deleted > 0
    if not counted:
        return float(b.rows - a.rows)
    net = (b.inserted - a.inserted) - (b.deleted - a.deleted)
    # TRUNCATE and a dropped partition take rows away that nobody counts as deleted
    if a.live is not None and b.live is not None and a.live + net - b.live > max(_LEAST_ROWS, (a.live + net) / 5):
        return float(b.live - a.live)
    return float(net)


def _fact(table: Table, rate: Rate, method: str, column: str) -> dict[str, Any]:
    return {
        "relation": table.relation,
        "table": table.table,
        "rows": table.rows,
        "bytes": table.bytes,
        "row_bytes": round(table.bytes / table.rows, 1) if table.rows else 0.0,
        "rows_a_day": round(rate.a_day, 3),
        "low": round(min(rate.low, rate.a_day), 3),
        "high": round(max(rate.high, rate.a_day), 3),
        "method": method,
        "column": column,
        "since": _date(rate.since),
        "until": _date(rate.until),
    }


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _unknown(
    database: Database,
    tables: Sequence[Table],
    facts: Sequence[Mapping[str, Any]],
    columns: Mapping[int, Sequence[TimeColumn]],
) -> list[NotSeen]:
    """The tables without a rate, by the reason, and those whose time columns may not be looked at."""
    unreadable, unanalyzed, others = [], [], []
    told = {f["relation"]: f["column"] for f in facts}
    for table in tables:
        own = columns.get(table.relation, [])
        if told.get(table.relation):
            continue
        if any(not c.readable for c in own):
            unreadable.append(table.table)
        elif table.relation in told:
            continue
        elif any(not c.analyzed and c.rows >= _LEAST_ROWS for c in own):
            unanalyzed.append(table.table)
        else:
            others.append(table.table)
    found = []
    if unreadable:
        role = quoted(str(database.value("select current_user")))
        found.append(NotSeen(
            f"growth in time of {_some(unreadable)}",
            "this role may not read the statistics of their time columns (no right to select, or row level security)",
            f"grant select on {', '.join(unreadable[:_NAMED])} to {role}; with row level security: run as the owner",
        ))  # fmt: skip
    if unanalyzed:
        remedy = f"analyze {', '.join(unanalyzed[:_NAMED])};"
        found.append(
            NotSeen(
                f"growth of {_some(unanalyzed)}",
                "no statistics were ever gathered of them, or of some of their partitions",
                remedy,
            )
        )
    if others:
        found.append(NotSeen(
            f"growth of {_some(others)}",
            "no time column that their rows follow over a day or more, and no earlier audit that is an hour old",
            "run the audit again in a week: the rate comes from the difference",
        ))  # fmt: skip
    return found


def _some(names: Sequence[str]) -> str:
    """Names as a sentence has them.

    >>> _some(["a"]), _some(["a", "b", "c", "d", "e"])
    ('a', 'a, b, c and 2 more tables')
    """
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest:,} more table{'s' * (rest > 1)}" if rest > 0 else "")


def _not_all(more: bool) -> list[NotSeen]:
    what = "growth of all but the largest tables"
    return [NotSeen(what, f"there are more than {_MOST_TABLES:,} of {_LEAST_ROWS} rows or more")] if more else []


@dataclass(frozen=True, slots=True)
class _Unseen:
    unreadable: int
    names: list[str]
    too_many: int


def _sequences(database: Database) -> list[NotSeen]:
    """How far the sequences are that the capacity lints could not read."""
    unseen = database.exactly("audit_capacity_unseen", _Unseen)
    found = []
    if unseen.unreadable:
        role = quoted(str(database.value("select current_user")))
        rest = unseen.unreadable - len(unseen.names)
        more = f" and {rest:,} more" if rest else ""
        found.append(NotSeen(
            f"how far sequences are: {', '.join(unseen.names)}{more}",
            "this role may not read them",
            f"grant select on sequence {', '.join(unseen.names)} to {role};",
        ))  # fmt: skip
    if unseen.too_many:
        found.append(NotSeen(
            f"how far {unseen.too_many:,} sequences are, those of the widest ranges and the smallest tables",
            "reading one locks it, and all of them would take more than a quarter of the server's table of locks",
            "raise max_locks_per_transaction",
        ))  # fmt: skip
    return found
