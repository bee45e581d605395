"""Measuring the workload on a SQLite file: plan, steps and answer once a bind set, then timed runs in turn.

SQLite tells no buffers. Plans are EXPLAIN QUERY PLAN's, steps the instructions of its virtual machine, which repeat
exactly; times are those of this process, which is also the server.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pgrunbook import errors
from pgrunbook.measure.sampling import BUDGET_S, SAMPLES_FROM, SAMPLES_TO, Sample
from pgrunbook.measure.workload import BindSet
from pgrunbook.sqlite.asking import NOW, Question, ordered
from pgrunbook.sqlite.db import File
from pgrunbook.sqlite.text import quoted

_STEPS = "steps"
_COUNTED = 10  # steps are counted in tens: to stop at each would take several times as long as the query
_READS = re.compile(r"USING (?:COVERING )?INDEX (.+?)(?: \([^()]*\))?$")


def sample_binds(file: File, question: Question, now: datetime, timeout_s: float) -> list[BindSet]:
    """Sample a query's bind values from the data, in the types they are stored in."""
    name = question.query.name
    if not question.sampled:
        return [BindSet("no parameters", {})]
    if question.sampled == (NOW,) and not question.binds:
        return [BindSet(NOW, {NOW: now.isoformat()})]
    sets = []
    for label, sql in question.binds.items():
        with file.limited(timeout_s):
            rows = file.dicts(sql)
        for number, row in enumerate(rows, 1):
            values = {p: row[p] for p in question.sampled if p in row}
            if NOW in question.sampled:
                values.setdefault(NOW, now.isoformat())
            if missing := [p for p in question.sampled if p not in values]:
                raise errors.WrongUsage(
                    f"workload/{name}.sql: binds.{label} samples no value for {', '.join(missing)}",
                    remedy="name its columns after the query's parameters",
                )
            if wrong := [p for p, v in values.items() if isinstance(v, bytes)]:
                raise errors.WrongUsage(
                    f"workload/{name}.sql: binds.{label} samples a BLOB for {', '.join(wrong)}",
                    remedy="sample its hex(), and compare with that",
                )
            sets.append(BindSet(f"{label} {number}" if len(rows) > 1 else label, values))
    if not sets:
        raise errors.CheckFailed(
            f"workload/{name}.sql: its bind queries found no value in this database",
            remedy="an empty database can't be measured: load data, or mend [binds]",
        )
    return sets


def measure(
    file: File,
    question: Question,
    binds: Sequence[BindSet],
    shown: Sequence[str],
    timeout_s: float,
    tell: Callable[[str], None],
    *,
    samples: int,
) -> list[Sample]:
    """Measure one query over its bind sets; one over its time limit is a censored value."""
    name = question.query.name
    tell(f"{name}: plan and answer of {len(binds)} bind sets")
    seen = [_look(file, question, one, timeout_s) for one in binds]
    known = [one for one, s in zip(binds, seen, strict=True) if not s.censored]
    tell(f"{name}: timed runs over {len(known)} bind sets")
    times = _timed(file, question, known, timeout_s, samples)
    return [
        Sample(
            query=name,
            binds=one.label,
            shown=text,
            rows=s.rows,
            buffers=0,
            plan=", ".join(s.plan),
            indexes=s.indexes,
            answer=s.answer,
            times_ms=tuple(times.get(one.label, ())),
            censored=s.censored,
            plans=({_STEPS: s.steps},),
        )
        for one, text, s in zip(binds, shown, seen, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Seen:
    rows: int = 0
    plan: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    answer: str = ""
    censored: float = 0
    steps: int = 0


def steps_of(samples: Sequence[Sample], query: str) -> dict[str, int]:
    """The steps that a query took, by bind set, without those over the time limit."""
    return {s.binds: int(s.plans[0][_STEPS]) for s in samples if s.query == query and s.plans and not s.censored}


def _look(file: File, question: Question, binds: BindSet, timeout_s: float) -> _Seen:
    """Plan, number of rows and a hash of the answer: of its rows in order where one is declared, else of the set."""
    plan, answers, rows, calls = list[str](), list[str](), 0, 0

    def counted() -> bool:
        nonlocal calls
        calls += 1
        return False

    for asked in question.statements:
        values = asked.values(binds.values)
        steps = file.rows(f"explain query plan {asked.sql}", values)
        plan += [str(detail).replace(", ", "; ") for *_, detail in steps]
        digest, total = hashlib.sha256(), 0
        sql = ordered(asked.sql, question.order) if question.order else asked.sql
        try:
            with file.limited(timeout_s, counted, every=_COUNTED):
                for row in file.each(sql, values):
                    rows += 1
                    total = (total + _row_hash(row)) % 2**128
                    if question.order:
                        digest.update(_row_hash(row).to_bytes(16, "big"))
        except errors.StatementCancelled:
            return _Seen(plan=_distinct(plan), censored=timeout_s)
        answers.append(digest.hexdigest() if question.order else f"{total:032x}")
    return _Seen(rows, _distinct(plan), indexes_in(plan), " ".join(answers), steps=calls * _COUNTED)


def indexes_in(plan: Sequence[str]) -> tuple[str, ...]:
    """The indexes that a plan reads.

    >>> indexes_in(["SEARCH t USING INDEX i (a=?)", "SCAN u USING COVERING INDEX j", "SCAN v"])
    ('i', 'j')
    """
    return tuple(sorted({found[1] for step in plan if (found := _READS.search(step))}))


def _distinct(plan: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(plan))


def _row_hash(row: Sequence[Any]) -> int:
    return int.from_bytes(
        hashlib.blake2b(repr(row).encode("utf-8", "backslashreplace"), digest_size=16).digest(), "big"
    )


def _timed(
    file: File, question: Question, binds: Sequence[BindSet], timeout_s: float, samples: int
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {one.label: [] for one in binds}
    end = time.perf_counter() + BUDGET_S * len(binds)
    for number in range(samples):
        if number >= SAMPLES_FROM and samples <= SAMPLES_TO and time.perf_counter() > end:
            break
        for one in binds:  # in turn, so that a busy moment of the machine does not hit one of them alone
            spent = 0.0
            try:
                with file.limited(timeout_s):
                    for asked in question.statements:
                        values = asked.values(one.values)
                        started = time.perf_counter()
                        file.drain(asked.sql, values)
                        spent += time.perf_counter() - started
            except errors.StatementCancelled:
                spent = timeout_s
            times[one.label].append(round(spent * 1000, 4))
    return times


def row_count(file: File, table: str, timeout_s: float) -> int | None:
    """The exact count, None where it takes longer than a query may."""
    try:
        with file.limited(timeout_s):
            # count(*) looks at no clock on its way
            return int(file.value(f"select coalesce(sum(1), 0) from {quoted(table)}"))  # noqa: S608
    except errors.StatementCancelled:
        return None


def contents(file: File, table: str, timeout_s: float) -> str | None:
    """A hash of a table's rows whatever their order, None where it takes longer than a query may."""
    total = 0
    try:
        with file.limited(timeout_s):
            for row in file.each(f"select * from {quoted(table)}"):  # noqa: S608
                total = (total + _row_hash(row)) % 2**128
    except errors.StatementCancelled:
        return None
    return f"{total:032x}"
