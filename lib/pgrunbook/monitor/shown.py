"""A course as tables and a picture for a person."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pgrunbook.measure.compare import QuerySummary, summarise
from pgrunbook.measure.compare import compare as pair
from pgrunbook.measure.sampling import Sample
from pgrunbook.monitor import chart as drawing
from pgrunbook.monitor.compare import Finding, HealthCourse, IndexCourse, PlanCourse, QueryCourse, TableCourse
from pgrunbook.monitor.course import Course

_MOST = 40


@dataclass(frozen=True, slots=True)
class Watched:
    """The course of a run's snapshots, what is to be said of it, and what the run's folder has to compare with."""

    run_id: str
    course: Course
    times: Sequence[QueryCourse]
    plans: Sequence[PlanCourse]
    indexes: Sequence[IndexCourse]
    tables: Sequence[TableCourse]
    health: Sequence[HealthCourse]
    findings: Sequence[Finding]
    before: Sequence[Sample] = ()
    after: Sequence[Sample] = ()


@dataclass(frozen=True, slots=True)
class MarkRow:
    """Something by which counters began anew, and the first snapshot after it."""

    what: str
    snapshot: int
    seen_at: str
    detail: str


@dataclass(frozen=True, slots=True)
class FindingRow:
    """Something that is amiss, and the first snapshot that shows it."""

    kind: str
    object: str
    what: str
    since: str
    snapshot: int
    gates: bool
    detail: str


@dataclass(frozen=True, slots=True)
class QueryRow:
    """A statement's mean time: in baseline and verify, the median of the windows before, and now."""

    query: str
    baseline_ms: float | None
    verify_ms: float | None
    before_ms: float | None
    now_ms: float
    factor: float | None
    calls: int
    since: str


@dataclass(frozen=True, slots=True)
class PlanRow:
    """The plan of a query for some of its bind sets; what it was before where it turned."""

    query: str
    binds: str
    state: str
    plan_before: str
    plan_now: str
    cost: str
    since: str


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One of the run's indexes, or a new one, and how often it was read in the last days."""

    index: str
    state: str
    bytes: int | None
    reads: int | None
    since: str


@dataclass(frozen=True, slots=True)
class TableRow:
    """A table's size at the first snapshot and now."""

    table: str
    first_bytes: int
    now_bytes: int
    a_day_bytes: int
    rows: int
    since: str


@dataclass(frozen=True, slots=True)
class HealthRow:
    """A figure of the whole database: the median of the windows before, and now."""

    what: str
    before: str
    now: str
    since: str


def marks(found: Watched) -> list[MarkRow] | str:
    """Where counters began anew, the newest first."""
    newest = found.course.marks[: -_MOST - 1 : -1]
    rows = [MarkRow(m.what, m.snapshot, minute(m.at), m.detail) for m in newest]
    return rows or "no restart and no reset of statistics so far"


def minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def queries(found: Watched) -> list[QueryRow] | str:
    """Times of the workload and of the heaviest other statements."""
    before, after = ({q.query: q for q in summarise(pair(s, s))} for s in (found.before, found.after))
    rows = []
    for one in found.times:
        judged = one.judged
        baseline, verify = (_median(kept.get(one.name)) for kept in (before, after))
        factor = judged.now / judged.before if judged.before else None
        since = minute(one.changed.until.at) if one.changed else ""
        rows.append(QueryRow(one.name, baseline, verify, judged.before, judged.now, factor, one.calls, since))
    return rows[:_MOST] or "no time is known yet: it takes two snapshots with calls in between"


def _median(summary: QuerySummary | None) -> float | None:
    return None if summary is None or math.isnan(summary.before_ms) else summary.before_ms


def plans(found: Watched) -> list[PlanRow] | str:
    """How the planner would answer the workload; those first that turned."""
    words = {"": "as before", "sequential": "turned sequential", "another index": "another index"}
    alike: dict[tuple[str, ...], list[PlanCourse]] = {}
    for p in sorted(found.plans, key=lambda p: (not p.turned, p.question)):
        since = minute(p.since.at) if p.since else ""
        query = p.question.rpartition(", ")[0]
        alike.setdefault((query, words[p.turned], p.before.plan if p.turned else "", p.now.plan, since), []).append(p)
    rows = [
        PlanRow(
            query,
            ", ".join(p.question.rpartition(", ")[2] for p in own),
            state,
            before,
            now,
            f"{sum(p.before.cost for p in own):,.0f} → {sum(p.now.cost for p in own):,.0f}",
            since,
        )
        for (query, state, before, now, since), own in alike.items()
    ]
    return rows or "no plan is known: this runbook has no workload, or the role may not ask"


def indexes(found: Watched) -> list[IndexRow] | str:
    """The run's indexes and new ones: there, valid, read."""
    rows = [
        IndexRow(
            i.name,
            "too young to judge" if i.state == "not judged" and i.now and not i.now.needed else i.state,
            i.now.bytes if i.now else None,
            i.reads,
            minute(i.since.at) if i.since else "",
        )
        for i in found.indexes
    ]
    return rows or "the watched run made no index, and no new one appeared"


def tables(found: Watched) -> list[TableRow] | str:
    """Sizes and growth of the runbook's tables and of the largest others."""
    rows = [
        TableRow(t.name, t.first, t.now, int(t.bytes_a_day), t.rows, minute(t.since.at) if t.since else "")
        for t in sorted(found.tables, key=lambda t: t.since is None)
    ]
    return rows[:_MOST] or "no table is known"


def health(found: Watched) -> list[HealthRow]:
    """Cache misses, rollbacks, deadlocks and conflicts of the whole database."""

    def told(number: float | None, unit: str) -> str:
        return "" if number is None else f"{number:,.2f}{unit}"

    return [
        HealthRow(
            h.what,
            told(h.judged.before, h.unit) if h.judged else "",
            told(h.judged.now, h.unit) if h.judged else "not known yet",
            minute(h.judged.changed.until.at) if h.judged and h.judged.changed else "",
        )
        for h in found.health
    ]


def chart(found: Watched) -> str:
    """Times and sizes over the course, with restarts and resets marked, as SVG."""
    if not found.course.points:
        return "no snapshot, so no picture"
    return drawing.draw(found.course, found.times, found.tables)
