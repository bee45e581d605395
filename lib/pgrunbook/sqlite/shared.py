"""What the stages on a SQLite file share: tables, contents, samples, checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pgrunbook import errors
from pgrunbook.findings import Check, Verdict, passed
from pgrunbook.measure.sampling import Sample
from pgrunbook.runbook import Assertion
from pgrunbook.sqlite import asking, catalog, measure
from pgrunbook.sqlite.session import SqliteSession
from pgrunbook.stages import _measuring
from pgrunbook.stages._measuring import TableSize


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it was found; None for what SQLite does not tell."""

    table: str
    rows: int | None
    estimated_rows: int | None
    table_bytes: int | None
    index_bytes: int | None
    analyzed: str
    changed_since: int | None = None


def tables(session: SqliteSession) -> list[Table]:
    file, timeout = session.file, session.runbook.about.limits.query_timeout_s
    with file.bounded(timeout):
        sizes = catalog.sizes(file)
    indexes = catalog.indexes(file, session.schema)
    known = bool(file.value("select count(*) from sqlite_master where name = 'sqlite_stat1'"))
    analyzed = {t for (t,) in file.rows("select tbl from sqlite_stat1")} if known else set()
    found = []
    for name in catalog.tables(file, session.schema):
        rows = None
        if _measuring.quiet(session):
            session.tell(f"counting {name}")
            rows = measure.row_count(file, name, timeout)
        own = [sizes.get(i.name) for i in indexes if i.table == name]
        told = sum(b for b in own if b is not None) if sizes else None
        found.append(Table(name, rows, None, sizes.get(name), told, "yes" if name in analyzed else "never"))
    return found


def sized(found: list[Table]) -> list[TableSize]:
    """The same as PostgreSQL's stages have it."""
    return [TableSize(t.table, 0, t.table_bytes or 0, t.index_bytes or 0, "", 0, False, t.rows) for t in found]


def contents(session: SqliteSession, names: list[str]) -> dict[str, str]:
    """A hash of each table's rows, of a quiet database; without those that take too long."""
    found = {}
    for name in names if _measuring.quiet(session) else ():
        session.tell(f"hashing the rows of {name}")
        digest = measure.contents(session.file, name, session.runbook.about.limits.query_timeout_s)
        if digest is not None:
            found[name] = digest
    return found


def questions(session: SqliteSession) -> list[asking.Question]:
    """The workload; queries that replace others are left out, and said to be."""
    found = asking.questions(session.runbook, session.file)
    return [q for q in found if not q.query.replaces]


def samples(session: SqliteSession, *, timed: bool = True) -> list[Sample]:
    key = bytes.fromhex(session.read_json(_measuring.BINDS, private=True)["key"])
    limits = session.runbook.about.limits
    found: list[Sample] = []
    for question in questions(session):
        binds = _measuring.kept_binds(session, question.query)
        shown = [b.shown(question.query.harmless, key) for b in binds]
        found += measure.measure(
            session.file, question, binds, shown, limits.query_timeout_s, session.tell,
            samples=limits.samples if timed else 0,
        )  # fmt: skip
    return found


def examine(session: SqliteSession, wanted: Callable[[Assertion], bool], what: str) -> list[Check]:
    """Run checks or probes; one that SQLite can't be asked is told, and all of them together fail the stage."""
    found = [e for e in asking.checks(session.runbook, session.file) if wanted(e.assertion)]
    ran = [e for e in found if not e.why_not]
    made = [_run(session, e) for e in ran]
    made += [
        Check(e.assertion.name, e.assertion.title, Verdict.NOT_MEASURABLE, gates=False, measured="not run",
              detail=e.why_not)
        for e in found
        if e.why_not
    ]  # fmt: skip
    if found and not ran:
        remedy = f'{found[0].why_not}; give at least one of them `sqlite = """select …"""` in its front matter'
        made.append(
            passed(what, session.runbook.name, False, claimed="at least one is run", measured="none", detail=remedy)
        )
    return session.record(made)


def _run(session: SqliteSession, examined: asking.Examined) -> Check:
    """One check: its last statement returns the offending rows; what it writes is rolled back."""
    one = examined.assertion
    session.tell(f"check {one.name}")
    offending: list[tuple[Any, ...]] = []
    timeout = session.runbook.about.limits.query_timeout_s
    try:
        if one.writes:
            with session.writing() as file, file.limited(timeout), file.transaction(rollback=True):
                for sql in examined.statements:
                    offending = file.rows(sql)
        else:
            with session.file.limited(timeout):
                for sql in examined.statements:
                    offending = session.file.rows(sql)
    except errors.StatementFailed as e:
        return passed(one.name, one.title, False, claimed="no offending row", measured=e.message, gates=one.gates)
    shown = session.is_rehearsal or one.harmless
    return passed(
        one.name, one.title, not offending, claimed="no offending row", gates=one.gates,
        measured="none" if not offending else f"{len(offending)} offending row{'s' if len(offending) > 1 else ''}",
        detail="; ".join(", ".join(map(str, r)) for r in offending[:3]) if shown else "",
    )  # fmt: skip


def probes(session: SqliteSession, wanted: set[str]) -> list[Check]:
    if _measuring.may_write(session):
        return examine(session, lambda a: a.name in wanted, "probes")
    detail = "it writes (and rolls back); on a real system it runs with production = true"
    return session.record(
        Check(p.name, p.title, Verdict.NOT_MEASURABLE, gates=False, measured="not run", detail=detail)
        for p in session.runbook.probes
        if p.name in wanted
    )
