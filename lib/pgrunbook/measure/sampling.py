"""Measuring the workload: plan, buffers and answer once a bind set, then timed runs, interleaved.

Reads only: one short read-only transaction a sample, with a statement_timeout, as the role and on behalf of whom the
query's file says. A query over its limit is a censored value, not an error. Buffers and answers repeat exactly on warm
data; times do not, so their number of samples stands beside them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pgrunbook import errors
from pgrunbook.db import Database
from pgrunbook.evidence.redact import without_literals
from pgrunbook.measure import asking
from pgrunbook.measure.workload import BindSet
from pgrunbook.runbook import Query
from pgrunbook.sqlfile import SqlStatement

SAMPLES_FROM, SAMPLES_TO = 7, 40
BUDGET_S = 0.4
P99_NEEDS = 1000
_NAMES = {  # of a plan's node: what is no expression
    "Node Type", "Parent Relationship", "Subplan Name", "CTE Name", "Relation Name", "Index Name", "Schema", "Alias",
    "Function Name", "Table Function Name", "Strategy", "Partial Mode", "Join Type", "Scan Direction", "Operation",
    "Sort Method", "Sort Space Type", "Storage",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    """One query with one bind set. Times in ms, of all the file's statements together; `buffers` in blocks of 8 kB.

    `censored` is the limit in seconds that the query went over, 0 when it did not. `cpu_ms` is what one execution
    takes of the backend's processor time, None where it can't be read. `replaces` is the query whose place it takes.
    """

    query: str
    binds: str
    shown: str
    rows: int
    buffers: int
    plan: str
    indexes: tuple[str, ...]
    answer: str
    times_ms: tuple[float, ...] = field(repr=False)
    censored: float = 0
    plans: tuple[Any, ...] = field(default=(), repr=False)
    cpu_ms: float | None = None
    replaces: str = ""

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Sample:
        """A sample as it was written to the run's folder."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        return cls(**values)

    @property
    def n(self) -> int:
        return len(self.times_ms)

    def quantile(self, q: float) -> float | None:
        """The nearest-rank quantile in ms; None where there is no sample."""
        if not self.times_ms:
            return None
        ordered = sorted(self.times_ms)
        return ordered[min(len(ordered) - 1, max(0, -(-int(q * 1000) * len(ordered) // 1000) - 1))]

    @property
    def p50(self) -> float | None:
        return self.quantile(0.5)


def measure(
    db: Database,
    query: Query,
    binds: Sequence[BindSet],
    shown: Sequence[str],
    timeout_s: float,
    tell: Callable[[str], None] = lambda _: None,
    *,
    samples: int = 40,
    cpu: Callable[[], float] | None = None,
) -> list[Sample]:
    """Measure one query over its bind sets: one explained run each, then timed runs in turn, up to `samples` each.

    Up to 40 of them are taken as long as a bind set's share of time lasts; more are asked for, and are taken.
    `cpu` tells the backend's processor time so far in seconds. Raises `BadTarget` where the query's role can't be had.
    """
    asking.require_role(db, query.role, f"workload/{query.name}.sql")
    explained = []
    for number, one in enumerate(binds, 1):
        tell(f"{query.name}: plan and answer, bind set {number} of {len(binds)}")
        explained.append(_explain(db, query, one, timeout_s))
    times: dict[str, _Times] = {}
    if samples:
        tell(f"{query.name}: timed runs over {len(binds)} bind sets")
        known = [b for b, e in zip(binds, explained, strict=True) if not e.censored]
        times = _timed(db, query, known, timeout_s, samples, cpu)
    return [
        Sample(
            query=query.name,
            binds=one.label,
            shown=text,
            rows=seen.rows,
            buffers=seen.buffers,
            plan=seen.plan,
            indexes=seen.indexes,
            answer=seen.answer,
            times_ms=tuple(round(t, 4) for t in times[one.label].ms) if one.label in times else (),
            censored=seen.censored,
            plans=seen.plans,
            cpu_ms=times[one.label].cpu_ms if one.label in times else None,
            replaces=query.replaces,
        )
        for one, text, seen in zip(binds, shown, explained, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Explained:
    rows: int = 0
    buffers: int = 0
    plan: str = ""
    indexes: tuple[str, ...] = ()
    answer: str = ""
    censored: float = 0
    plans: tuple[Any, ...] = ()


def _explain(db: Database, query: Query, binds: BindSet, timeout_s: float) -> _Explained:
    rows, answers, plans = 0, [], []
    try:
        for statement in query.statements:
            values = [binds.values[p] for p in statement.parameters]
            with _sample(db, query, binds, timeout_s):
                db.drain(statement.sql, values)  # warm: the plan below shall count buffers, not a cold start
            with _sample(db, query, binds, timeout_s):
                plans.append(
                    db.value(f"explain (analyze, buffers, timing off, format json) {statement.sql}", values)[0]["Plan"]
                )
            with _sample(db, query, binds, timeout_s):
                count, answer = _answer(db, statement, values, query.order)
            rows += count
            answers.append(answer)
    except errors.StatementCancelled:
        return _Explained(censored=timeout_s, plan="not known: over the time limit")
    return _Explained(
        rows=rows,
        buffers=sum(p.get("Shared Hit Blocks", 0) + p.get("Shared Read Blocks", 0) for p in plans),
        plan=", ".join(dict.fromkeys(scan for p in plans for scan in access(p))),
        indexes=tuple(sorted({i for p in plans for i in _index_names(p)})),
        answer=" ".join(answers),
        plans=tuple(without_values(p) for p in plans),
    )


def _answer(db: Database, statement: SqlStatement, values: Sequence[Any], order: str) -> tuple[int, str]:
    """Row count and a hash of the answer, computed in the server in constant memory.

    Without a declared order the rows are hashed as a set with multiplicity: equal rows in another order are equal.
    """
    position = f"row_number() over (order by {order})" if order else "0"
    body = statement.sql.rstrip().rstrip(";")
    query = (
        "select /* pgrunbook */ "  # noqa: S608
        "count(*), coalesce(sum(hashtextextended(position::text || ':' || line, 0)::numeric), 0)::text"
        f" from (select {position} as position, answer::text as line from ({body}) answer) lines"
    )
    count, digest = db.rows(query, values)[0]
    return count, digest


@dataclass(slots=True)
class _Times:
    """A bind set's timed runs in ms, and their processor time together in seconds."""

    ms: list[float] = field(default_factory=list)
    cpu_s: float | None = None

    @property
    def cpu_ms(self) -> float | None:
        return None if self.cpu_s is None or not self.ms else round(1000 * self.cpu_s / len(self.ms), 4)


def _timed(
    db: Database,
    query: Query,
    binds: Sequence[BindSet],
    timeout_s: float,
    samples: int,
    cpu: Callable[[], float] | None,
) -> dict[str, _Times]:
    times = {b.label: _Times(cpu_s=0.0 if cpu else None) for b in binds}
    end = time.perf_counter() + BUDGET_S * len(binds)
    for round_number in range(samples):
        if round_number >= SAMPLES_FROM and samples <= SAMPLES_TO and time.perf_counter() > end:
            break
        for one in binds:  # in turn, so that a busy moment of the machine does not hit one of them alone
            own, before = times[one.label], cpu() if cpu else 0.0
            try:
                spent = 0.0
                with _sample(db, query, one, timeout_s):
                    for statement in query.statements:
                        values = [one.values[p] for p in statement.parameters]
                        started = time.perf_counter()
                        db.drain(statement.sql, values)
                        spent += time.perf_counter() - started
                own.ms.append(spent * 1000)
            except errors.StatementCancelled:
                own.ms.append(timeout_s * 1000)
            if cpu and own.cpu_s is not None:
                own.cpu_s += cpu() - before
    return times


def _sample(db: Database, query: Query, binds: BindSet, timeout_s: float) -> Any:
    """The transaction of one sample, in which the query's own role asks."""
    timeout = f"{int(timeout_s * 1000)}ms"
    local = asking.of_query(query, binds.values)
    return db.transaction(read_only=True, statement_timeout=timeout, **local)  # type: ignore[arg-type]


def access(plan: dict[str, Any]) -> list[str]:
    """How a plan reaches its tables and indexes: the scans in order, each once.

    >>> access({"Node Type": "Sort", "Plans": [{"Node Type": "Seq Scan", "Relation Name": "calls"}]})
    ['Seq Scan calls']
    """
    return list(dict.fromkeys(_scans(plan))) or [plan["Node Type"]]


def without_values(plan: Any) -> Any:
    """A plan without the constants in its conditions, for the server puts bind values there.

    >>> without_values({"Node Type": "Seq Scan", "Relation Name": "t1", "Filter": "(phone = '555'::text)"})
    {'Node Type': 'Seq Scan', 'Relation Name': 't1', 'Filter': '(phone = ?::text)'}
    """
    if isinstance(plan, dict):
        return {k: v if k in _NAMES else without_values(v) for k, v in plan.items()}
    if isinstance(plan, list):
        return [without_values(v) for v in plan]
    return without_literals(plan) if isinstance(plan, str) else plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def _scans(plan: dict[str, Any]) -> Iterator[str]:
    for node in nodes(plan):
        name = node.get("Index Name") or node.get("Relation Name")
        kind = node["Node Type"]
        if name and kind.endswith("Scan") and kind != "Bitmap Heap Scan":  # its index scans are nodes of their own
            yield f"{kind} {name}"


def _index_names(plan: dict[str, Any]) -> Iterator[str]:
    """The indexes a plan reads. EXPLAIN gives names without schema."""
    return (node["Index Name"] for node in nodes(plan) if "Index Name" in node)
