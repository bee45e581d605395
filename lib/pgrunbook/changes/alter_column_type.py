"""ALTER COLUMN … TYPE: where the server rewrites the table or builds its indexes again, that has to be accepted.

It has a way back where no value changes its meaning by it (`_widening.py`); else the runbook has to say why it may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes import _widening
from pgrunbook.changes._alter import accepting, is_empty, only_command, size_of
from pgrunbook.changes._base import ACCEPT, LockMode, Names, Phase, Relation, Statement, one_transaction
from pgrunbook.changes._columns import AlterColumn, Column, columns
from pgrunbook.changes._functions import type_text
from pgrunbook.changes._phases import Unfit
from pgrunbook.changes._scratch import copy_table, scratch
from pgrunbook.changes.create_type import CreateType
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_FILES = (
    "select array(select pg_catalog.pg_relation_filenode(r) from (select $1::pg_catalog.regclass union all"
    " select indexrelid from pg_catalog.pg_index where indrelid = $1::pg_catalog.regclass) t(r) order by 1)"
)


_LABELS = (
    "select array(select enumlabel::text from pg_catalog.pg_enum where enumtypid = $1::pg_catalog.regtype"
    " order by enumsortorder)"
)
_CHECKED = (
    "select exists (select from pg_catalog.pg_constraint c join pg_catalog.pg_attribute a on a.attrelid = c.conrelid"
    " where c.conrelid = $1::pg_catalog.regclass and a.attname = $2 and a.attnum = any (c.conkey)"
    " and c.contype in ('c', 'f'))"
)
# what a cast says of a value that the type has no room for
_NOT_HELD = ("22003", "22001", "22P02", "0A000")


_LIKE = "defaults including generated including indexes including constraints"
_DEFINITIONS = (
    "select array(select pg_catalog.pg_get_constraintdef(oid) from pg_catalog.pg_constraint where"
    " conrelid = $1::pg_catalog.regclass and contype = 'c' union all select pg_catalog.regexp_replace("
    "pg_catalog.pg_get_indexdef(indexrelid), '^.* USING ', '') from pg_catalog.pg_index"
    " where indrelid = $1::pg_catalog.regclass)"
)


@dataclass(frozen=True, slots=True)
class _Tried:
    type: str
    rewrites: bool
    enums: tuple[str, ...]
    spoils: str = ""


@dataclass(frozen=True, slots=True)
class _Reader:
    what: str
    schema: str
    name: str
    described: str


@dataclass(frozen=True, slots=True)
class AlterColumnType(AlterColumn):
    """One TYPE. `was` is the type before it, `becomes` the planned one, as the server spells them.

    `checks`: constraints on the column are looked at anew. `spoils` is what would come back in another spelling.
    `freed`: an earlier line changes the default. `enums` are those of the two types that are one, `labels` the values
    of the old one where both are.
    """

    kind: ClassVar[str] = "alter_column_type"
    destroys: ClassVar[bool] = True
    may_lose: ClassVar[bool] = True

    was: str = ""
    becomes: str = ""
    rewrites: bool = False
    checks: bool = False
    spoils: str = ""
    freed: bool = False
    enums: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> AlterColumnType | None:
        command = only_command(statement, _PB.AT_AlterColumnType)
        node: Any = statement.node
        return cls(statement, schema=node.relation.schemaname) if command else None

    @property
    def _definition(self) -> Any:
        return getattr(self._command, "def").column_def

    @property
    def object(self) -> str:
        return quoted(self.schema, self.table, self.column)

    @property
    def subject(self) -> str:
        return f"type of {self.object}"

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"column {self.object}",)

    @property
    def _converts(self) -> bool:
        """Whether USING says more than to cast the column to the type."""
        given = self._definition.raw_default
        if not given.WhichOneof("node"):
            return False
        for type_ in (type_text(self._definition.type_name), "text"):  # an enum becomes another by way of its text
            if given.WhichOneof("node") == "type_cast" and type_text(given.type_cast.type_name) == type_:
                given = given.type_cast.arg
        fields = given.column_ref.fields
        return not fields or fields[-1].string.sval != self.column

    @property
    def irreversible(self) -> str:
        if self._converts:
            return "USING makes other values of those that are there, and nothing keeps the old ones"
        if self.was and not self._fits:
            return f"{self.was} becomes {self.becomes}: what that changes or cuts off of a value, nothing keeps"
        if self.spoils:
            return f"the server would not write {self.spoils} as before once the type has changed and come back"
        return "" if self.was else self.options.irreversible

    @property
    def _is_exact(self) -> bool:
        return not (self._converts or self.spoils) and self._fits

    @property
    def _fits(self) -> bool:
        return _widening.is_exact(self.was, self.becomes, self.enums)

    # -- names ---------------------------------------------------------------------------------------------

    def resolve(self, names: Names) -> AlterColumnType:
        table = self._found_table(names)
        found = replace(self, schema=table.schema)
        there = columns(names.db, str(table), self.column) if table.oid else []
        if not there:
            return found
        freed = any(c.kind == "alter_column_default" and c.object == found.object for c in names.earlier)
        found = replace(found, freed=freed)
        checks = bool(names.db.value(_CHECKED, [str(table), self.column]))
        try:
            tried = found._tried(names.db, back=_shown(there[0]))
        except Unfit:  # it may need what an earlier change makes: a type, a function
            if not names.earlier:
                raise
            tried = found._foreseen(names, there[0])
        found = replace(
            found,
            was=_shown(there[0]),
            becomes=tried.type,
            rewrites=tried.rewrites,
            checks=checks,
            spoils=tried.spoils,
            enums=tried.enums,
        )
        if found.was == found.becomes:
            return found
        where = f"line {self.written.line} of migrate.sql"
        if found.refusal():
            raise errors.PreflightFailed(f"{where}: {found.irreversible}", remedy=ACCEPT.format(self.label))
        if readers := found._readers(names):
            raise errors.PreflightFailed(
                f"{where}: the server changes no type of a column that is read by {'; '.join(readers)}",
                remedy="drop what reads it in a line before, and make it again in one after",
            )
        if found.rewrites and self.options.concurrently and not is_empty(names, table):
            raise errors.PreflightFailed(
                f"{where} makes the server rewrite {table} or build its indexes again ({size_of(names, table)}) while "
                "nobody can read or write it",
                remedy="add a column of the new type, fill it, and let it take the old one's name; or plan a "
                f"maintenance window and {accepting(self.label)}",
            )
        return found

    def _foreseen(self, names: Names, column: Column) -> _Tried:
        """What can be said where the new type is yet to come: it is another enum, or nothing that is known."""
        written = self._definition.type_name
        made = [c for c in names.earlier if isinstance(c, CreateType) and c.enum_name and not written.array_bounds]
        wanted = [n.string.sval for n in written.names]
        enum = next((c.object for c in made if c.enum_name and wanted in ([c.enum_name[1]], [*c.enum_name])), "")
        if not enum:
            return _Tried(type_text(written), rewrites=True, enums=())
        return _Tried(enum, rewrites=True, enums=(_shown(column), enum) if column.sort == "e" else (enum,))

    def _readers(self, names: Names) -> list[str]:
        found = names.db.fetch("views_on_column", _Reader, relation=self.relation, column=self.column)
        dropped = {r.described for r in found if r.what == "view" and names.find(r.schema, r.name) is None}
        gone = any(c.kind in ("drop_policy", "drop_trigger") and c.relation == self.relation for c in names.earlier)
        return [
            str(Relation(0, r.schema, r.name, "v")) if r.name else r.described
            for r in found
            if r.described not in dropped and not (gone and r.what == "other")
        ]

    # -- state ---------------------------------------------------------------------------------------------

    def now(self, db: Database) -> str | None:
        found = columns(db, self.relation, self.column)
        return _shown(found[0]) if found else None

    def planned(self, db: Database) -> str | None:
        return self._tried(db).type

    def _tried(self, db: Database, back: str = "") -> _Tried:
        """What the server makes of an empty copy of the table, and of its way back to a type."""

        def on_copy(node: Any) -> None:
            node.relation.schemaname, node.relation.inh = "pg_temp", True

        column = quoted(self.column)
        with scratch(db, self):
            copy = copy_table(db, self.relation, self.table, including=_LIKE)
            if self.freed:
                db.execute(f"alter table {copy} alter column {column} drop default")
            before, old, was = set(db.value(_FILES, [copy])), self._definitions(db, copy), self._on(db, copy)
            db.execute(sqlfile.rewritten(self.resolved_sql(), on_copy))
            rewrites, becomes = not set(db.value(_FILES, [copy])) <= before, self._on(db, copy)
            enums = tuple(_shown(c) for c in (was, becomes) if c.sort == "e")
            tried = _Tried(_shown(becomes), rewrites, enums)
            if not back or self._converts or not _widening.is_exact(back, tried.type, enums):
                return tried
            db.execute(f"alter table {copy} alter column {column} drop default")
            db.execute(f"alter table {copy} {self._back(back, enums)}")
            left = self._definitions(db, copy)
        return replace(tried, spoils="; ".join(d for d in old if d not in left))

    def _on(self, db: Database, copy: str) -> Column:
        return columns(db, copy, self.column)[0]

    @staticmethod
    def _definitions(db: Database, copy: str) -> list[str]:
        return [str(d) for d in db.value(_DEFINITIONS, [copy])]

    def capture(self, db: Database) -> dict[str, Any]:
        found = columns(db, self.relation, self.column)
        before = _shown(found[0]) if found else None
        known = self
        if before and before != self.was:  # an earlier line has made the column since
            tried = self._tried(db, back=before)
            known = replace(self, was=before, becomes=tried.type, spoils=tried.spoils, enums=tried.enums)
        kept = [[c.relation, c.default, "" if c.usual_storage else c.storage, c.compression] for c in found]
        exact = bool(before) and known._is_exact
        both = len(set(known.enums)) > 1
        return {
            "before": before, "becomes": known.becomes, "exact": exact, "enums": list(known.enums), "columns": kept,
            "labels": list(db.value(_LABELS, [before])) if both else [],
        }  # fmt: skip

    # -- phases --------------------------------------------------------------------------------------------

    def apply(self, seen: Any) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(self.resolved_sql(), LockMode.ACCESS_EXCLUSIVE, self.relation))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        if not captured.get("exact"):
            return []
        column = quoted(self.column)
        texts = [f"alter table {self.relation} {self._back(captured['before'], captured['enums'])}"]
        defaults = [(relation, default) for relation, default, *_ in captured["columns"] if default]
        # a default that has been cast forth and back would not be spelled as it was
        texts[:0] = [f"alter table only {r} alter column {column} drop default" for r, _ in defaults]
        texts += [f"alter table only {r} alter column {column} set default {d}" for r, d in defaults]
        for relation, _, storage, compression in captured["columns"]:
            texts += [f"alter table only {relation} alter column {column} set storage {storage}"] if storage else []
            if compression != "default":
                texts.append(f"alter table only {relation} alter column {column} set compression {compression}")
        return one_transaction(*(Statement(t, LockMode.ACCESS_EXCLUSIVE, self.relation) for t in texts))

    def _back(self, before: str, enums: Sequence[str]) -> str:
        column = quoted(self.column)
        using = f" using {column}::text::{before}" if before in enums else ""
        return f"alter column {column} type {before}{using}"

    def loss(self, db: Database) -> str:
        """The values that came since and that the old type does not hold."""
        column = quoted(self.column)
        if self.labels:  # the types may bear other names by now
            query = f"select exists (select from {self.relation} where {column}::text <> all ($1))"  # noqa: S608
            return self._misfits if db.value(query, [list(self.labels)]) else ""
        if not (self.was and self.becomes) or self.now(db) != self.becomes:
            return ""
        held = f"select exists (select from {self.relation} where {column} is distinct from "  # noqa: S608
        try:
            with db.transaction(rollback=True):
                misfits = db.value(f"{held} {column}::{self.was}::{self.becomes})")
        except errors.StatementFailed as e:
            if e.sqlstate not in _NOT_HELD:
                raise
            misfits = True
        return self._misfits if misfits else ""

    @property
    def _misfits(self) -> str:
        return f"values of {self.object} that {self.was} does not hold"

    def remembering(self, captured: Mapping[str, Any]) -> AlterColumnType:
        if not captured.get("exact"):
            return self
        return replace(
            self, was=captured["before"], becomes=captured["becomes"], labels=tuple(captured.get("labels", ()))
        )

    def known(self) -> dict[str, bool]:
        return {"rewrites": self.rewrites}

    def lint(self) -> list[str]:
        if self.rewrites:
            notes = ["takes ACCESS EXCLUSIVE while it rewrites the whole table, or builds its indexes again"]
        else:
            notes = ["takes ACCESS EXCLUSIVE, briefly: no rewrite, under lock_timeout with retries"]
        if self.checks and not self.rewrites:
            notes = ["takes ACCESS EXCLUSIVE while it reads the whole table for the column's constraints; no rewrite"]
        if self.irreversible:
            return [*notes, f"irreversible: {self.irreversible}; accepted: {self.options.irreversible}"]
        return (
            notes
            if _widening.is_exact(self.becomes, self.was, self.enums[:0])
            else [*notes, "its undo refuses values that came since and don't fit the old type"]
        )


def _shown(column: Column) -> str:
    return column.type + (f" collate {column.collation}" if column.collation else "")
