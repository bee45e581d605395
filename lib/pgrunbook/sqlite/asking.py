"""A runbook's queries and checks in words that SQLite takes: as the front matter says, else as they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pgrunbook import errors
from pgrunbook.runbook import Assertion, Mistake, Query, Runbook
from pgrunbook.sqlite.db import File, asked_for, statements
from pgrunbook.sqlite.text import without_schema

NOW = "now"


@dataclass(frozen=True, slots=True)
class Asked:
    """One statement, and where the values of its parameters come from: by the name that SQLite has for each."""

    sql: str
    parameters: Mapping[str, str]

    def values(self, binds: Mapping[str, Any]) -> dict[str, Any]:
        return {name: binds[sampled] for name, sampled in self.parameters.items()}


@dataclass(frozen=True, slots=True)
class Question:
    """A workload query for SQLite. `adapted`: the runbook has words of its own for it there."""

    query: Query
    statements: tuple[Asked, ...]
    binds: Mapping[str, str]
    order: str
    adapted: bool

    @property
    def sampled(self) -> tuple[str, ...]:
        """The columns that its bind queries have to sample."""
        return tuple(dict.fromkeys(s for a in self.statements for s in a.parameters.values()))


def questions(runbook: Runbook, file: File) -> list[Question]:
    """The workload for SQLite. Raises `InvalidRunbook` with every query that SQLite does not take."""
    found, mistakes = list[Question](), list[Mistake]()
    for query in runbook.workload:
        try:
            found.append(_question(query, runbook, file))
        except errors.PgRunbookError as e:
            mistakes.append(Mistake(f"runbooks/{runbook.name}/workload/{query.name}.sql", 0, e.message))
    if mistakes:
        lines = "\n".join(f"  {m}" for m in mistakes)
        raise errors.InvalidRunbook(
            f"the workload of {runbook.name} can't be measured on {file.target.name}:\n{lines}",
            remedy='say it for SQLite in the front matter: sqlite = """select … where a = :name""", '
            'or a table [sqlite] with query, order and binds.common = """…"""',
        )
    return found


def _question(query: Query, runbook: Runbook, file: File) -> Question:
    own, schemas = query.sqlite, runbook.about.search_path
    if own is None and query.role:
        raise errors.WrongUsage(f"it asks as role {query.role}, and SQLite knows none")
    texts: list[tuple[str, tuple[str, ...] | None]]
    if own:
        texts = [(sql, None) for sql in statements(own.query)]
    else:
        texts = [(without_schema(s.sql, schemas), s.parameters) for s in query.statements]
    asked = []
    for sql, names in texts:
        try:
            found = asked_for(file, sql)
        except errors.StatementFailed as e:
            raise errors.WrongUsage(e.message) from None
        # PostgreSQL's text has `$1`, `$2`, …, which SQLite takes for parameters that are named 1, 2, …
        asked.append(Asked(sql, {n: n if names is None else names[int(n) - 1] for n in found}))
    binds = {name: without_schema(sql, schemas) for name, sql in query.binds.items()} | dict(own.binds if own else {})
    made = Question(query, tuple(asked), binds, (own.order if own else "") or query.order, bool(own))
    for name, sql in binds.items():
        try:
            asked_for(file, sql)
        except errors.StatementFailed as e:
            raise errors.WrongUsage(f"binds.{name}: {e.message}") from None
    if made.order:
        try:
            for one in made.statements:
                asked_for(file, ordered(one.sql, made.order))
        except errors.StatementFailed as e:
            raise errors.WrongUsage(f"order: {e.message}") from None
    if set(made.sampled) - {NOW} and not binds:
        raise errors.WrongUsage(f"it has parameters that nothing samples: {', '.join(made.sampled)}")
    return made


def ordered(sql: str, order: str) -> str:
    """A query's rows in a declared order."""
    return f"select * from ({sql}) as answer order by {order}"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Examined:
    """A check for SQLite; `why_not` says why it can't be asked there, empty where it can."""

    assertion: Assertion
    statements: tuple[str, ...]
    why_not: str = ""


def checks(runbook: Runbook, file: File) -> Iterator[Examined]:
    """The runbook's checks: in SQLite's words where there are any, as they are where it takes them."""
    for one in runbook.checks:
        own = statements(one.sqlite)
        found = own or [without_schema(s.sql, runbook.about.search_path) for s in one.statements]
        why_not = "two sessions can't write to one file at once" if one.rival else ""
        try:
            for sql in found:
                asked_for(file, sql)
        except errors.StatementFailed as e:
            word = "its `sqlite` is wrong" if own else "it is for PostgreSQL, and has no `sqlite`"
            why_not = why_not or f"{word}: {e.message}"
        yield Examined(one, tuple(found), why_not)
