"""What has changed over a course: findings, each with the first snapshot of what is amiss now.

A plan is held against the one that verify measured, where that is known, else against the first snapshot's; times,
errors and cache hits against the median of the windows before; sizes against their own earlier growth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from pgrunbook.description import Monitor
from pgrunbook.monitor import series
from pgrunbook.monitor.course import Course, Index, Plan, Point
from pgrunbook.monitor.series import Counters, Judged, Rule, Window

Kind = Literal["slower", "plan", "index", "unused", "growth", "cache", "errors", "note"]
_DATABASE, _STATEMENTS = 0, 1  # the epochs of a point
_HUGE = 5.0
_DEARER = 1.5  # a plan without its index that costs less than this is what a small table deserves
_STILL = 0.8  # of the size at which growth was seen


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is amiss now, since a snapshot: the first one that shows it."""

    kind: Kind
    object: str
    what: str
    since: datetime
    snapshot: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class QueryCourse:
    """A statement's mean time over the course, in ms. `changed` is the first window of what lasts until now.

    `own` says that it is of the runbook's workload.
    """

    name: str
    own: bool
    judged: Judged
    windows: tuple[Window, ...]
    changed: Window | None

    @property
    def calls(self) -> int:
        return int(sum(w.whole for w in self.windows))


@dataclass(frozen=True, slots=True)
class PlanCourse:
    """The plan of a question as it was and as it is; `turned` says what became of it, empty for nothing of note."""

    question: str
    before: Plan
    now: Plan
    turned: Literal["", "sequential", "another index"]
    since: Point | None


@dataclass(frozen=True, slots=True)
class IndexCourse:
    """An index over the course. `reads` are those of the last `days`, None where they are not known for so long."""

    name: str
    expected: bool
    now: Index | None
    first: Point
    reads: int | None
    state: Literal["read", "unread", "gone", "invalid", "not judged"]
    since: Point | None


@dataclass(frozen=True, slots=True)
class TableCourse:
    """A table's size over the course in bytes, what it was when it grew, and when that was first seen."""

    name: str
    first: int
    now: int
    rows: int
    bytes_a_day: float
    before: int
    since: Point | None


# -- times ------------------------------------------------------------------------------------------------------


def times(course: Course, workload: Sequence[str], about: Monitor) -> list[QueryCourse]:
    """Each statement's mean time, those of the workload's queries first.

    The server counts a statement once by each id it has, as with bound values and with constants: they are one here.
    """
    ids: dict[str, list[int]] = {}
    for statement in dict.fromkeys(s for p in course.points for s in p.statements):
        ids.setdefault(course.says(statement), []).append(statement)
    found = [_times(course, name, own, about, own=_query(name) in workload) for name, own in ids.items()]
    return sorted((q for q in found if q), key=lambda q: (not q.own, q.name))


def _times(course: Course, name: str, ids: Sequence[int], about: Monitor, *, own: bool) -> QueryCourse | None:
    def counters(point: Point) -> Counters | None:
        counted = [point.statements[i] for i in ids if i in point.statements]
        sums = (sum(c.calls for c in counted), sum(c.ms for c in counted), sum(c.squares for c in counted))
        return sums if counted else None

    rule = Rule(about.slower_factor, about.slower_ms, _HUGE)
    found = series.windows(course.points, _STATEMENTS, counters, about.calls)
    judged = series.judge(found, rule)
    if judged is None:
        return None
    first = judged.changed and _first_high(course, judged, judged.changed, counters, about.calls, rule)
    return QueryCourse(name, own, judged, tuple(found), first)


def _query(statement: str) -> str:
    """The query that a statement is of: "calls 2" is the second one of the query "calls".

    >>> _query("calls 2"), _query("calls"), _query("select 1")
    ('calls', 'calls', 'select')
    """
    words, _, number = statement.rpartition(" ")
    return words if number.isdigit() else statement


def _first_high(
    course: Course,
    judged: Judged,
    window: Window,
    counters: Callable[[Point], Counters | None],
    least: float,
    rule: Rule,
) -> Window:
    """The first window that is too high, among all the snapshots that lie within the one that was judged."""
    before = judged.before or 0.0
    fine = series.windows([window.after, *course.between(window.after, window.until)], _STATEMENTS, counters, least)
    return next((w for w in fine if w.share >= max(rule.factor * before, before + rule.least)), window)


def slower(found: Sequence[QueryCourse], plans: Sequence[PlanCourse]) -> Iterator[Finding]:
    """The statements that got slower, with the plan before and now where the workload has it."""
    for query in found:
        if query.changed is None or not query.judged.before:
            continue
        factor = query.judged.now / query.judged.before
        own = [p for p in plans if p.turned and p.question.rpartition(", ")[0] == _query(query.name)]
        detail = "; ".join(f"{p.question}: {_turn(p)}" for p in own)
        yield Finding(
            "slower",
            query.name,
            f"{factor:,.1f}× slower: {query.judged.before:,.2f} → {query.judged.now:,.2f} ms a call",
            query.changed.until.at,
            query.changed.until.id,
            detail or "no plan of it changed that the looks know of",
        )


# -- plans ------------------------------------------------------------------------------------------------------


def plans(course: Course, verified: Mapping[str, Plan]) -> list[PlanCourse]:
    """Each question's plan, against the one that was verified or, where that is not known, the first."""
    last = course.last
    return [_plan(course, question, now, verified) for question, now in (last.plans if last else {}).items()]


def _plan(course: Course, question: str, now: Plan, verified: Mapping[str, Plan]) -> PlanCourse:
    asked = [p for p in course.points if question in p.plans]
    measure = verified.get(question, asked[0].plans[question])
    turned = _turned(measure, now)
    if not turned:
        return PlanCourse(question, measure, now, turned, None)

    def amiss(point: Point) -> bool:
        return question in point.plans and _turned(measure, point.plans[question]) == turned

    usual = [p for p in asked if not amiss(p)]
    before = usual[-1].plans[question] if usual else measure
    return PlanCourse(question, before, now, turned, _first(course, asked, usual, amiss))


def _turned(before: Plan, now: Plan) -> Literal["", "sequential", "another index"]:
    """What became of a plan: it reads a whole table where an index led before, or another index.

    >>> index, other, whole = Plan("Index Scan a", 10), Plan("Bitmap Index Scan b", 10), Plan("Seq Scan t", 900)
    >>> _turned(index, whole), _turned(index, other), _turned(whole, index), _turned(index, Plan("Seq Scan t", 11))
    ('sequential', 'another index', '', '')
    """
    scans_before, scans_now = (set(p.plan.split(", ")) for p in (before, now))
    indexes_before, indexes_now = ({_name(s) for s in scans if _is_index(s)} for scans in (scans_before, scans_now))
    lost = indexes_before - indexes_now
    if not lost:
        return ""
    if any(s.startswith("Seq Scan ") for s in scans_now - scans_before):
        return "sequential" if now.cost >= _DEARER * before.cost else ""
    return "another index" if indexes_now - indexes_before else ""


def _is_index(scan: str) -> bool:
    return scan.startswith(("Index ", "Bitmap Index "))


def _name(scan: str) -> str:
    return scan.rpartition(" Scan ")[2]


def _turn(plan: PlanCourse) -> str:
    return f"{plan.before.plan} → {plan.now.plan}, cost {plan.before.cost:,.0f} → {plan.now.cost:,.0f}"


def flipped(found: Sequence[PlanCourse]) -> Iterator[Finding]:
    """The plans that read whole tables now; and those that use another index, which need not be worse."""
    for plan in found:
        if plan.turned and plan.since:
            kind: Kind = "plan" if plan.turned == "sequential" else "note"
            what = "an index scan turned sequential" if kind == "plan" else "another index is used"
            yield Finding(kind, plan.question, what, plan.since.at, plan.since.id, _turn(plan))


def unknown(course: Course) -> Iterator[Finding]:
    """The queries of the workload that name what is not there any more: a table renamed or dropped, a column."""
    for query, why in (course.last.unknown if course.last else {}).items():

        def amiss(point: Point, query: str = query) -> bool:
            return query in point.unknown

        since = _first(course, course.points, [p for p in course.points if not amiss(p)], amiss)
        if since:
            yield Finding("plan", query, f"can't be asked any more: {why}", since.at, since.id)


# -- indexes ----------------------------------------------------------------------------------------------------


def indexes(course: Course, expected: Sequence[str], about: Monitor) -> list[IndexCourse]:
    """The run's indexes, and those that appeared in the course on tables that were watched from its beginning."""
    sized = [p for p in course.points if p.sized]
    if not sized:
        return []
    begin, last = sized[0], sized[-1]
    new = {
        name
        for p in sized
        for name in p.indexes
        if name not in begin.indexes and course.tables.get(name) in begin.tables
    }
    return [_index(course, last, name, about, expected=True) for name in expected] + [
        _index(course, last, name, about, expected=False)
        for name in sorted(new - set(expected))
        if name in last.indexes
    ]


def _index(course: Course, last: Point, name: str, about: Monitor, *, expected: bool) -> IndexCourse:
    seen = [p for p in course.points if name in p.indexes]
    now = last.indexes.get(name)
    first = seen[0] if seen else course.points[0]
    if now is None or not now.valid:

        def amiss(point: Point) -> bool:
            return point.sized and (name not in point.indexes or not point.indexes[name].valid)

        since = _first(course, course.points, [p for p in seen if p.indexes[name].valid], amiss)
        return IndexCourse(name, expected, now, first, None, "invalid" if now else "gone", since)
    begin = last.at - timedelta(days=about.unused_days)
    if now.needed or first.at > begin:
        return IndexCourse(name, expected, now, first, None, "not judged", None)
    reads = [(p, number) for p, number in _reads(name, seen) if number]
    late = sum(number for p, number in reads if p.at > begin)
    if late:
        return IndexCourse(name, expected, now, first, late, "read", None)
    return IndexCourse(name, expected, now, first, 0, "unread", reads[-1][0] if reads else first)


def _reads(name: str, seen: Sequence[Point]) -> list[tuple[Point, int]]:
    """How often an index was read up to each point since the one before, without what the looks did themselves.

    A counter that fell began anew at nothing.
    """
    found = []
    for before, now in pairwise(seen):
        old, new = before.indexes[name], now.indexes[name]
        scans = new.scans if new.scans < old.scans else new.scans - old.scans
        found.append((now, max(scans - (new.probes - old.probes), 0)))
    return found


def _first(
    course: Course, points: Sequence[Point], usual: Sequence[Point], amiss: Callable[[Point], bool]
) -> Point | None:
    """The first snapshot after the last usual point that shows what is amiss, among all there are."""
    after = usual[-1] if usual else None
    bad = next((p for p in points if (after is None or p.id > after.id) and amiss(p)), None)
    if bad is None or after is None:
        return bad
    return next((p for p in course.between(after, bad) if amiss(p)), bad)


def lost(found: Sequence[IndexCourse]) -> Iterator[Finding]:
    """The run's indexes that are gone or invalid, and the new ones that nobody read for long."""
    for index in found:
        if index.since is None:
            continue
        if index.state == "gone":
            what = "is gone: no run of this runbook took it back"
            yield Finding("index", index.name, what, index.since.at, index.since.id)
        elif index.state == "invalid":
            what = "is invalid: writes pay for it, reads do not use it"
            detail = f"mend it: reindex index concurrently {index.name};"
            yield Finding("index", index.name, what, index.since.at, index.since.id, detail)
        elif index.state == "unread" and index.now:
            size = "" if index.now.bytes is None else f" its {index.now.bytes / 2**20:,.1f} MB cost room and writes;"
            what = f"nobody has read it since {index.since.at:%Y-%m-%d %H:%M} UTC"
            detail = f"{size} planning alone counts as reading, so it may be said of too few indexes".strip()
            yield Finding("unused", index.name, what, index.since.at, index.since.id, detail)


# -- sizes ------------------------------------------------------------------------------------------------------


def tables(course: Course, about: Monitor) -> list[TableCourse]:
    """Each table's size and growth, the largest first."""
    last = course.last
    found = [_table(course, name, about) for name in (last.tables if last else {})]
    return sorted((t for t in found if t), key=lambda t: (-t.now, t.name))


def _table(course: Course, name: str, about: Monitor) -> TableCourse | None:
    sizes = [(p, t.bytes) for p in course.points if (t := p.tables.get(name)) and t.bytes is not None]
    if not sizes:
        return None
    (first, first_bytes), (last, now) = sizes[0], sizes[-1]
    days = (last.at - first.at).total_seconds() / 86400
    rate = (now - first_bytes) / days if days else 0.0
    rows = last.tables[name].rows
    least = about.grown_mb * 2**20
    for number in range(_BEFORE_GROWTH, len(sizes)):
        point, size = sizes[number]
        expected = _expected([(p.at, s) for p, s in sizes[:number]], point.at)
        if not _grown(size, expected, about.grown_factor, least):
            continue
        if now < _STILL * size:
            continue

        def amiss(p: Point, expected: float = expected) -> bool:
            seen = p.tables[name].bytes if name in p.tables else None
            return seen is not None and _grown(seen, expected, about.grown_factor, least)

        before, before_bytes = sizes[number - 1]
        since = _first(course, [point], [before], amiss)
        return TableCourse(name, first_bytes, now, rows, rate, before_bytes, since)
    return TableCourse(name, first_bytes, now, rows, rate, first_bytes, None)


_BEFORE_GROWTH = 3  # sizes that have to be known before the one that is judged


def _grown(size: int, expected: float, factor: float, least: float) -> bool:
    return size >= factor * expected and size >= expected + least


def _expected(sizes: Sequence[tuple[datetime, int]], at: datetime) -> float:
    """What a table would measure had it grown since half of its time as it did before.

    >>> day = lambda number, size: (datetime(2026, 1, number), size)
    >>> _expected([day(1, 100), day(2, 110), day(3, 120)], datetime(2026, 1, 5))
    140.0
    """
    begin, first = sizes[0]
    half = begin + (at - begin) / 2
    then, size = next((s for s in reversed(sizes) if s[0] <= half), sizes[0])
    elapsed = (then - begin).total_seconds()
    rate = (size - first) / elapsed if elapsed else 0.0
    return float(size + max(rate, 0.0) * (at - then).total_seconds())


def grown(found: Sequence[TableCourse]) -> Iterator[Finding]:
    """The tables that grew far beyond their earlier rate."""
    for table in found:
        if table.since is None:
            continue
        size = table.since.tables[table.name].bytes or 0
        what = f"grew from {table.before / 2**20:,.1f} to {size / 2**20:,.1f} MB at once, far beyond its rate before"
        detail = f"now {table.now / 2**20:,.1f} MB, about {table.rows:,} rows"
        yield Finding("growth", table.name, what, table.since.at, table.since.id, detail)


# -- the database -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HealthCourse:
    """A share of the whole database over the course, in percent, or a number a day; `kind` is what it fails as."""

    what: str
    unit: str
    kind: Kind
    judged: Judged | None
    rule: Rule


def health(course: Course, about: Monitor) -> list[HealthCourse]:
    """Cache misses, rollbacks, deadlocks and conflicts, as far as the server counts them."""

    def misses(p: Point) -> Counters:
        return p.blocks_hit + p.blocks_read, 100.0 * p.blocks_read

    def rollbacks(p: Point) -> Counters:
        return p.commits + p.rollbacks, 100.0 * p.rollbacks

    def deadlocks(p: Point) -> Counters:
        return p.at.timestamp() / _DAY, p.deadlocks

    def conflicts(p: Point) -> Counters:
        return p.at.timestamp() / _DAY, p.conflicts

    cache = Rule(2.0, about.cache_points, float("inf"))
    errors = Rule(2.0, about.error_points, float("inf"))
    a_day = Rule(2.0, _A_DAY, float("inf"))
    rows: list[tuple[str, str, Kind, Callable[[Point], Counters], float, Rule]] = [
        ("cache misses", " %", "cache", misses, _BLOCKS, cache),
        ("rollbacks", " %", "errors", rollbacks, _TRANSACTIONS, errors),
        ("deadlocks", " a day", "errors", deadlocks, _MINUTE / _DAY, a_day),
        ("conflicts with recovery", " a day", "errors", conflicts, _MINUTE / _DAY, a_day),
    ]
    return [
        HealthCourse(what, unit, kind, series.judge(series.windows(course.points, _DATABASE, get, least), rule), rule)
        for what, unit, kind, get, least, rule in rows
    ]


_BLOCKS, _TRANSACTIONS = 10_000, 100  # that a window needs before a share of it says anything
_MINUTE, _DAY = 60.0, 86_400.0
_A_DAY = 10.0  # deadlocks: one an hour, or two in a row of more frequent looks


def ailing(found: Sequence[HealthCourse]) -> Iterator[Finding]:
    """What of the whole database got worse."""
    for one in found:
        if one.judged and one.judged.changed:
            before, now = one.judged.before or 0.0, one.judged.now
            window = one.judged.changed
            what = f"rose from {before:,.2f} to {now:,.2f}{one.unit}"
            yield Finding(one.kind, one.what, what, window.until.at, window.until.id)
