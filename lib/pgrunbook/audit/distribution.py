"""How a table's rows lie in time: the time column that they follow, and the statistics' histogram of it.

Nothing of the table is read. ANALYZE has sampled it (30,000 rows at the usual target): between two of the histogram's
bounds lies a hundredth of the rows, taken as evenly spread; the newest row is the newest that it saw.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import isfinite

from pgrunbook.db import Database

DAY = 86400.0
_FOLLOWS = 0.9  # correlation of a column with the order of the rows in the table
_NEARLY_ALL = 0.95  # share of the rows: a few mistyped years are left out, and a partition that has just begun
_MAY_BE_NULL = 0.1


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """A time column of a table or of one partition, and what the statistics hold of it; times in seconds since 1970."""

    relation: int
    column: str
    position: int
    not_null: bool
    rows: float
    readable: bool
    by_default: bool
    is_key: bool
    analyzed: bool
    correlation: float
    null_share: float
    values: list[float] | None
    shares: list[float] | None
    bounds: list[float] | None


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many rows are how old. `parts` are a table's partitions, or the table itself.

    >>> part = TimeColumn(1, "at", 1, True, 1000.0, True, True, False, True, 1.0, 0.0, [0.0], [0.5], [0.0, 100.0])
    >>> d = Distribution("at", (part,))
    >>> d.until(-1), d.until(0), d.until(50), d.until(100), (d.oldest, d.newest)
    (0.0, 500.0, 750.0, 1000.0, (0.0, 100.0))
    """

    column: str
    parts: tuple[TimeColumn, ...]

    @property
    def oldest(self) -> float:
        return min(t for p in self.parts for t in _times(p))

    @property
    def newest(self) -> float:
        return max(t for p in self.parts for t in _times(p))

    def until(self, at: float) -> float:
        """The rows that are not younger than a time; between two bounds they are taken as evenly spread."""
        return sum(_rows_until(part, at) for part in self.parts)

    def before(self, latest: float) -> Distribution:
        """Without what is said to be later: a mistyped year makes no newest row."""
        return Distribution(self.column, tuple(_cut(p, latest) for p in self.parts))


def _times(part: TimeColumn) -> list[float]:
    return [t for t in (*(part.bounds or ())[:1], *(part.bounds or ())[-1:], *(part.values or ())) if isfinite(t)]


def _rows_until(part: TimeColumn, at: float) -> float:
    values, shares, bounds = part.values or [], part.shares or [], part.bounds or []
    common = sum(share for value, share in zip(values, shares, strict=False) if value <= at)
    others = max(0.0, 1 - part.null_share - sum(shares))
    return part.rows * (common + others * _passed(bounds, at))


def _passed(bounds: Sequence[float], at: float) -> float:
    """The share of a histogram's rows up to a value.

    >>> _passed([0, 10, 20], 15), _passed([0, 10, 20], 20), _passed([0, 10, 20], -1), _passed([], 1)
    (0.75, 1.0, 0.0, 0.0)
    """
    if len(bounds) < 2 or at < bounds[0]:
        return 0.0
    if at >= bounds[-1]:
        return 1.0
    bin_ = bisect_right(bounds, at) - 1
    inside = (at - bounds[bin_]) / (bounds[bin_ + 1] - bounds[bin_])
    return (bin_ + inside) / (len(bounds) - 1)


def _cut(part: TimeColumn, latest: float) -> TimeColumn:
    bounds = part.bounds or []
    kept = [t for t in bounds if isfinite(t) and t <= latest]
    pairs = [(v, s) for v, s in zip(part.values or (), part.shares or (), strict=False) if v <= latest and isfinite(v)]
    if len(kept) == len(bounds) and len(pairs) == len(part.values or ()):
        return part
    lost = 1 - len(kept) / len(bounds) if bounds else 0.0
    others = max(0.0, 1 - part.null_share - sum(part.shares or ()))
    gone = sum(part.shares or ()) - sum(s for _, s in pairs) + others * lost
    return replace(
        part,
        bounds=kept,
        values=[v for v, _ in pairs],
        shares=[s for _, s in pairs],
        null_share=min(1.0, part.null_share + gone),
    )


def time_columns(database: Database, relations: Sequence[int]) -> dict[int, list[TimeColumn]]:
    """The time columns of tables, by the table's oid; of a partitioned table one a partition."""
    found = database.fetch("audit_time_columns", TimeColumn, relations=list(relations))
    return {relation: list(own) for relation, own in groupby(found, key=lambda c: c.relation)}


def followed(columns: Iterable[TimeColumn], now: float) -> Distribution | None:
    """The distribution over the column that the rows follow: it defaults to the time of the insert, or it is the
    partition key, or its values lie in the table in their order.

    Of several the one that does not reach into the future, then the one named as such columns are.
    """
    candidates = []
    for name, group in groupby(sorted(columns, key=lambda c: c.position), key=lambda c: c.column):
        parts = tuple(group)
        known = tuple(p for p in parts if _times(p))
        past = Distribution(name, known).before(now + DAY)
        if _follow(parts, known) and _mostly_past(past, known):
            candidates.append((not parts[0].is_key, name_rank(name), not parts[0].not_null, parts[0].position, past))
    return min(candidates, key=lambda c: c[:4])[-1] if candidates else None


def _follow(parts: Sequence[TimeColumn], known: Sequence[TimeColumn]) -> bool:
    """Whether rows follow a column: nearly all of them are known, have a value, and it says when they came."""
    rows = sum(p.rows for p in known)
    if not rows or rows < _NEARLY_ALL * sum(p.rows for p in parts):
        return False
    if sum(p.null_share * p.rows for p in known) > _MAY_BE_NULL * rows:
        return False
    follows = sum(abs(p.correlation) * p.rows for p in known) >= _FOLLOWS * rows
    return parts[0].by_default or parts[0].is_key or follows


def _mostly_past(past: Distribution, known: Sequence[TimeColumn]) -> bool:
    """Whether nearly all of a column's values lie in the past: appointments and expiries are no record of what came."""
    values = sum(p.rows * (1 - p.null_share) for p in known)
    return any(map(_times, past.parts)) and past.until(past.newest) >= _NEARLY_ALL * values


def name_rank(column: str) -> int:
    """Which of several columns that the rows follow is the likelier time of the insert; no more than a tie-breaker.

    >>> [name_rank(n) for n in ("created_at", "started_at", "day", "updated_at")]
    [0, 1, 2, 3]
    """
    if column.startswith(("created", "inserted")):
        return 0
    if column.startswith(("updated", "modified", "changed", "last")):
        return 3
    return 1 if column.endswith("_at") else 2
