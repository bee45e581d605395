"""Schemas written by hand, with what an experienced DBA would find wrong with them.

A file's front matter says what has to be found (`expected`), may be found (`allowed`) and must not be found, though it
may look so (`never`; nor may anything else). Its statements run in order; one under `-- fails` has to fail. One under
`-- workload: 120 login` is called 120 times, `:k` is the number of the call, from 1, and its finding's object is `query login`.
Each index is read once, but for those in `unread`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from pydantic import Field

from fix_databases import Place
from pgrunbook import sqlfile
from pgrunbook.description import Frozen
from planting import build
from planting.world import Defect, Level, Object, Remark, Truth, Work, grows

# Every index that was not read yet and has a plain way to be: = on its first column, where the column is not null.
_READING = """
select c.oid::regclass::text, format('%I.%I', n.nspname, c.relname), format(
  'select count(*) from %s where %s = (select %s from %s where %s is not null and %s limit 1) and %s',
  i.indrelid::regclass, key, key, i.indrelid::regclass, key, condition, condition)
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_namespace n on n.oid = c.relnamespace
cross join lateral (
  select pg_get_indexdef(i.indexrelid, 1, true), coalesce(pg_get_expr(i.indpred, i.indrelid), 'true')
) as of (key, condition)
join pg_am a on a.oid = c.relam
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and not c.relispartition
  and a.amname in ('btree', 'hash', 'brin') and not i.indisunique and i.indisvalid
order by 1
"""


class _Expected(Frozen):
    lint: str
    object: str = ""
    any: tuple[str, ...] = ()  # one of these will do
    level: Level = ""
    why: str


class _Remark(Frozen):
    lint: str
    object: str
    why: str


class _Growth(Frozen):
    table: str
    rows: int
    a_day: int
    column: str


class Front(Frozen):
    """The front matter."""

    title: str
    roles: Mapping[str, str] = Field(default_factory=dict)
    unread: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()  # queries for the indexes that = does not reach
    expected: tuple[_Expected, ...]
    allowed: tuple[_Remark, ...] = ()
    never: tuple[_Remark, ...] = ()
    growth: tuple[_Growth, ...] = ()


class Written:
    """A file: its truth, and how to make it."""

    def __init__(self, path: Path) -> None:
        file = sqlfile.read(path, variables=True)
        self.name = path.stem
        self.front = Front.model_validate(file.front, strict=False)
        self.setup: list[tuple[str, bool]] = []  # a statement, and whether it has to fail
        self.works: dict[str, Work] = {}
        for statement in file.statements:
            comment = statement.comments[-1].removeprefix("--").strip() if statement.comments else ""
            if comment.startswith("workload:"):
                calls, name = comment.removeprefix("workload:").split()
                self.works[name] = Work(_calling(statement.sql), int(calls))
            else:
                self.setup.append((statement.sql, comment == "fails"))

    @property
    def truth(self) -> Truth:
        """What an audit is held against; complete when the file was made, since only then statements have their ids."""
        defects = [
            Defect(e.lint, tuple(map(self._object, e.any or (e.object,))), e.why, e.level) for e in self.front.expected
        ]
        remarks = [
            [Remark(r.lint, self._object(r.object), r.why) for r in of] for of in (self.front.allowed, self.front.never)
        ]
        return Truth(self.name, defects, *remarks)

    @property
    def grown(self) -> Sequence[Mapping[str, Any]]:
        """The facts of growth that are handed to the lints."""
        return [grows(g.table, g.rows, g.a_day, g.column) for g in self.front.growth]

    def _object(self, text: str) -> Object:
        return self.works[text.removeprefix("query ")] if text.startswith("query ") else text

    @contextlib.contextmanager
    def made(self, place: Place) -> Iterator[Truth]:
        """Make it in an empty database; the truth, with what is a matter of measured times added."""
        with place.session() as session:
            build.quiet(session)
            session.execute("create extension pg_stat_statements")
            for role, options in self.front.roles.items():
                session.execute(f"create role {role} {options}")
        try:
            with place.session() as session:
                build.quiet(session)
                self._set_up(session)
                for work in self.works.values():
                    work.id = build.identifier(session, work.sql(0))
            build.run_workload(place, list(self.works.values()))
            truth = self.truth
            more = build.measured(place, truth)
            yield Truth(truth.name, [*truth.defects, *more.defects], [*truth.allowed, *more.allowed], truth.decoys)
        finally:
            build.forget(place, list(self.front.roles))

    def _set_up(self, session: psycopg.Connection) -> None:
        for sql, fails in self.setup:
            build.run(session, [sql], fails=fails)
        build.settle(session)
        build.prepare_reading(session)
        for index, name, query in session.execute(_READING).fetchall():
            if name not in self.front.unread:
                build.read(session, index, query)
        build.run(session, self.front.reads)
        build.flush(session)


def _calling(sql: str) -> Any:
    return lambda k: sql.replace("$1", f"'{k + 1}'")


def files(folder: Path) -> Sequence[Written]:
    """All files of a folder."""
    return [Written(path) for path in sorted(folder.glob("*.sql"))]
