"""The changes that a SQLite file can take, made of a runbook's: one statement each, committed with its ledger row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from pgrunbook import errors
from pgrunbook.changes import (
    NOTHING_THERE,
    Change,
    Estimate,
    LockMode,
    Names,
    Observation,
    Phase,
    RawSql,
    State,
    Statement,
    Transaction,
)
from pgrunbook.changes import create_index as postgresql_create
from pgrunbook.changes import drop_index as postgresql_drop
from pgrunbook.findings import Check, Verdict
from pgrunbook.runbook import Mistake, Runbook
from pgrunbook.sqlfile import SqlStatement
from pgrunbook.sqlite import catalog, dialect
from pgrunbook.sqlite.db import File, in_memory
from pgrunbook.sqlite.text import folded, quoted, without_schema

_TAKES = "SQLite targets take index runbooks (CREATE INDEX, DROP INDEX, ANALYZE)"
_INSTEAD = 'say what to build on SQLite: [objects."{}"] sqlite = "CREATE INDEX …" in runbook.toml'
_ROW_BYTES = 12  # of an index entry beside its values: header, serial types, rowid, cell pointer
_SAMPLED_ROWS = 500


class _Refused(Exception):
    """A statement that a SQLite file can't take; the text follows the line of it."""


@dataclass(frozen=True, slots=True)
class SqliteChange(Change):
    """What is alike for all of them: `sql` is the statement for SQLite, `notes` how it differs from what is written."""

    sql: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> Self | None:  # noqa: ARG003
        return None  # they are made by `of_runbook`, which knows the file

    def resolve(self, names: Names) -> Self:  # noqa: ARG002
        return self

    def resolved_sql(self) -> str:
        return self.sql

    def state(self, db: Any) -> Observation:  # noqa: ARG002
        return NOTHING_THERE

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return _one(self.sql)

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        return _one(*undoing(self.kind, captured))

    def standing(self, db: Any) -> Observation:
        return self.state(db)

    def made(self, db: Any) -> dict[str, Any]:  # noqa: ARG002
        """What is to be remembered of it once it is done."""
        return {}

    def capture(self, db: Any) -> dict[str, Any]:  # noqa: ARG002
        return {}

    def estimate(self, db: Any) -> Estimate:  # noqa: ARG002
        return Estimate()

    def verify(self, db: Any) -> list[Check]:
        return Change.verify(
            self, db
        )  # not `super()`: a class with slots is made anew, and its methods know the old one

    def lint(self) -> list[str]:
        return list(self.notes)


@dataclass(frozen=True, slots=True)
class CreateIndex(SqliteChange):
    """One CREATE INDEX. `planned` is what SQLite makes of it; `replaces`: an earlier change drops the one there."""

    kind: ClassVar[str] = "create_index"
    is_index: ClassVar[bool] = True

    name: str = ""
    table: str = ""
    planned: tuple[object, ...] = ()
    terms: tuple[str, ...] = ()
    replaces: bool = False

    @property
    def label(self) -> str:
        return self.name

    @property
    def object(self) -> str:
        return self.name

    @property
    def subject(self) -> str:
        return f"index {folded(self.name)}"

    @property
    def relation(self) -> str:
        return self.table

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"index {self.name}",)

    def state(self, db: Any) -> Observation:
        found = catalog.index(db, self.name)
        other = "" if found else catalog.in_the_way(db, self.name)
        if found is None and not other:
            return NOTHING_THERE
        if found is not None and found.definition == self.planned:
            return Observation(State.PRESENT, str(found))
        if self.replaces:
            return Observation(State.ABSENT, f"replaces: {found}")
        return Observation(State.DIFFERENT, f"planned: {self.sql}; found: {found or other}")

    def capture(self, db: Any) -> dict[str, Any]:  # noqa: ARG002
        return {"name": self.name}

    def made(self, db: Any) -> dict[str, Any]:
        found = catalog.index(db, self.name)
        return {"sql": found.sql} if found else {}

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        return _one(*undoing(self.kind, captured or {"name": self.name}))

    def estimate(self, db: Any) -> Estimate:
        """From the first rows: how long their indexed values are, and how many rows there may be."""
        values = ", ".join(f"avg(length({t}))" for t in self.terms)
        table = quoted(self.table)
        sampled = f"(select * from {table} limit {_SAMPLED_ROWS})"  # noqa: S608
        lengths = db.rows(f"select {values} from {sampled}")[0]  # noqa: S608
        rows = _about_rows(db, table)
        size = round(rows * (_ROW_BYTES + sum(float(n or 0) for n in lengths)))
        return Estimate(bytes=size, temporary=size, rows=rows)


@dataclass(frozen=True, slots=True)
class DropIndex(SqliteChange):
    """One DROP INDEX. `remade`: a later change makes an index of that name."""

    kind: ClassVar[str] = "drop_index"
    is_index: ClassVar[bool] = True

    name: str = ""
    table: str = ""
    remade: CreateIndex | None = None

    @property
    def label(self) -> str:
        return self.name

    @property
    def object(self) -> str:
        return self.name

    @property
    def subject(self) -> str:
        return f"index {folded(self.name)}"

    @property
    def relation(self) -> str:
        return self.table

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"index {self.name}",)

    def state(self, db: Any) -> Observation:
        found = catalog.index(db, self.name)
        if found is None:
            return Observation(State.PRESENT, "is not there")
        if self.remade and found.definition == self.remade.planned:
            return Observation(State.PRESENT, f"line {self.remade.written.line} makes it anew, and that is done")
        return Observation(State.ABSENT, f"drops: {found}")

    def capture(self, db: Any) -> dict[str, Any]:
        found = catalog.index(db, self.name)
        return {"name": found.name, "table": found.table, "before": found.sql} if found else {}


@dataclass(frozen=True, slots=True)
class Analyze(SqliteChange):
    """ANALYZE of a table, or of the whole file. Statistics are no part of the schema: there is nothing to take back."""

    kind: ClassVar[str] = "maintain"
    recorded: ClassVar[bool] = True

    table: str = ""

    @property
    def object(self) -> str:
        return self.table or "the whole file"

    @property
    def subject(self) -> str:
        return f"statement {self.written.position}"

    def state(self, db: Any) -> Observation:  # noqa: ARG002
        return Observation(State.UNKNOWN, "only the ledger can tell")

    def verify(self, db: Any) -> list[Check]:
        tables = [self.table] if self.table else [t for (t,) in db.rows("select distinct tbl from sqlite_stat1")]
        known = bool(db.value("select count(*) from sqlite_master where name = 'sqlite_stat1'"))
        found = [t for t in tables if known and db.value("select count(*) from sqlite_stat1 where tbl = ?", [t])]
        ok = bool(tables) and found == tables
        verdict = Verdict.PASSED if ok else Verdict.NOT_MEASURABLE
        measured = "it has" if ok else "an empty table, or one without an index, has none"
        return [
            Check("statistics", self.object, verdict, claimed="sqlite_stat1 has them", measured=measured, gates=False)
        ]


@dataclass(frozen=True, slots=True)
class Verbatim(SqliteChange):
    """A statement that the runbook answers for itself, by an inverse in rollback.sql."""

    kind: ClassVar[str] = "raw_sql"
    recorded: ClassVar[bool] = True

    inverse: tuple[str, ...] = ()

    @property
    def object(self) -> str:
        return self.label

    def state(self, db: Any) -> Observation:  # noqa: ARG002
        return Observation(State.UNKNOWN, "only the ledger can tell")

    def capture(self, db: Any) -> dict[str, Any]:  # noqa: ARG002
        return {"inverse": list(self.inverse)}

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        return _one(*undoing(self.kind, captured or {"inverse": list(self.inverse)}))

    def verify(self, db: Any) -> list[Check]:  # noqa: ARG002
        detail = "a statement of no known kind leaves nothing in the catalog to compare; a check file can"
        return [Check(f"definition: {self.kind}", self.object, Verdict.NOT_MEASURABLE, gates=False, detail=detail)]


def _about_rows(file: File, table: str) -> int:
    """The highest rowid, which is found at once; a table without rowids is counted."""
    try:
        return int(file.value(f"select max(rowid) from {table}") or 0)  # noqa: S608
    except errors.StatementFailed:
        return int(file.value(f"select count(*) from {table}"))  # noqa: S608


def own(change: Change) -> SqliteChange:
    """A step's change, which is one of these in a plan for SQLite."""
    if not isinstance(change, SqliteChange):
        raise TypeError(change.kind)
    return change


def undoing(kind: str, captured: Mapping[str, Any]) -> list[str]:
    """The statements that take a change back, from what the ledger remembers of it."""
    match kind:
        case CreateIndex.kind if captured:
            return [f"DROP INDEX {quoted(captured['name'])}"]
        case DropIndex.kind if captured.get("before"):
            return [str(captured["before"])]
        case Verbatim.kind:
            return list(captured.get("inverse", ()))
    return []


def _one(*statements: str) -> list[Phase]:
    return [Transaction(tuple(Statement(s, LockMode.WHOLE_FILE, "") for s in statements))] if statements else []


def of_runbook(runbook: Runbook, file: File) -> list[SqliteChange]:
    """A runbook's changes for a file. Raises `InvalidRunbook` with the line of every statement that it can't take."""
    made: list[SqliteChange] = []
    mistakes: list[Mistake] = []
    for change in runbook.changes:
        try:
            made.append(_of_change(change, file, runbook.about.search_path))
        except _Refused as e:
            mistakes.append(Mistake(f"runbooks/{runbook.name}/migrate.sql", change.written.line, str(e)))
    if mistakes:
        lines = "\n".join(f"  {m}" for m in mistakes)
        raise errors.InvalidRunbook(
            f"runbook {runbook.name} can't be carried out on {file.target.name}:\n{lines}",
            remedy=f"{_TAKES}: give the rest a runbook of its own, for PostgreSQL",
        )
    return list(_knowing_each_other(made))


def _knowing_each_other(made: Sequence[SqliteChange]) -> Iterator[SqliteChange]:
    """An index that is dropped and made anew in one migration."""
    for number, change in enumerate(made):
        before = [c for c in made[:number] if c.subject == change.subject]
        after = [c for c in made[number + 1 :] if c.subject == change.subject]
        if isinstance(change, CreateIndex) and any(isinstance(c, DropIndex) for c in before):
            yield replace(change, replaces=True)
        elif isinstance(change, DropIndex) and after and isinstance(after[-1], CreateIndex):
            yield replace(change, remade=after[-1])
        else:
            yield change


def _of_change(change: Change, file: File, schemas: Sequence[str]) -> SqliteChange:
    node: Any = change.written.node
    if isinstance(change, postgresql_create.CreateIndex):
        _require_known(node.relation.schemaname, schemas)
        return _create(change, file)
    if isinstance(change, postgresql_drop.DropIndex):
        _require_known(change.schema, schemas)
        return _drop(change, file)
    if change.written.node_kind == "vacuum_stmt":
        for named in node.rels:
            _require_known(named.vacuum_relation.relation.schemaname, schemas)
        return _analyze(change, file)
    if isinstance(change, RawSql) and change.inverse:
        return _verbatim(change, file, schemas)
    raise _Refused(f"{change.written.node_kind.removesuffix('_stmt').replace('_', ' ').upper()}: {_TAKES}")


def _require_known(schema: str, schemas: Sequence[str]) -> None:
    """Only a schema of the search_path can be left out: the name alone means the same."""
    if schema and schema not in schemas:
        raise _Refused(f"schema {schema} is not in the runbook's search_path, and a SQLite file has none")


def _blocks(file: File) -> str:
    """Whom a build holds up, by how the file keeps its journal."""
    if file.value("pragma journal_mode") == "wal":
        return "nobody else writes to the file while it is built; readers go on"
    return "nobody else writes to the file while it is built, and readers wait while it is committed (no WAL)"


def _create(change: postgresql_create.CreateIndex, file: File) -> CreateIndex:
    node: Any = change.written.node
    found = catalog.table(file, node.relation.relname)
    if not change.name:
        raise _Refused("the index has no name, and SQLite asks for one")
    if found is None:
        raise _Refused(f"{file.path.name} has no table {node.relation.relname}")
    table, ddl = found
    columns = catalog.columns(file, table)
    instead = change.options.sqlite.strip().removesuffix(";")
    try:
        own = dialect.Translated(instead, _said_instead(node, columns)) if instead else None
        translated = own or dialect.translated(node, table, columns)
    except dialect.NotTaken as e:
        raise _Refused(f"SQLite does not take {e}; {_INSTEAD.format(change.name)}") from None
    planned = _on_copy(file, ddl, translated.sql, change.name)
    notes = [*translated.notes, _blocks(file)]
    if planned.predicate and not instead:
        notes.insert(0, "partial, as on PostgreSQL")
    return CreateIndex(
        change.written, change.options, sql=translated.sql, notes=tuple(notes), name=change.name, table=table,
        planned=planned.definition, terms=_terms(planned, columns),
    )  # fmt: skip


def _said_instead(node: Any, columns: Mapping[str, str]) -> tuple[str, ...]:
    notes = ["built as runbook.toml says for SQLite"]
    if node.HasField("where_clause") and dialect.takes_predicate(node, columns):
        notes.append("SQLite could have it partial as well: leave `sqlite` out for that")
    return tuple(notes)


def _on_copy(file: File, ddl: str, sql: str, name: str) -> catalog.Index:
    """The index as SQLite makes it on an empty copy of its table, in memory."""
    with in_memory(file.target) as copy:
        try:
            copy.execute(ddl)
        except errors.StatementFailed as e:
            raise _Refused(f"the table can't be copied, so nothing can be compared: {e.message}") from None
        try:
            copy.execute(sql)
        except errors.StatementFailed as e:
            raise _Refused(f"SQLite does not take `{sql}`: {e.message}; {_INSTEAD.format(name)}") from None
        made = catalog.index(copy, name)
    if made is None:
        raise _Refused(f"`{sql}` makes no index {name}; {_INSTEAD.format(name)}")
    return made


def _terms(index: catalog.Index, columns: Mapping[str, str]) -> tuple[str, ...]:
    """The plain columns of an index; of an expression nobody knows how long its values are."""
    return tuple(quoted(columns[t[0]]) for t in index.terms if t[0] in columns) or ("null",)


def _drop(change: postgresql_drop.DropIndex, file: File) -> DropIndex:
    found = catalog.index(file, change.name)
    if found and not found.sql:
        raise _Refused(f"{change.name} stands behind a constraint of {found.table}, and can't be dropped by itself")
    notes = ("the way back builds the index again, which takes as long as it did once",)
    name, table = (found.name, found.table) if found else (change.name, "")
    return DropIndex(
        change.written, change.options, sql=f"DROP INDEX {quoted(name)}", notes=notes, name=change.name, table=table
    )


def _analyze(change: Change, file: File) -> Analyze:
    node: Any = change.written.node
    words = {o.def_elem.defname for o in node.options}
    vacuums = node.is_vacuumcmd
    if vacuums and "analyze" not in words:
        raise _Refused(f"VACUUM without ANALYZE: it would write the whole file anew; {_TAKES}")
    names = [r.vacuum_relation.relation.relname for r in node.rels]
    if len(names) > 1:
        raise _Refused("SQLite analyses one table at a time: write a statement each")
    table = ""
    if names:
        found = catalog.table(file, names[0])
        if found is None:
            raise _Refused(f"{file.path.name} has no table {names[0]}")
        table = found[0]
    notes = ["statistics are no part of the schema: a rollback leaves them"]
    if vacuums:
        notes.insert(0, "VACUUM is left out, it would write the whole file anew; ANALYZE is done")
    sql = f"ANALYZE {quoted(table)}" if table else "ANALYZE"
    return Analyze(change.written, change.options, sql=sql, notes=tuple(notes), table=table)


def _verbatim(change: RawSql, file: File, schemas: Sequence[str]) -> Verbatim:
    """As it is written, if SQLite's own parser takes it and its inverse."""
    sql, *inverse = (without_schema(s, schemas) for s in (change.written.sql, *change.inverse))
    for text in (sql, *inverse):
        try:
            file.execute(f"explain {text}")
        except errors.StatementFailed as e:
            raise _Refused(f"SQLite does not take `{text}`: {e.message}") from None
    notes = ("of no known kind: run as written, and taken back as rollback.sql says",)
    return Verbatim(change.written, change.options, sql=sql, notes=notes, inverse=tuple(inverse))
