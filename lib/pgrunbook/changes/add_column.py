"""ALTER TABLE … ADD COLUMN: a brief ACCESS EXCLUSIVE lock, no row is touched.

A volatile default is set behind the column, and a backfill of its own gives it to the rows that are there. What makes
the server rewrite the table has no safe form, and has to be accepted: the plan says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes import _constraints
from pgrunbook.changes._alter import AlterTable, accepting, is_empty, only_command, size_of
from pgrunbook.changes._base import (
    NOTHING_THERE,
    Change,
    Defined,
    LockMode,
    Names,
    Observation,
    Phase,
    State,
    Statement,
    one_transaction,
)
from pgrunbook.changes._parts import default_of, fills_itself, is_serial, may_be_volatile
from pgrunbook.changes._scratch import copy_table, scratch
from pgrunbook.changes.add_constraint import AddConstraint
from pgrunbook.changes.set_not_null import SetNotNull
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_KNOWN = {
    _PB.CONSTR_DEFAULT,
    _PB.CONSTR_NOTNULL,
    _PB.CONSTR_NULL,
    _PB.CONSTR_GENERATED,
    _PB.CONSTR_IDENTITY,
}


@dataclass(frozen=True, slots=True)
class ColumnSignature:
    """A column's type, default and collation, as the catalog spells them, and whether it may be null."""

    definition: str
    not_null: bool

    def __str__(self) -> str:
        return f"{self.definition}{' not null' if self.not_null else ''}"


@dataclass(frozen=True, slots=True)
class AddColumn(AlterTable):
    """One ADD COLUMN. `becomes_not_null`: a later change of the migration sets it NOT NULL."""

    kind: ClassVar[str] = "add_column"
    may_lose: ClassVar[bool] = True

    rewrites: bool = False
    becomes_not_null: bool = False

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> AddColumn | None:
        command = only_command(statement, _PB.AT_AddColumn)
        node: Any = statement.node
        if command is None or not _is_whole(_definition(command)):
            return None
        return cls(statement, schema=node.relation.schemaname)

    @property
    def _column(self) -> Any:
        return _definition(self._command)

    @property
    def column(self) -> str:
        return str(self._column.colname)

    @property
    def label(self) -> str:
        return f"{self.table}.{self.column}"

    @property
    def object(self) -> str:
        return quoted(self.schema, self.table, self.column)

    @property
    def subject(self) -> str:
        return f"column {self.object}"

    def may_follow(self, before: Change) -> bool:
        return isinstance(before, Defined) and before.drops

    def follow(self, names: Names) -> None:
        names.there[self.subject] = True

    @property
    def _sequence(self) -> str:
        """The sequence that a serial or identity column brings along; empty for none."""
        identity = any(c.constraint.contype == _PB.CONSTR_IDENTITY for c in self._column.constraints)
        if not (identity or is_serial(self._column)):
            return ""
        return quoted(self.schema, _constraints.chosen_name(self.table, [self.column], "seq"))

    @property
    def idents(self) -> tuple[str, ...]:
        not_null = _constraints.chosen_name(self.table, [self.column], "not_null")  # a constraint from 18 on
        own = (f"column {self.object}", f"constraint {quoted(self.schema, self.table, not_null)}")
        return (*own, f"sequence {self._sequence}", f"relation {self._sequence}") if self._sequence else own

    @property
    def creates_in(self) -> str:
        return self.schema if self._sequence else ""

    @property
    def _filled_later(self) -> bool:
        default = default_of(self._column)
        return default is not None and may_be_volatile(default)

    # -- names ---------------------------------------------------------------------------------------------

    def resolve(self, names: Names) -> AddColumn:
        table = self._found_table(names)
        found = replace(self, schema=table.schema)
        found = replace(found, rewrites=bool(table.oid) and found._rewrites_copy(names.db, table.stands_as))
        if found.rewrites and self.options.concurrently and not is_empty(names, table):
            if found.state(names.db).state is not State.ABSENT:
                return found
            raise errors.PreflightFailed(
                f"line {self.written.line} of migrate.sql makes the server rewrite {table} ({size_of(names, table)}) "
                f"while nobody can read or write it: {self._why}",
                remedy="add a plain column, fill it, then set its default; or plan a maintenance window "
                f"and {accepting(self.label)}",
            )
        return found

    @property
    def _why(self) -> str:
        if self._sequence:
            return "each row gets a number of a sequence"
        if fills_itself(self._column):
            return "each row gets its generated value"
        return "its type is a domain with constraints, or its default is volatile"

    def followed_by(self, later: Sequence[Change]) -> Change:
        of_this = (
            (isinstance(c, SetNotNull) and c.object == self.object)
            or (isinstance(c, AddConstraint) and c.relation == self.relation and c.makes_not_null(self.column))
            for c in later
        )
        return replace(self, later=Change.followed_by(self, later).later, becomes_not_null=any(of_this))

    # -- state ---------------------------------------------------------------------------------------------

    def state(self, db: Database) -> Observation:
        actual = self._signature(db, self.schema)
        if actual is None:
            return NOTHING_THERE
        planned = self._signature_of_planned(db)
        more = actual.not_null and not planned.not_null and self.becomes_not_null
        if actual != (replace(planned, not_null=True) if more else planned):
            return Observation(State.DIFFERENT, f"planned: {planned}; found: {actual}")
        return Observation(State.PRESENT, str(actual))

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(
            *(Statement(sql, LockMode.ACCESS_EXCLUSIVE, self.relation) for sql in self._statements(self.schema))
        )

    def _statements(self, schema: str) -> list[str]:
        """ADD COLUMN, and SET DEFAULT by itself where each row that is there would be given a value."""
        default = default_of(self._column)

        def add(node: Any) -> None:
            node.relation.schemaname, node.relation.inh = schema, True
            node.missing_ok = False
            node.cmds[0].alter_table_cmd.missing_ok = False
            if self._filled_later:
                constraints = _definition(node.cmds[0].alter_table_cmd).constraints
                kept = [c for c in constraints if c.constraint.contype != _PB.CONSTR_DEFAULT]
                del constraints[:]
                constraints.extend(kept)

        def set_default(node: Any) -> None:
            node.relation.schemaname, node.relation.relname = schema, self.table
            getattr(node.cmds[0].alter_table_cmd, "def").CopyFrom(default)

        statements = [sqlfile.rewritten(self.written.sql, add)]
        if self._filled_later:
            text = f"alter table t alter column {quoted(self.column)} set default 1"
            statements.append(sqlfile.rewritten(text, set_default))
        return statements

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self._alter(f"drop column {quoted(self.column)}"))

    def loss(self, db: Database) -> str:
        """The column's data, where a row holds something else than the constant that it was added with."""
        generated = any(c.constraint.contype == _PB.CONSTR_GENERATED for c in self._column.constraints)
        if generated or self._signature(db, self.schema) is None:
            return ""
        column = quoted(self.column)
        default = self._default()  # as text, since json, xml and point can't be compared
        held = db.value(
            f"select exists (select from {self.relation} where {column}::text is distinct from {default}::text)"  # noqa: S608
        )
        return f"the data in {self.object}" if held else ""

    def known(self) -> dict[str, bool]:
        return {"rewrites": self.rewrites}

    def lint(self) -> list[str]:
        if self.rewrites:
            return [f"takes ACCESS EXCLUSIVE while it rewrites the whole table: {self._why}"]
        notes = ["takes ACCESS EXCLUSIVE, briefly: no rewrite, under lock_timeout with retries"]
        if self._filled_later:
            notes.append(
                "written, it would rewrite the whole table under ACCESS EXCLUSIVE for the default of each row; here "
                "the rows that are there are filled by a backfill of its own"
            )
        return notes

    def _default(self) -> str:
        """A constant default as SQL of the column's type; `null` for any other, and without one."""
        default = default_of(self._column)
        return f"({self._cast(default)})" if default is not None and _is_constant(default) else "null"

    def _cast(self, value: Any) -> str:
        """A node cast to the column's type."""
        query = postgast.parse("select null::int")
        cast = query.stmts[0].stmt.select_stmt.target_list[0].res_target.val.type_cast
        cast.arg.CopyFrom(value)
        cast.type_name.CopyFrom(self._column.type_name)
        return sqlfile.deparsed(query).removeprefix("SELECT ")

    def _signature(self, db: Database, schema: str) -> ColumnSignature | None:
        return db.one("column_signature", ColumnSignature, table=quoted(schema, self.table), column=self.column)

    def _copy(self, db: Database, source: str = "") -> str:
        """An empty copy of the table, or of what becomes the table, without the column."""
        copy = copy_table(db, source or self.relation, self.table)
        db.execute(f"alter table {copy} drop column if exists {quoted(self.column)}")
        return copy

    def _rewrites_copy(self, db: Database, source: str) -> bool:
        """Whether the server makes a new file of the table."""
        query = "select pg_catalog.pg_relation_filenode($1::pg_catalog.regclass)"
        try:
            with scratch(db, self):
                copy = self._copy(db, source)
                before = db.value(query, [copy])
                for sql in self._statements("pg_temp"):
                    db.execute(sql)
                return bool(db.value(query, [copy]) != before)
        except errors.PreflightFailed:  # an earlier change makes what it needs
            return False

    def _signature_of_planned(self, db: Database) -> ColumnSignature:
        """The planned column's signature, from an empty temporary table in a transaction that is rolled back."""
        with scratch(db, self):
            self._copy(db)
            for sql in self._statements("pg_temp"):
                db.execute(sql)
            signature = self._signature(db, "pg_temp")
        if signature is None:
            raise errors.PreflightFailed(f"{self.object} can't be made on a copy", remedy="look at its name")
        return signature


def _definition(command: Any) -> Any:
    return getattr(command, "def").column_def


def _is_whole(column: Any) -> bool:
    """Whether nothing is left in it that has to be a change of its own: a constraint, or NOT NULL over no value."""
    kinds = {c.constraint.contype for c in column.constraints}
    if not kinds <= _KNOWN:
        return False
    default = default_of(column)
    has_values = fills_itself(column) or (default is not None and not may_be_volatile(default))
    return has_values or _PB.CONSTR_NOTNULL not in kinds


def _is_constant(expression: Any) -> bool:
    kind = expression.WhichOneof("node")
    if kind == "type_cast":
        return _is_constant(expression.type_cast.arg)
    return bool(kind == "a_const")
