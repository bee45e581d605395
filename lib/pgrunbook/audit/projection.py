"""Where growth leads: rows in a quarter and a year, at so many users, and when a table passes the thresholds.

Every number is a straight line through what was seen (see `growth`), with the interval that was seen; it says where
that line leads, and is no forecast. "Users" are the rows of one table, the driver. A table has so many rows for each of
its rows; times a thousand is what it will have at a thousand users if that stays. Whether it stays is told by how the
ratio moved within the last year, where both tables have a time column, and by the rows that come for each user a day
until there are so many users, or for a year where nobody can tell when that is: the interval holds all of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, make_dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from pgrunbook import errors
from pgrunbook.audit import distribution, growth
from pgrunbook.audit.distribution import DAY, Distribution
from pgrunbook.audit.growth import Table
from pgrunbook.db import Database
from pgrunbook.sqlfile import quoted

_MOST = 100
_EVERY_TABLE = 100_000
_THRESHOLDS = (10_000_000, 50_000_000)
_YEARS = 5
_NEVER = f"not within {_YEARS} years"
_BACK = (0, 30, 90, 180, 365)  # days
_LEAST_DRIVERS = 5


@dataclass(frozen=True, slots=True)
class Growth:
    """A table's growth. `driver` is how many rows it has for each of the driver's; columns of the levels follow."""

    table: str
    driver: str
    rows: int
    table_bytes: int
    rows_a_day: float
    low: float
    high: float
    seen: str
    in_90_days: str
    in_365_days: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number of rows and a table that passes it: when, what that means, and what to do about it."""

    threshold: str
    table: str
    when: str
    impact: str
    mitigation: str


@dataclass(frozen=True, slots=True)
class _Estimate:
    """A projected number and its interval."""

    rows: float
    low: float
    high: float

    def __str__(self) -> str:
        low, high = short(max(0.0, self.low)), short(max(0.0, self.high))
        return short(max(0.0, self.rows)) + ("" if low == high else f" ({low} to {high})")


def tables(
    database: Database,
    growth_facts: Sequence[Mapping[str, Any]],
    driver: str = "",
    levels: Sequence[int] = (1000, 10_000),
) -> tuple[list[Growth], list[Threshold]]:
    """The tables "growth estimates" and "critical thresholds" of an audit, the largest tables first.

    Raises `WrongUsage` where `driver` is no table. Without one, the columns of the levels are empty.
    """
    sizes = {t.relation: t for t in growth.tables_of(database, least=1, most=_EVERY_TABLE)}
    facts = {int(f["relation"]): f for f in growth_facts}
    now = database.value("select pg_catalog.now()")
    largest = sorted(facts.values(), key=lambda f: (-f["rows"], f["table"]))[:_MOST]
    scale = _Scale.of(database, sizes, facts, driver, [int(f["relation"]) for f in largest])
    row = _with_levels(tuple(levels))
    rows = [row(**_growth(f) | {"driver": scale.ratio(f)} | _at_levels(scale, f, levels)) for f in largest]
    return rows, _thresholds(sizes, facts, now)


@cache
def _with_levels(levels: tuple[int, ...]) -> type[Growth]:
    """`Growth` with a column a level, headed as the audit's document heads them: "at 1K users"."""
    return make_dataclass("Growth", [(_level(n), str) for n in levels], bases=(Growth,), frozen=True, slots=True)


def _level(users: int) -> str:
    """A level's column.

    >>> _level(1000), _level(250), _level(10_000)
    ('at_1K_users', 'at_250_users', 'at_10K_users')
    """
    return f"at_{short(users, thousands=1000).replace('.', '_')}_users"


def _growth(fact: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "table": fact["table"],
        "rows": fact["rows"],
        "table_bytes": fact["bytes"],
        "rows_a_day": fact["rows_a_day"],
        "low": fact["low"],
        "high": fact["high"],
        "seen": _seen(fact),
        "in_90_days": str(_in(fact, 90)),
        "in_365_days": str(_in(fact, 365)),
    }


def _seen(fact: Mapping[str, Any]) -> str:
    source = quoted(fact["column"]) if fact["method"] == "column" else "earlier audits"
    return f"{source}, {fact['since']} to {fact['until']}"


def _in(fact: Mapping[str, Any], days: int) -> _Estimate:
    rows = fact["rows"]
    return _Estimate(rows + fact["rows_a_day"] * days, rows + fact["low"] * days, rows + fact["high"] * days)


def _at_levels(scale: _Scale, fact: Mapping[str, Any], levels: Sequence[int]) -> dict[str, Any]:
    return {_level(n): str(scale.at(fact, n) or "") for n in levels}


@dataclass(frozen=True, slots=True)
class _Scale:
    """What is known of the driver: its rows, how many come a day, and how its and the tables' rows lie in time."""

    driver: Table | None
    a_day: float
    times: Mapping[int, Distribution]

    @classmethod
    def of(
        cls, database: Database, sizes: Mapping[int, Table], facts: Mapping[int, Mapping[str, Any]], driver: str,
        relations: Sequence[int],
    ) -> _Scale:  # fmt: skip
        """Read what is needed of a driver; without one, nothing."""
        if not driver:
            return cls(None, 0.0, {})
        oid = resolve(database, driver)
        now = database.value("select extract(epoch from pg_catalog.now())::float8")
        columns = distribution.time_columns(database, sorted({oid, *relations}))
        followed = {relation: distribution.followed(own, now) for relation, own in columns.items()}
        times = {relation: found for relation, found in followed.items() if found}
        return cls(sizes.get(oid), facts[oid]["rows_a_day"] if oid in facts else 0.0, times)

    def ratio(self, fact: Mapping[str, Any]) -> str:
        """How many rows a table has for each of the driver's."""
        if self.driver is None:
            return ""
        if fact["relation"] == self.driver.relation:
            return "these are the users"
        ratio = fact["rows"] / self.driver.rows
        each = f"{short(ratio)} for each row" if ratio >= 1 else f"1 for {short(1 / ratio)} rows"
        return f"{each} of {self.driver.table}"

    def at(self, fact: Mapping[str, Any], level: int) -> _Estimate | None:
        """A table's rows when the driver has `level`."""
        if self.driver is None:
            return None
        if fact["relation"] == self.driver.relation:
            return _Estimate(level, level, level)
        mid = fact["rows"] / self.driver.rows * level
        others = [mid, *(ratio * level for ratio in self._past_ratios(fact)), self._as_rows_come(fact, level, mid)]
        return _Estimate(mid, min(others), max(others))

    def _past_ratios(self, fact: Mapping[str, Any]) -> list[float]:
        """The ratio now and in the past year, of the rows that are still there, while there was a tenth of each."""
        drivers = self.times.get(self.driver.relation) if self.driver else None
        rows = self.times.get(fact["relation"])
        if drivers is None or rows is None:
            return []
        end = max(drivers.newest, rows.newest)
        a_tenth, enough = rows.until(end) / 10, max(_LEAST_DRIVERS, drivers.until(end) / 10)
        pairs = [(rows.until(end - days * DAY), drivers.until(end - days * DAY)) for days in _BACK]
        return [had / users for had, users in pairs if had >= a_tenth and users >= enough]

    def _as_rows_come(self, fact: Mapping[str, Any], level: int, now: float) -> float:
        """The rows if as many come for each driver a day as now, until there are so many drivers, or for a year."""
        if self.driver is None or level <= self.driver.rows:
            return now
        days = (level - self.driver.rows) / self.a_day if self.a_day > 0 else float("inf")
        for_each = float(fact["rows_a_day"]) / self.driver.rows
        if days > _YEARS * 365:
            return now + level * for_each * 365
        return float(fact["rows"] + for_each * (self.driver.rows + level) / 2 * days)


def resolve(database: Database, driver: str) -> int:
    """The oid of the driver's table. Raises `WrongUsage`."""
    remedy = "give a table as schema.table, quoted where SQL would have it quoted"
    try:
        oid = database.value("select pg_catalog.to_regclass($1)::oid::int8", [driver])
    except errors.StatementFailed as e:
        raise errors.WrongUsage(f"driver {driver!r}: {e.message}", remedy=remedy) from None
    if oid is None:
        raise errors.WrongUsage(f"driver {driver!r}: there is no such table", remedy=remedy)
    return int(oid)


def _thresholds(sizes: Mapping[int, Table], facts: Mapping[int, Mapping[str, Any]], now: datetime) -> list[Threshold]:
    """Who passes what, and when: all that do within five years at the fastest rate seen; if none, the next three."""
    rows = {relation: t.rows for relation, t in sizes.items()} | {relation: f["rows"] for relation, f in facts.items()}
    by_size = sorted(rows, key=lambda relation: -rows[relation])
    found = [
        _threshold(limit, relation, sizes, facts.get(relation), rows[relation], now)
        for limit in _THRESHOLDS
        for relation in by_size
        if rows[relation] >= limit or _days(limit, rows[relation], facts.get(relation), "high") is not None
    ]
    if not found:
        limit = _THRESHOLDS[0]
        known = [relation for relation in by_size if relation in facts]
        nearest = sorted(known, key=lambda relation: -_in(facts[relation], 365).rows)[:3]
        found = [_threshold(limit, relation, sizes, facts[relation], rows[relation], now) for relation in nearest]
    return found[:_MOST]


def _threshold(
    limit: int, relation: int, sizes: Mapping[int, Table], fact: Mapping[str, Any] | None, rows: int, now: datetime
) -> Threshold:
    size, column = sizes.get(relation), fact["column"] if fact else ""
    row_bytes = fact["row_bytes"] if fact else size.bytes / rows if size else 0.0
    partitioned = size is not None and size.partitioned
    table = str(fact["table"]) if fact else size.table if size else ""
    when = "now" if rows >= limit else _when(limit, rows, fact, now)
    return Threshold(
        f"{short(limit)} rows",
        table,
        when,
        _impact(limit, max(limit, rows) * row_bytes),
        _mend(limit, column, partitioned),
    )


def _when(limit: int, rows: int, fact: Mapping[str, Any] | None, now: datetime) -> str:
    """The date, and between which ones the slowest and the fastest rate put it."""
    first, mid, last = (_date(_days(limit, rows, fact, rate), now) for rate in ("high", "rows_a_day", "low"))
    return mid if first == last else f"{mid} ({first} to {last})"


def _days(limit: int, rows: int, fact: Mapping[str, Any] | None, rate: str) -> float | None:
    """Days until so many rows at one of the rates; None where it is not within five years."""
    if fact is None or fact[rate] <= 0:
        return None
    days = (limit - rows) / float(fact[rate])
    return days if days <= _YEARS * 365 else None


def _date(days: float | None, now: datetime) -> str:
    return _NEVER if days is None else (now + timedelta(days=days)).date().isoformat()


def _impact(limit: int, size: float) -> str:
    of = f" ({size / 2**30:,.1f} GB)" if size else ""
    if limit == _THRESHOLDS[0]:
        return f"what reads the whole table{of} takes long: queries over a period, VACUUM, index builds, a restore"
    return f"storage and backups{of}: rows that nobody asks for any more are kept with those in use"


def _mend(limit: int, column: str, partitioned: bool) -> str:
    if partitioned:
        return "it is partitioned: detach the oldest partitions, then drop or archive them"
    by = f"of {quoted(column)}" if column else ""
    if limit == _THRESHOLDS[0]:
        return (
            f"partition by month {by} (the lint partition_candidate has the DDL)"
            if by
            else "partition by ranges of the key"
        )
    return f"archive by age {by} in batches (the lint growth_threshold has the DDL)" if by else "archive in batches"


def short(number: float, *, thousands: float = 10_000) -> str:
    """A number as a person says it: three digits, from ten thousand on with a letter.

    >>> short(7), short(0.456), short(9_876), short(12_345), short(999_999), short(50_000_000), short(2_345_678_901)
    ('7', '0.456', '9,876', '12.3K', '1M', '50M', '2.35B')
    """
    if number < 1000:
        return f"{number:.3g}"
    if number < thousands:
        return f"{number:,.0f}"
    rounded = float(f"{number:.3g}")
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if rounded >= size:
            return f"{rounded / size:g}{letter}"
    return f"{rounded:,.0f}"
