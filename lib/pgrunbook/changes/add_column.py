"""ALTER TABLE … ADD COLUMN whose default is constant or absent: a brief ACCESS EXCLUSIVE lock.

No rewrite, but for a type that is a domain with constraints: only the target's catalog tells, and the plan says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes._base import (
    NO_OPTIONS,
    Estimate,
    LockMode,
    ObjectOptions,
    Observation,
    State,
    Statement,
    verify_state,
)
from pgrunbook.changes.create_index import find_relation
from pgrunbook.db import Database
from pgrunbook.findings import Check
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2


@dataclass(frozen=True, slots=True)
class ColumnSignature:
    """A column's type, nullability, default and collation, as the catalog spells them."""

    definition: str


@dataclass(frozen=True, slots=True)
class _ConstrainedDomain:
    found: bool


@dataclass(frozen=True, slots=True)
class AddColumn:
    """One ADD COLUMN."""

    kind: ClassVar[str] = "add_column"
    is_index: ClassVar[bool] = False

    written: SqlStatement
    options: ObjectOptions = NO_OPTIONS
    schema: str = ""
    rewrites: bool = False

    @classmethod
    def from_ast(cls, statement: SqlStatement, options: Mapping[str, ObjectOptions]) -> AddColumn | None:
        node: Any = statement.node
        if statement.node_kind != "alter_table_stmt" or node.objtype != _PB.OBJECT_TABLE or len(node.cmds) != 1:
            return None
        command = node.cmds[0].alter_table_cmd
        if command.subtype != _PB.AT_AddColumn or not _is_cheap(_column(node)):
            return None
        made = cls(statement, ObjectOptions(), node.relation.schemaname)
        return replace(made, options=options.get(made.label, ObjectOptions()))

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    def table(self) -> str:
        return str(self._node.relation.relname)

    @property
    def column(self) -> str:
        return str(_column(self._node).colname)

    @property
    def label(self) -> str:
        return f"{self.table}.{self.column}"

    @property
    def object(self) -> str:
        return quoted(self.schema, self.table, self.column)

    @property
    def relation(self) -> str:
        return quoted(self.schema, self.table)

    @property
    def idents(self) -> tuple[str, ...]:
        not_null = quoted(self.schema, self.table, f"{self.table}_{self.column}_not_null")  # a constraint from 18 on
        return (f"column {self.object}", f"constraint {not_null}")

    def resolve(self, db: Database) -> AddColumn:
        table = find_relation(db, self.schema, self.table, self.written)
        if table.kind not in ("r", "p"):
            raise errors.PreflightFailed(
                f"{quoted(table.schema, table.name)} is no table (line {self.written.line} of migrate.sql)",
                remedy="name a table",
            )
        domain = db.exactly("constrained_domain", _ConstrainedDomain, type=self._cast().partition("::")[2])
        return replace(self, schema=table.schema, rewrites=domain.found)

    def resolved_sql(self) -> str:
        def qualify(node: Any) -> None:
            node.relation.schemaname = self.schema

        return sqlfile.rewritten(self.written.sql, qualify)

    def state(self, db: Database) -> Observation:
        actual = self._signature(db, self.schema)
        if actual is None:
            return Observation(State.ABSENT)
        planned = self._signature_of_planned(db)
        if actual != planned:
            return Observation(State.DIFFERENT, f"planned: {planned}; found: {actual}")
        return Observation(State.PRESENT, actual)

    def capture(self, db: Database) -> dict[str, Any]:  # noqa: ARG002
        return {}

    def apply(self, found: State) -> list[Statement]:  # noqa: ARG002
        def exact(node: Any) -> None:
            node.relation.schemaname = self.schema
            node.cmds[0].alter_table_cmd.missing_ok = False

        sql = sqlfile.rewritten(self.written.sql, exact)
        return [Statement(sql, LockMode.ACCESS_EXCLUSIVE, self.relation)]

    def undo(self, captured: Mapping[str, Any]) -> list[Statement]:  # noqa: ARG002
        sql = f"alter table {self.relation} drop column {quoted(self.column)}"
        return [Statement(sql, LockMode.ACCESS_EXCLUSIVE, self.relation)]

    def loss(self, db: Database) -> str:
        """The column's data, where a row holds something else than the default that it was added with."""
        if self._signature(db, self.schema) is None:
            return ""
        column = quoted(self.column)
        default = self._default()  # as text, since json, xml and point can't be compared
        held = db.value(
            f"select exists (select from {self.relation} where {column}::text is distinct from {default}::text)"  # noqa: S608
        )
        return f"the data in {self.object}" if held else ""

    def verify(self, db: Database) -> list[Check]:
        return verify_state(self, db)

    def estimate(self, db: Database) -> Estimate:  # noqa: ARG002
        return Estimate()

    def lint(self) -> list[str]:
        if self.rewrites:
            return ["takes ACCESS EXCLUSIVE while it rewrites the whole table: its type is a domain with constraints"]
        return ["takes ACCESS EXCLUSIVE, briefly: no rewrite, under lock_timeout with retries"]

    def _default(self) -> str:
        """The constant default as SQL of the column's type; `null` without one."""
        for item in _column(self._node).constraints:
            if item.constraint.contype == _PB.CONSTR_DEFAULT:
                return f"({self._cast(item.constraint.raw_expr)})"
        return "null"

    def _cast(self, value: Any = None) -> str:
        """A value (None for null, else a node) cast to the column's type."""
        query = postgast.parse("select null::int")
        cast = query.stmts[0].stmt.select_stmt.target_list[0].res_target.val.type_cast
        if value is not None:
            cast.arg.CopyFrom(value)
        cast.type_name.CopyFrom(_column(self._node).type_name)
        return str(postgast.deparse(query)).removeprefix("SELECT ")

    def _signature(self, db: Database, schema: str) -> str | None:
        found = db.one("column_signature", ColumnSignature, table=quoted(schema, self.table), column=self.column)
        return found.definition if found else None

    def _signature_of_planned(self, db: Database) -> str:
        """The planned column's signature, from an empty temporary table in a transaction that is rolled back."""

        def on_copy(node: Any) -> None:
            node.relation.schemaname = "pg_temp"

        try:
            with db.transaction(rollback=True, lock_timeout="5s", client_min_messages="warning"):
                db.execute(f"create temp table {quoted(self.table)} () on commit drop")
                db.execute(sqlfile.rewritten(self.written.sql, on_copy))
                signature = self._signature(db, "pg_temp")
        except errors.StatementFailed as e:
            if e.sqlstate == "42501":
                raise errors.BadTarget(
                    f"comparing {self.object} with its plan needs a temporary table: {e.message}",
                    remedy=f"grant temporary on database {quoted(db.database)} to {quoted(db.user)}",
                ) from None
            raise errors.PreflightFailed(
                f"line {self.written.line} of migrate.sql can't be carried out: {e.message}",
                remedy="mend the statement",
            ) from None
        return signature or ""


def _column(node: Any) -> Any:
    return getattr(node.cmds[0].alter_table_cmd, "def").column_def


def _is_cheap(column: Any) -> bool:
    """A type that is no serial, and no constraint but NULL, a constant DEFAULT, or NOT NULL beside one."""
    kinds = [c.constraint.contype for c in column.constraints]
    if not set(kinds) <= {_PB.CONSTR_DEFAULT, _PB.CONSTR_NOTNULL, _PB.CONSTR_NULL}:
        return False
    if _PB.CONSTR_NOTNULL in kinds and _PB.CONSTR_DEFAULT not in kinds:
        return False
    if any("serial" in name.string.sval for name in column.type_name.names):
        return False
    defaults = [c.constraint.raw_expr for c in column.constraints if c.constraint.contype == _PB.CONSTR_DEFAULT]
    return all(_is_constant(d) for d in defaults)


def _is_constant(expression: Any) -> bool:
    kind = expression.WhichOneof("node")
    if kind == "type_cast":
        return _is_constant(expression.type_cast.arg)
    return bool(kind == "a_const")
